#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: history_info
short_description: Report past runs and migrations, and take out their plans
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns what M(evenkeel.cluster.vm_migrate) has recorded in the state database. Each run with its reading, plan, result and
    originator, and each migration with its reason and result.
  - Does not connect to a platform. Changes nothing.
  - Runs in check mode are not recorded, nor are runs that did not start because another run held the lock.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.history_group
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.cluster.state
options:
  clusters:
    description: Names, shell patterns of names, or keys of clusters, as in RV(clusters). Without a value all clusters are included.
    type: list
    elements: str
  guest:
    description: Id or name of one guest. Only its migrations, and the runs that migrated it, are returned.
    type: str
  days:
    description: Number of days before O(until) that are included. O(since) takes precedence.
    type: int
    default: 30
  since:
    description: Start of the period, as a moment in UTC such as V(2026-01-31T22:00:00Z), or as a day such as V(2026-01-31).
    type: str
  until:
    description: End of the period, in the same form. A day is included as a whole. Without a value it is the present moment.
    type: str
  what:
    description: Which lists are returned. RV(clusters), RV(summary) and RV(report) always are.
    type: list
    elements: str
    choices: [runs, migrations, days, guests, failures, disk_moves]
    default: [runs, migrations, days, guests, failures, disk_moves]
  max_entries:
    description: Maximum length of each list. RV(cut) names the lists that are longer. RV(report) and RV(summary) cover all entries.
    type: int
    default: 1000
  plan:
    description:
      - Digest of a plan, or id of a run, whose plan is returned. Its first characters suffice.
      - M(evenkeel.cluster.vm_migrate) accepts the plan and checks whether it is stale.
    type: str
  plan_path:
    description: File to write the plan of O(plan) to, instead of returning it. In check mode the file is not written, and the plan
      is returned.
    type: path
requirements:
  - SQLAlchemy 2
  - psycopg 3, for a O(state_url) on PostgreSQL
seealso:
  - module: evenkeel.cluster.vm_migrate
  - module: evenkeel.cluster.balance_plan
"""

EXAMPLES = r"""
- name: Find out why a guest was moved in a night
  evenkeel.cluster.history_info:
    clusters: [production]
    guest: web01
    since: "2026-01-30T18:00:00Z"
    until: "2026-01-31T08:00:00Z"
  register: history

- name: Show it
  ansible.builtin.debug:
    var: history.report

- name: Read the last 30 days of all clusters by day
  evenkeel.cluster.history_info:
    what: [days, guests, failures]

- name: Write the plan of a run to a file
  evenkeel.cluster.history_info:
    plan: "{{ history.runs[0].plan_digest }}"
    plan_path: /var/lib/evenkeel/replayed.plan.json
"""

RETURN = r"""
since:
  description: Start of the period, in UTC.
  returned: success
  type: str
  sample: "2026-01-01T22:00:00Z"
until:
  description: End of the period, in UTC.
  returned: success
  type: str
  sample: "2026-01-31T22:00:00Z"
clusters:
  description: The clusters of which anything is recorded, by name.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Identifies the cluster in the database.
      type: str
      sample: proxmox:6d0b3c6a:prod
    name:
      description: Name of the cluster.
      type: str
      sample: production
    platform:
      description: Platform of the cluster.
      type: str
      sample: proxmox
    runs:
      description: Number of runs that are recorded, in all periods.
      type: int
      sample: 720
    migrations:
      description: Number of migrations that are recorded, in all periods.
      type: int
      sample: 214
    first_run:
      description: Start of the first run, in UTC. Null when only versions before 1.1 have recorded anything.
      type: str
      sample: "2026-01-01T22:00:00Z"
    last_run:
      description: Start of the last run, in UTC.
      type: str
      sample: "2026-01-31T22:00:00Z"
    last_status:
      description: Status of the last run, as in RV(runs).
      type: str
      sample: done
