#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_migrate
short_description: Run the migrations of a plan, or migrate one guest
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Runs the migrations of a plan in their order, several at a time, and reports the result of each.
  - Checks the cluster again right before every migration and skips migrations that no longer make sense.
  - A guest that is on its target already is not migrated, so a second run of the same plan changes nothing.
  - Since version 1.3.0 also runs the moves of disks between datastores that a plan has, after all its migrations. Every disk is
    looked at again before its move, and afterwards it is checked that each is where it should be. Copies that no guest uses any more are
    reported and never deleted. VMmanager does not move disks between datastores, so that a plan with such moves is not started there.
  - When the database of O(state_url) shows that another run has moved guests elsewhere since the cluster was read for the plan, nothing
    is started and RV(stale) is true. With O(lock=false) this is not checked.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.groups
  - evenkeel.cluster.cluster.platform
  - evenkeel.cluster.cluster.state
  - evenkeel.cluster.cluster.lock
  - evenkeel.cluster.log
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Does everything except the migrations themselves, the platform's own checks included.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  plan:
    description: The plan, as M(evenkeel.cluster.balance_plan) returns it.
    type: dict
  plan_path:
    description: File that holds the plan.
    type: path
  guest:
    description: Id or name of one guest to migrate, instead of a plan.
    type: str
  target:
    description: Id or name of the target host of O(guest).
    type: str
  max_parallel:
    description: Maximum concurrent migrations in the cluster. Without a value it is what the platform sustains.
    type: int
  max_per_host:
    description: Maximum concurrent migrations per host, incoming and outgoing together. Without a value it is what the platform sustains.
    type: int
  max_in_per_host:
    description: Maximum concurrent incoming migrations per host. Without a value only O(max_per_host) limits them.
    type: int
  max_out_per_host:
    description: Maximum concurrent outgoing migrations per host. Without a value only O(max_per_host) limits them.
    type: int
  max_per_datastore:
    description:
      - Maximum concurrent migrations with disks per datastore. Without a value it is O(max_per_host).
      - Migrations that leave the disks on a datastore of both hosts copy no disks and do not count.
      - A local datastore counts per host, although it has the same name on every host.
      - It also limits the moves of disks off and onto one datastore. For these it is
        O(evenkeel.cluster.balance_plan#module:storage.max_per_datastore) of the plan without a value.
    type: int
  max_memory_in_flight:
    description: Maximum memory of all guests that are migrated at the same time, in bytes or as V(64G). A larger guest is migrated alone.
    type: str
  max_bytes_in_flight:
    description:
      - Maximum bytes of all disks that are moved to another datastore at the same time, as a number or as V(500G). A larger
        disk is moved alone.
      - Without a value only O(max_per_datastore) and O(max_parallel) limit the moves of disks.
    type: str
    version_added: 1.3.0
  timeout:
    description: Time after which a migration is cancelled, in seconds or as V(30m) or V(2h). It counts as failed.
    type: str
    default: "3600"
  disk_timeout:
    description:
      - Time after which a move of disks is cancelled, in seconds or as V(12h). It counts as failed.
      - Without a value it is O(timeout), or four times the duration that the plan estimates where that is longer.
    type: str
    version_added: 1.3.0
  on_failure:
    description:
      - Action when more migrations than O(max_failures) have failed.
      - V(continue) runs the migrations that do not depend on the failed ones. V(stop) starts no new migrations.
      - V(rollback) starts no new migrations and then migrates the guests back in reverse order, with the same checks.
      - Migrations and moves of disks are counted separately. When migrations were stopped or rolled back, no disk is moved. When moves of
        disks are rolled back, the disks that were moved are moved back where there is room, and guests stay on the hosts that they were
        migrated to.
    type: str
    choices: [continue, stop, rollback]
    default: continue
  max_failures:
    description: Number of migrations that may fail, or a percentage such as V(10%).
    type: str
    default: "0"
  on_stop:
    description:
      - Action for running migrations when a signal, O(stop_file) or O(run_timeout) stops the run.
      - V(finish) waits for them, V(cancel) cancels them.
    type: str
    choices: [finish, cancel]
    default: finish
  stop_file:
    description: While this file exists, no new migrations are started.
    type: path
  pause_file:
    description:
      - While this file exists, the run is paused. No new migrations are started, and those under way go on. The run continues when the file is removed.
      - A paused run keeps the lock of the cluster. O(stop_file), signals and O(run_timeout) end it.
    type: path
    version_added: 1.2.0
  journal_path:
    description:
      - File that records the started migrations, so that the same command completes a run that was killed.
      - Without a value it is one file for each cluster in C(evenkeel/journals) below E(XDG_STATE_HOME) or C(~/.local/state).
      - Migrations that still run are monitored, none is started twice, and none is missing in the result. The file is removed at the end of the run.
      - Without the file the same command is safe as well, but the result covers only the migrations after the kill.
    type: path
  progress_path:
    description: File to write the progress to while the module runs, as JSON lines.
    type: path
  run_timeout:
    description: Time after which no new migrations are started, in seconds or as V(2h).
    type: str
  poll_interval:
    description: Maximum number of seconds between two polls of the running migrations. One call polls all of them.
    type: str
    default: "2"
  restart_containers:
    description:
      - Whether running containers on Proxmox VE or VMmanager may be migrated, which restarts them.
      - On Proxmox VE also whether a running container may be shut down while its volumes are moved to another storage.
    type: bool
    default: false
  with_local_disks:
    description: Whether guests on Proxmox VE or VMmanager may be migrated together with their local disks, which copies the disks.
    type: bool
    default: false
  target_storage:
    description:
      - Target storage of local disks on Proxmox VE or VMmanager, for O(with_local_disks).
      - The name of a storage, pairs such as V(local-lvm:fast), or V(1) for the storage of the same name.
      - Without a value it is the storage in the plan, or the storage of the same name.
    type: str
  bandwidth_limit:
    description:
      - Bandwidth limit of one migration, or one move of a disk, on Proxmox VE.
      - In KiB per second as Proxmox VE counts it, or as V(100M), which is 100 MiB per second.
      - HA does not apply it to the guests that it manages; the outcome of such a migration reports this.
    type: str
  outcome_path:
    description: File to write the outcome to. Only a summary is returned then. In check mode it is not written.
    type: path
  history_days:
    description:
      - Number of days for which the database of O(state_url) keeps each run with its plan and result, for
        M(evenkeel.cluster.history_info). At the end of a run, older runs of the same cluster are removed.
      - Plans without migrations are kept for 30 days at most. The migrations and the moves of disks themselves are kept for at
        least 400 days, because O(evenkeel.cluster.balance_plan#module:cool_down) and
        O(evenkeel.cluster.balance_plan#module:retry_after) depend on them.
    type: int
    default: 400
    version_added: 1.1.0
  started_by:
    description:
      - Texts that are recorded with the run, such as the number of a change request. The user, the machine and the process are
        recorded anyway.
      - Without a value, a job of AWX records its number, its template, and the user or schedule that launched it.
    type: dict
    version_added: 1.1.0
requirements:
  - pyvmomi, for O(platform=vsphere)
  - proxmoxer and requests, for O(platform=proxmox)
  - requests, for O(platform=vmmanager)
  - SQLAlchemy, for the state database and the lock; with psycopg when O(state_url) is PostgreSQL
seealso:
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.balance_plan
"""

EXAMPLES = r"""
- name: Run a plan
  evenkeel.cluster.vm_migrate:
    platform: vsphere
    hostname: vcenter.example.com
    username: balancer@vsphere.local
    password: "{{ vault_vcenter_password }}"
    cluster: production
    plan_path: /var/lib/evenkeel/production.plan.json

- name: Show the migrations without running them
  evenkeel.cluster.vm_migrate:
    platform: rehearsal
    rehearsal_path: production.snapshot.json
    plan: "{{ balance.plan }}"
  check_mode: true
  diff: true

- name: Migrate one guest
  evenkeel.cluster.vm_migrate:
    platform: proxmox
    api_host: [pve1.example.com, pve2.example.com]
    api_user: balancer@pve
    api_token_id: evenkeel
    api_token_secret: "{{ vault_pve_token }}"
    guest: web01
    target: pve3
    started_by:
      change: CHG-4711
"""

RETURN = r"""
summary:
  description: The outcome in a few numbers.
  returned: always
  type: dict
  contains:
    status:
      description:
        - V(done) when every guest and every disk is on its target, V(planned) in check mode, V(partial) when some migrations or moves of
          disks were not done.
        - V(stopped) when the run was stopped, V(rolled_back) when its migrations were undone.
      returned: always
      type: str
      sample: done
    seconds:
      description: Duration in seconds.
      returned: always
      type: float
      sample: 83.2
    migrated:
      description: Guests that were migrated.
      returned: always
      type: int
      sample: 9
    already_there:
      description: Guests that were on their target already.
      returned: always
      type: int
      sample: 0
    planned:
      description: Guests that would have been migrated, in check mode.
      returned: always
      type: int
      sample: 0
    refused:
      description: Migrations that the platform's own check refused.
      returned: always
      type: int
      sample: 0
    skipped:
      description: Migrations that no longer made sense, or depend on one that did not succeed.
      returned: always
      type: int
      sample: 0
    failed:
      description: Migrations that failed.
      returned: always
      type: int
      sample: 0
    cancelled:
      description: Migrations that were cancelled.
      returned: always
      type: int
      sample: 0
    in_band:
      description:
        - Whether the cluster satisfies the policy of the plan after the run. In check mode, whether it would.
        - Null for a single migration, and when the cluster could not be re-read.
      returned: always
      type: bool
      sample: true
    unresolved:
      description: Number of entries of RV(unresolved).
      returned: always
      type: int
      sample: 0
    waiting:
      description: Number of entries of RV(unresolved) that wait for further readings, because of
        O(evenkeel.cluster.balance_plan#module:sustained).
      returned: always
      type: int
      sample: 0
    by_kind:
      description: Number of migrations by kind, such as C(balance) or C(rule), and then by result.
      version_added: 1.1.0
      returned: always
      type: dict
      sample: {"balance": {"migrated": 8}, "rule": {"migrated": 1}}
    migration_seconds:
      description: Sum of the durations of the migrations that succeeded, in seconds.
      version_added: 1.1.0
      returned: always
      type: float
      sample: 312.4
    memory_bytes:
      description: Bytes of memory of the guests that were migrated, or would be.
      returned: always
      type: int
      sample: 77309411328
    disk_moves:
      description: Number of moves of disks by result, such as C(migrated) or C(failed).
      version_added: 1.3.0
      returned: when the plan moves disks
      type: dict
      sample: {"migrated": 3, "already_there": 0, "planned": 0, "skipped": 0, "refused": 0, "failed": 0, "cancelled": 0}
    bytes_copied:
      description: Bytes of the disks that were moved, or would be.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: int
      sample: 343597383680
    left_behind:
      description: Number of copies of disks that no guest uses any more, as RV(outcome.disk_moves[].left_behind) names them.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: int
      sample: 0
    disk_moves_by_kind:
      description: Number of moves of disks by kind, such as C(space) or C(evacuate), and then by result.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: dict
      sample: {"space": {"migrated": 2}, "rule": {"migrated": 1}}
    disk_move_seconds:
      description: Sum of the durations of the moves of disks that succeeded, in seconds.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: float
      sample: 1718.2
    datastores_before:
      description: Percent of each datastore in use, by its id, measured before anything was started. Null for a datastore of which the
        platform does not report it.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: dict
      sample: {"nfs1": 97.0, "nfs2": 37.8}
    datastores_after:
      description: The same, measured again at the end. Null when the cluster could not be re-read.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: dict
      sample: {"nfs1": 79.9, "nfs2": 44.9}
    spread_before:
      description: Points between the fullest and the emptiest host, measured before anything was started.
      returned: always
      type: dict
      sample: {"cpu": 31.0, "memory": 44.2}
    spread_after:
      description: The same, measured again at the end. Null when the cluster could not be re-read.
      returned: always
      type: dict
      sample: {"cpu": 14.2, "memory": 12.8}
    outcome_path:
      description: The file that holds the outcome.
      returned: when O(outcome_path) is given
      type: str
      sample: /var/lib/evenkeel/production.outcome.json
report:
  description:
    - Lines with the load of each host before and after, the result and the duration of every migration, and what the cluster does not
      meet. With O(outcome_path) only the migrations that did not succeed.
  returned: always
  type: list
  elements: str
  sample:
    - "cluster production: done in 83 s, 9 of 9 migrations, 72.0 GiB of memory"
    - ""
    - "measured before and after"
    - "  host    cpu %        memory %     guests"
    - "  esx1    71.2 → 49.1  84.5 → 61.0  31 → 26"
    - "  spread  31.0 → 14.2  44.2 → 12.8"
    - ""
    - "migrations"
    - "  1  web01 (vm-42)  esx1 → esx3  migrated  21.4 s"
unresolved:
  description: Parts of the policy of the plan that the cluster does not satisfy after the run, with the reason, one line each.
  returned: always
  type: list
  elements: str
  sample: ["spread of memory: 22.0 points where 15 are allowed: esx1 is at 81.0 % and esx3 at 59.0 %"]
refusals:
  description:
    - Migrations that the platform's own check refused. M(evenkeel.cluster.balance_plan) accepts them and plans around them.
    - The state database records them, too, and M(evenkeel.cluster.cluster_facts) reports them later.
  returned: always
  type: list
  elements: dict
  contains:
    guest:
      description: Id of the guest.
      returned: always
      type: str
      sample: vm-42
    host:
      description: Id of the host that refused it.
      returned: always
      type: str
      sample: host-15
    why:
      description: Why, in the platform's words.
      returned: always
      type: str
      sample: The virtual machine requires hardware features that are unsupported on the target host
    at:
      description: When it was refused, in UTC.
      returned: always
      type: str
      sample: "2026-01-31T22:00:01Z"
disk_refusals:
  description:
    - Moves of disks that the platform's own check refused. M(evenkeel.cluster.balance_plan) accepts them and plans around them.
    - The state database records them, too, and M(evenkeel.cluster.cluster_facts) reports them later.
  returned: always
  type: list
  elements: dict
  version_added: 1.5.0
  contains:
    guest:
      description: Id of the guest.
      returned: always
      type: str
      sample: vm-42
    disks:
      description: Ids of the disks that were to be moved together, and that are not on the datastore.
      returned: always
      type: list
      elements: str
      sample: ["2000"]
    datastore:
      description: Id of the datastore that they were to be moved to.
      returned: always
      type: str
      sample: nfs1
    why:
      description: Why, in the platform's words.
      returned: always
      type: str
      sample: The virtual disk is too large for the file system
    at:
      description: When it was refused, in UTC.
      returned: always
      type: str
      sample: "2026-01-31T22:00:01Z"
stale:
  description:
    - Whether nothing was started because another run has moved guests elsewhere since the cluster was read for the plan.
    - The module fails then. Read the cluster and plan again, as the role P(evenkeel.cluster.balance#role) does by itself.
  returned: always
  type: bool
  sample: false
lock_waited:
  description: Number of seconds that the run waited for the lock of the cluster.
  returned: always
  type: float
  sample: 0.0
lock_taken_over:
  description: Process whose lock the run took over, because it had ended without releasing it. Null otherwise.
  returned: always
  type: str
  sample: process 4711 on awx-1
outcome:
  description: Result of every migration. Its JSON Schema is in C(docs/schemas/outcome.json) of the collection.
  returned: when O(outcome_path) is not given
  type: dict
  contains:
    schema:
      description: Name and version of this shape.
      returned: always
      type: str
      sample: evenkeel.cluster/outcome/1
    cluster:
      description: Id and name of the cluster.
      returned: always
      type: dict
      sample: {"id": "domain-c8", "name": "production"}
    status:
      description: As in the summary.
      returned: always
      type: str
      sample: done
    started_at:
      description: Start time in UTC.
      returned: always
      type: str
      sample: "2026-01-31T22:00:00Z"
    seconds:
      description: Duration in seconds.
      returned: always
      type: float
      sample: 83.2
    migrations:
      description: Every migration of the plan, in its order.
      returned: always
      type: list
      elements: dict
      contains:
        step:
          description: Its number in the plan.
          returned: always
          type: int
          sample: 1
        guest:
          description: Id and name of the guest.
          returned: always
          type: dict
          sample: {"id": "vm-42", "name": "web01"}
        from:
          description: Id of the source host.
          returned: always
          type: str
          sample: host-12
        to:
          description: Id of the target host.
          returned: always
          type: str
          sample: host-15
        result:
          description: V(migrated), V(already_there), V(planned), V(skipped), V(refused), V(failed) or V(cancelled).
          returned: always
          type: str
          sample: migrated
        why:
          description: Reason why it was skipped, refused, failed or cancelled.
          returned: always
          type: str
          sample: ""
        task:
          description: The platform's own name of the task.
          returned: always
          type: str
          sample: task-117
        started_at:
          description: Start time in UTC.
          returned: always
          type: str
          sample: "2026-01-31T22:00:01Z"
        ended_at:
          description: Time in UTC at which its end was detected.
          returned: always
          type: str
          sample: "2026-01-31T22:00:22Z"
        seconds:
          description: Duration in seconds.
          returned: always
          type: float
          sample: 21.4
        along:
          description: Guests outside the plan that the platform migrated to the same host as well, such as partners
            under HA of Proxmox VE.
          returned: when there are any
          type: list
          elements: dict
          contains:
            guest:
              description: Id and name of the guest.
              returned: always
              type: dict
              sample: {"id": "101", "name": "cache01"}
            from:
              description: Id of the host that it was on.
              returned: always
              type: str
              sample: pve2
            memory:
              description: Bytes of memory that it was using.
              returned: always
              type: int
              sample: 3475301093
        left_behind:
          description: Copies of its disks that the guest does not use any more, in the platform's words, of a guest that
            was migrated for its disks. They take space until somebody deletes them.
          version_added: 1.3.0
          returned: when there are any
          type: list
          elements: str
          sample: ["local-lvm:vm-101-disk-0"]
    disk_moves:
      description: Every move of disks of the plan, in its order. They are run after the migrations.
      version_added: 1.3.0
      returned: when the plan moves disks
      type: list
      elements: dict
      contains:
        step:
          description: Its number in the plan.
          returned: always
          type: int
          sample: 10
        guest:
          description: Id and name of the guest.
          returned: always
          type: dict
          sample: {"id": "vm-42", "name": "web01"}
        disks:
          description: Ids of the disks.
          returned: always
          type: list
          elements: str
          sample: ["2000", "2001"]
        from:
          description: Id of the source datastore.
          returned: always
          type: str
          sample: nfs1
        to:
          description: Id of the target datastore.
          returned: always
          type: str
          sample: nfs2
        result:
          description: V(migrated), V(already_there), V(planned), V(skipped), V(refused), V(failed) or V(cancelled).
          returned: always
          type: str
          sample: migrated
        why:
          description: Reason why it was skipped, refused, failed or cancelled, or what went wrong after the disks were moved.
          returned: always
          type: str
          sample: ""
        moved:
          description: Those of the disks that are on the target, whatever the result.
          returned: always
          type: list
          elements: str
          sample: ["2000", "2001"]
        left_behind:
          description: Copies that no guest uses any more, in the platform's words. They take space until somebody deletes them.
          returned: always
          type: list
          elements: str
          sample: ["unused0: nfs1:101/vm-101-disk-0.qcow2"]
        tasks:
          description: The platform's own names of the tasks.
          returned: always
          type: list
          elements: str
          sample: ["task-118"]
        started_at:
          description: Start time in UTC.
          returned: always
          type: str
          sample: "2026-01-31T22:00:23Z"
        ended_at:
          description: Time in UTC at which its end was detected.
          returned: always
          type: str
          sample: "2026-01-31T22:20:11Z"
        seconds:
          description: Duration in seconds.
          returned: always
          type: float
          sample: 1188.2
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_migrate import (
    MigrateOptions,
    run_vm_migrate,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(MigrateOptions),
        mutually_exclusive=[("plan", "plan_path", "guest")],
        required_one_of=[("plan", "plan_path", "guest")],
        required_together=[("guest", "target")],
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_vm_migrate)


if __name__ == "__main__":
    main()
