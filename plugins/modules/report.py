#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write a page that shows a plan, a run, a placement or the history of a cluster
version_added: 1.2.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Writes one HTML file that shows the hosts and guests of a cluster before and after, each migration with its reason and its time, violated rules,
    what stays undone and why, and what is proven about the plan.
  - The page loads nothing from elsewhere. It opens from a disk, as an attachment, and as an artifact of a CI system.
  - The page has sections for what it is given, so that O(plan) with its O(snapshot) shows the most.
  - It runs on the controller, and reads and writes files there, whatever host the task is for. It connects to nothing.
  - The same documents make the same page, byte by byte. The page contains the names and loads of all guests.
options:
  dest:
    description:
      - File to write. Missing folders are created. An existing file is replaced.
      - A relative path refers to the folder in which C(ansible-playbook) was started, as for all paths.
    type: path
    required: true
  title:
    description: Title of the page. Without it the page says in a sentence what it shows.
    type: str
    default: ""
  cluster:
    description: Name of the cluster, for a page of O(history) alone. The other documents contain it.
    type: str
    default: ""
  metric:
    description:
      - Metric that is shown first, such as V(memory). It must be a metric of O(plan), or V(cpu) or V(memory) without a plan.
      - Without a value it is the first one of the policy of the plan.
    type: str
  snapshot:
    description:
      - Snapshot, as M(evenkeel.cluster.cluster_facts) returns it.
      - With O(plan) it must be the snapshot that the plan was made from.
      - Without it the page shows hosts, and no guests on them.
    type: dict
  snapshot_path:
    description: File with O(snapshot).
    type: path
  plan:
    description: Plan, as M(evenkeel.cluster.balance_plan) returns it.
    type: dict
  plan_path:
    description: File with O(plan).
    type: path
  outcome:
    description: Outcome of a run, as M(evenkeel.cluster.vm_migrate) returns it. Together with O(plan) the page compares planned and real times.
    type: dict
  outcome_path:
    description: File with O(outcome).
    type: path
  placement:
    description: Placement, as M(evenkeel.cluster.vm_placement) returns it.
    type: dict
  placement_path:
    description: File with O(placement).
    type: path
  history:
    description: Result of M(evenkeel.cluster.history_info), registered as a variable.
    type: dict
  mode:
    description: Who may read the file.
    type: str
    choices: ["0600", "0640", "0644"]
    default: "0600"
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - The diff shows size, digest and mode of the file, and not the page.
requirements:
  - jinja2, which Ansible itself requires
seealso:
  - module: evenkeel.cluster.balance_plan
  - module: evenkeel.cluster.history_info
  - module: evenkeel.cluster.vm_migrate
  - module: evenkeel.cluster.vm_placement
"""

EXAMPLES = r"""
- name: Read the cluster
  evenkeel.cluster.cluster_facts:
    platform: proxmox
    snapshot_path: out/snapshot.json

- name: Plan the migrations
  evenkeel.cluster.balance_plan:
    snapshot_path: out/snapshot.json
    plan_path: out/plan.json

- name: Show the plan
  evenkeel.cluster.report:
    dest: out/plan.html
    snapshot_path: out/snapshot.json
    plan_path: out/plan.json

- name: Migrate
  evenkeel.cluster.vm_migrate:
    platform: proxmox
    plan_path: out/plan.json
    outcome_path: out/outcome.json

- name: Show what became of the plan, for everyone on this machine
  evenkeel.cluster.report:
    dest: /srv/www/balance.html
    title: Nightly balance
    snapshot_path: out/snapshot.json
    plan_path: out/plan.json
    outcome_path: out/outcome.json
    mode: "0644"
"""

RETURN = r"""
path:
  description: The file, as an absolute path.
  returned: success
  type: str
  sample: /home/ops/out/plan.html
bytes:
  description: Size of the page.
  returned: success
  type: int
  sample: 124037
sections:
  description: Ids of the sections of the page, in their order. A link to O(dest) with C(#) and the id opens the page there.
  returned: success
  type: list
  elements: str
  sample: [summary, picture, migrations, rules, headroom]
error:
  description: Kind of the error.
  returned: failure
  type: str
  sample: InputError
"""