summary:
  description: The period in a few numbers.
  returned: success
  type: dict
  contains:
    runs:
      description: Number of runs.
      type: int
      sample: 30
    failed_runs:
      description: Number of runs with a status other than V(done) and V(running).
      type: int
      sample: 1
    migrations:
      description: Number of guests that were migrated.
      type: int
      sample: 17
    failures:
      description: Number of migrations that failed, were cancelled or were refused.
      type: int
      sample: 1
    memory_bytes:
      description: Bytes of memory of the guests that were migrated.
      type: int
      sample: 146028888064
    disk_moves:
      description: Number of moves of disks that were done.
      version_added: 1.3.0
      type: int
      sample: 4
    disk_failures:
      description: Number of moves of disks that failed, were cancelled or were refused.
      version_added: 1.3.0
      type: int
      sample: 0
    bytes_copied:
      description: Bytes of the disks that were moved.
      version_added: 1.3.0
      type: int
      sample: 343597383680
    left_behind:
      description: Number of copies of disks that were left behind.
      version_added: 1.3.0
      type: int
      sample: 0
report:
  description: Lines for people. With O(guest) its migrations, with the reason, the run and who started it. Otherwise the days, the
    guests that moved most, and the failures.
  returned: success
  type: list
  elements: str
  sample:
    - "guest web01 from 2026-01-30T18:00:00Z to 2026-01-31T08:00:00Z: 1 run, 1 migration, 0 failures, 8.0 GiB of memory"
    - ""
    - "migrations"
    - "  2026-01-31T02:00:22Z  web01 (101)  pve1 → pve3  migrated  balance: takes pve1 from 91 % to 78 % memory; run 3f0c92d1, plan
      sha256:3acfb594b249, AWX job 4711 of balance production by anna"
