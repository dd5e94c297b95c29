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
    what stays undone and why, and what is proven about the plan. Where O(plan) has a part for datastores, it shows these before and after,
    each disk move, and copies that were left behind.
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
  max_parallel:
    description:
      - O(evenkeel.cluster.vm_migrate#module:max_parallel) of the run, for the estimated times.
      - Without a value the times are those of O(evenkeel.cluster.balance_plan#module:max_per_host) alone, so that a run with a limit for
        the whole cluster takes longer.
    type: int
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
  what_if:
    description: Changes that O(plan) was made with, as O(evenkeel.cluster.balance_plan#module:what_if). O(snapshot) is the one before them.
    type: dict
  refusals:
    description: Refusals that O(plan) was made with, as O(evenkeel.cluster.balance_plan#module:refusals).
    type: list
    elements: dict
  disk_refusals:
    description: Refused moves of disks that O(plan) was made with, as O(evenkeel.cluster.balance_plan#module:disk_refusals).
    type: list
    elements: dict
    version_added: 1.5.0
  error:
    description: Why the run failed. The page begins with it, and it needs no other document. An empty text is no failure.
    type: str
    default: ""
  notes:
    description: Lines about the run that no document has. They are shown below the headline.
    type: list
    elements: str
    default: []
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
headroom:
  description:
    - Which hosts may fail, and how many more guests fit, at the end of what the page shows, such as after O(plan).
    - Limits, rules and exclusions are those of O(plan), or the defaults without one. Its JSON Schema is in C(docs/schemas/headroom.json) of the
      collection.
  returned: when a snapshot is given
  type: dict
  contains:
    schema:
      description: Version of the format.
      type: str
      sample: evenkeel.cluster/headroom/1
    cluster:
      description: Id and name of the cluster.
      type: dict
      contains:
        id:
          description: Id.
          type: str
          sample: prod
        name:
          description: Name.
          type: str
          sample: production
        instance:
          description: The vCenter, VMmanager or cluster of Proxmox VE that it belongs to. Left out when it is not known.
          type: str
          sample: 6d0b3c6a
    taken_at:
      description: Time of the snapshot, by the clock of the platform.
      type: str
      sample: "2026-01-31T22:00:00Z"
    failures:
      description: What becomes of the running guests of each host that is online, if it fails.
      type: list
      elements: dict
      contains:
        host:
          description: Id of the host.
          type: str
          sample: pve1
        name:
          description: Name of the host.
          type: str
          sample: pve1
        guests:
          description: Number of running guests that have to be restarted.
          type: int
          sample: 12
        verdict:
          description:
            - V(enough) - each guest that is not tied to the host was given a place on the others.
            - V(not_enough) - it is proven that they do not all have one.
            - V(undecided) - no way was found, and none is ruled out.
          type: str
          sample: enough
        tied:
          description: Guests that can be started on no other host at all.
          type: list
          elements: dict
          contains: &lost
            id:
              description: Id of the guest.
              type: str
              sample: "101"
            name:
              description: Name of the guest.
              type: str
              sample: web01
            cause:
              description:
                - V(tied) - what it needs is on the failed host only.
                - V(nowhere) - no other host could take it, even if it were the first.
                - V(no_room_left) - none could once the others are restarted.
              type: str
              sample: tied
            why:
              description: The reason in words.
              type: str
              sample: its disks are on local-lvm of pve1, which no other host can read
        lost:
          description: Guests among the others that have no place in the best way that was found.
          type: list
          elements: dict
          contains: *lost
        look_at:
          description: What may keep guests from being started that count as restarted, and which.
          type: list
          elements: str
          sample: ["web01: an image that other hosts do not have is in its drive: eject it"]
    sizes:
      description: Sizes of guests that occur, the most frequent first, and how many more of each fit without a migration.
      type: list
      elements: dict
      contains:
        cpu:
          description: Cores that a guest of this size is given.
          type: float
          sample: 4.0
        memory:
          description: Bytes of memory that it is given.
          type: int
          sample: 8589934592
        guests:
          description: Number of running guests of this size.
          type: int
          sample: 9
        fit:
          description: How many more fit, if each uses all that it is given.
          type: int
          sample: 15
        fit_with_spare:
          description: The same if the others keep as much free as the guests of any one host take in sum.
          type: int
          sample: 11
        fit_as_used:
          description: How many more fit if each uses what guests of this size use on average. Null when that is not known.
          type: int
          sample: 37
        fit_on_datastores:
          description:
            - How many more have room for their disks within C(storage) of the policy, if each has as much as guests of this size have on
              average. No other number is larger.
          returned: when the policy says anything about datastores, and the sizes of disks are known
          type: int
          sample: 22
          version_added: 1.3.0
    largest:
      description: The largest memory that one more guest can be given, by its cores.
      type: list
      elements: dict
      contains:
        cpu:
          description: Cores of the guest.
          type: float
          sample: 8.0
        memory:
          description: Bytes of memory. Null when no host has that many cores left within its limits.
          type: int
          sample: 51539607552
        host:
          description: Id of the host. Null when there is none.
          type: str
          sample: pve4
        name:
          description: Name of the host. Null when there is none.
          type: str
          sample: pve4
    says:
      description: The answer in lines.
      type: list
      elements: str
      sample: ["any one of the 8 hosts may fail: the others have room for its guests"]
    notes:
      description: What could not be made sense of, and was left out. Left out when there is nothing.
      type: list
      elements: str
      sample: []
error:
  description: Kind of the error.
  returned: failure
  type: str
  sample: InputError
"""