runs:
  description: The runs that started in the period, the newest first.
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    id:
      description: Id of the run.
      type: str
      sample: 3f0c92d1b64a4f7e9f2f0a5d8c1e7b60
    cluster:
      description: Name of the cluster.
      type: str
      sample: production
    key:
      description: The cluster, as in RV(clusters).
      type: str
      sample: proxmox:6d0b3c6a:prod
    platform:
      description: Platform of the cluster.
      type: str
      sample: proxmox
    started_at:
      description: Start of the run, in UTC, by the clock of the database.
      type: str
      sample: "2026-01-31T02:00:00Z"
    ended_at:
      description: End of the run, in UTC. Null while it is running. Of an interrupted run, the time at which another run found it.
      type: str
      sample: "2026-01-31T02:01:23Z"
    status:
      description:
        - As O(evenkeel.cluster.vm_migrate#module:plan) ended, V(done), V(partial), V(stopped) or V(rolled_back).
        - V(failed) when the module failed with an error, V(running), or V(interrupted) when it was killed.
      type: str
      sample: done
    goal:
      description: Goal of the policy. Null for the migration of a single guest.
      type: str
      sample: spread
    preset:
      description: Preset of the policy, or null.
      type: str
      sample: drs
    policy_digest:
      description: Digest of the policy. Runs with the same policy have the same digest.
      type: str
      sample: "sha256:0f1a…"
    plan_digest:
      description: Digest of the plan, for O(plan).
      type: str
      sample: "sha256:3acfb594b249b5eab67712cd5edd5d01e055129fa3d34e0a5a300854e669745c"
    has_plan:
      description: Whether the plan is still kept.
      type: bool
      sample: true
    read_at:
      description: Time at which the loads of the plan were read, by the clock of the platform.
      type: str
      sample: "2026-01-31T01:59:50Z"
    spread:
      description: Points between the fullest and the emptiest host, by metric, when the plan was made.
      type: dict
      sample: {"cpu": 31.0, "memory": 44.2}
    highest:
      description: Percent in use on the fullest host, by metric, when the plan was made.
      type: dict
      sample: {"cpu": 71.2, "memory": 91.0}
    violations:
      description: Names of the strict rules that were violated when the plan was made.
      type: list
      elements: str
      sample: [web]
    result:
      description: Result of the run, as O(evenkeel.cluster.vm_migrate#module:plan) returns it in C(summary), with the number of planned
        migrations, their lower bound and the time for which the run waited for the lock. Only C(error) for a run that failed.
      type: dict
      sample: {"migrated": 9, "failed": 0, "in_band": true, "migrations_planned": 9, "migrations_lower_bound": 9, "lock_waited": 0.0}
    who:
      description: User, controller and process of the run, the job of AWX, and O(evenkeel.cluster.vm_migrate#module:started_by).
      type: dict
      sample: {"user": "awx", "controller": "awx-1", "process": "4711", "job": "812", "template": "balance production", "awx_user": "anna"}
migrations:
  description: The migrations that ended in the period, the newest first.
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    cluster:
      description: Name of the cluster.
      type: str
      sample: production
    key:
      description: The cluster, as in RV(clusters).
      type: str
      sample: proxmox:6d0b3c6a:prod
    guest:
      description: Id and name of the guest. The name is the id for migrations of versions before 1.1.
      type: dict
      contains:
        id:
          description: Id.
          type: str
          sample: "101"
        name:
          description: Name at that time.
          type: str
          sample: web01
    from:
      description: Id and name of the host that it was on.
      type: dict
      contains:
        id:
          description: Id.
          type: str
          sample: pve1
        name:
          description: Name at that time.
          type: str
          sample: pve1
    to:
      description: Id and name of the target host.
      type: dict
      contains:
        id:
          description: Id.
          type: str
          sample: pve3
        name:
          description: Name at that time.
          type: str
          sample: pve3
    result:
      description: V(migrated), V(failed), V(cancelled) or V(refused).
      type: str
      sample: migrated
    why:
      description: Reason why it failed, was cancelled or was refused. Otherwise empty.
      type: str
      sample: ""
    kind:
      description: Kind of the migration in the plan, such as V(balance) or V(rule). V(rollback) when it undid another one. Null for
        migrations of versions before 1.1.
      type: str
      sample: balance
    reason:
      description: Reason in the plan.
      type: str
      sample: takes pve1 from 91 % to 78 % memory
    started_at:
      description: Start, in UTC, by the clock of the controller.
      type: str
      sample: "2026-01-31T02:00:01Z"
    ended_at:
      description: End, in UTC, by the clock of the controller.
      type: str
      sample: "2026-01-31T02:00:22Z"
    recorded_at:
      description: Time at which it was recorded, in UTC, by the clock of the database.
      type: str
      sample: "2026-01-31T02:00:22Z"
    seconds:
      description: Duration in seconds.
      type: float
      sample: 21.4
    memory_bytes:
      description: Bytes of memory that the guest used.
      type: int
      sample: 8589934592
    run:
      description: Id of the run, as in RV(runs).
      type: str
      sample: 3f0c92d1b64a4f7e9f2f0a5d8c1e7b60
    goal:
      description: Goal of the policy.
      type: str
      sample: spread
    plan_digest:
      description: Digest of the plan, for O(plan).
      type: str
      sample: "sha256:3acfb594b249b5eab67712cd5edd5d01e055129fa3d34e0a5a300854e669745c"
    who:
      description: Who started the run, as in RV(runs).
      type: dict
      sample: {"user": "awx", "controller": "awx-1", "process": "4711", "job": "812"}
days:
  description: The days in UTC on which anything happened, the newest first.
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    day:
      description: The day.
      type: str
      sample: "2026-01-31"
    runs:
      description: Number of runs that started.
      type: int
      sample: 24
    failed_runs:
      description: Number of them with a status other than V(done) and V(running).
      type: int
      sample: 0
    migrations:
      description: Number of guests that were migrated.
      type: int
      sample: 3
    failures:
      description: Number of migrations that failed, were cancelled or were refused.
      type: int
      sample: 0
    memory_bytes:
      description: Bytes of memory of the guests that were migrated.
      type: int
      sample: 25769803776
    disk_moves:
      description: Number of moves of disks that were done.
      version_added: 1.3.0
      type: int
      sample: 4
    disk_failures:
      description: Number of moves of disks that failed, were cancelled or were refused.
      version_added: 1.3.0
      type: int
      sample: 0
    bytes_copied:
      description: Bytes of the disks that were moved.
      version_added: 1.3.0
      type: int
      sample: 343597383680
    spread:
      description: By metric, the smallest, the largest and the last spread that runs have read.
      type: dict
      sample: {"memory": {"min": 4.1, "max": 22.8, "last": 6.0}}
guests:
  description: The guests with migrations in the period. Those that moved most come first.
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    guest:
      description: Id and name of the guest.
      type: dict
      contains:
        id:
          description: Id.
          type: str
          sample: "101"
        name:
          description: Last name.
          type: str
          sample: web01
    key:
      description: The cluster, as in RV(clusters).
      type: str
      sample: proxmox:6d0b3c6a:prod
    migrations:
      description: How often it was migrated.
      type: int
      sample: 5
    failures:
      description: How often a migration of it failed, was cancelled or was refused.
      type: int
      sample: 0
    memory_bytes:
      description: Bytes of memory that these migrations copied.
      type: int
      sample: 42949672960
    last:
      description: Time of the last of these migrations, in UTC.
      type: str
      sample: "2026-01-31T02:00:22Z"
failures:
  description: Migrations that did not succeed, and after them moves of disks, by result and reason. The most frequent come first.
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    result:
      description: V(failed), V(cancelled) or V(refused).
      type: str
      sample: failed
    why:
      description: The reason.
      type: str
      sample: no space left on device
    of:
      description: What did not succeed, V(migrations) or V(disk_moves).
      version_added: 1.3.0
      type: str
      sample: migrations
    count:
      description: How often it occurred.
      type: int
      sample: 2
    guests:
      description: Names of the guests.
      type: list
      elements: str
      sample: [web01]
    last:
      description: When it last occurred, in UTC.
      type: str
      sample: "2026-01-31T02:00:22Z"
disk_moves:
  description: Moves of disks between datastores that were run in the period, the newest first.
  version_added: 1.3.0
  returned: when O(what) contains it
  type: list
  elements: dict
  contains:
    cluster:
      description: Name of the cluster.
      type: str
      sample: production
    key:
      description: Key of the cluster in the database.
      type: str
      sample: vsphere:vc.example.com:domain-c8
    guest:
      description: Id and name of the guest.
      type: dict
      sample: {"id": "vm-42", "name": "web01"}
    disks:
      description: Ids of the disks.
      type: list
      elements: str
      sample: ["2000", "2001"]
    from:
      description: Id of the source datastore.
      type: str
      sample: nfs1
    to:
      description: Id of the target datastore.
      type: str
      sample: nfs2
    result:
      description: V(migrated), V(failed), V(cancelled) or V(refused).
      type: str
      sample: migrated
    why:
      description: Reason of the result.
      type: str
      sample: ""
    moved:
      description: Those of the disks that were on the target afterwards.
      type: list
      elements: str
      sample: ["2000", "2001"]
    left_behind:
      description: Copies that no guest used any more.
      type: list
      elements: str
      sample: []
    kind:
      description: Purpose of the move, as in the plan.
      type: str
      sample: space
    reason:
      description: Reason of the move, as in the plan.
      type: str
      sample: takes nfs1 from 97.0 % to 79.9 %
    started_at:
      description: Start time in UTC.
      type: str
      sample: "2026-01-31T02:00:22Z"
    ended_at:
      description: Time in UTC at which its end was detected.
      type: str
      sample: "2026-01-31T02:20:11Z"
    recorded_at:
      description: When it was recorded, in UTC, by the clock of the database.
      type: str
      sample: "2026-01-31T02:20:11Z"
    seconds:
      description: Duration in seconds.
      type: float
      sample: 1188.2
    bytes:
      description: Bytes of the disks.
      type: int
      sample: 107374182400
    run:
      description: Id of the run.
      type: str
      sample: 3f0c92d1
cut:
  description: Names of the lists that have more than O(max_entries) entries.
  returned: success
  type: list
  elements: str
  sample: []
plan_digest:
  description: Digest of the plan of O(plan).
  returned: when O(plan) is given
  type: str
  sample: "sha256:3acfb594b249b5eab67712cd5edd5d01e055129fa3d34e0a5a300854e669745c"
plan:
  description: The plan, as M(evenkeel.cluster.balance_plan) returned it. Its JSON Schema is in C(docs/schemas/plan.json) of the
    collection.
  returned: when O(plan) is given and O(plan_path) is not
  type: dict
  sample: {"schema": "evenkeel.cluster/plan/1", "status": "balanced", "migrations": []}
plan_path:
  description: The file that holds the plan.
  returned: when O(plan) and O(plan_path) are given
  type: str
  sample: /var/lib/evenkeel/replayed.plan.json
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.history_info import (
    HistoryOptions,
    run_history_info,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(HistoryOptions),
        required_by={"plan_path": "plan"},
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_history_info)


if __name__ == "__main__":
    main()
