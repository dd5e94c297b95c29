#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balance_plan
short_description: Plan the migrations that balance a cluster
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Finds a small number of migrations that restore violated rules and bring every chosen metric within its band, in an order that is
    safe at every step.
  - An independent verifier replays every plan before it is returned.
  - Reads no cluster and changes nothing. The same snapshot and options give the same plan.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.policy
  - evenkeel.cluster.log
attributes:
  platform:
    platforms: posix
options:
  snapshot:
    description: The cluster, as M(evenkeel.cluster.cluster_facts) returns it.
    type: dict
  snapshot_path:
    description: File that holds the snapshot. It is faster than O(snapshot) for large clusters.
    type: path
  plan_path:
    description:
      - File to write the plan to, in one atomic step. Only its owner may read it. RV(plan) is not returned then.
      - In check mode the file is not written, and the plan is returned instead.
    type: path
  refusals:
    description:
      - Migrations that the platform's own check has just refused, as M(evenkeel.cluster.vm_migrate) returns them.
      - The plan avoids them, in addition to those in the snapshot. They count from the moment of the snapshot.
    type: list
    elements: dict
    suboptions:
      guest:
        description: Id of the guest.
        type: str
        required: true
      host:
        description: Id of the host that refused it.
        type: str
        required: true
      why:
        description: Why the platform refused it.
        type: str
      at:
        description: When it was refused. Not used.
        type: str
  disk_refusals:
    description:
      - Moves of disks that the platform's own check has just refused, as M(evenkeel.cluster.vm_migrate) returns them.
      - The plan avoids them, in addition to those in the snapshot. They count from the moment of the snapshot.
    type: list
    elements: dict
    version_added: 1.5.0
    suboptions:
      guest:
        description: Id of the guest.
        type: str
        required: true
      disks:
        description: Ids of the disks. The refusal counts for each of them.
        type: list
        elements: str
        required: true
      datastore:
        description: Id of the datastore that they were to be moved to.
        type: str
        required: true
      why:
        description: Why the platform refused it.
        type: str
      at:
        description: When it was refused. Not used.
        type: str
  what_if:
    description:
      - Changes to the snapshot before it is planned, such as hosts or datastores to buy or to retire.
      - The plan is for a cluster that does not exist, and M(evenkeel.cluster.vm_migrate) refuses it.
    type: dict
    suboptions:
      hosts_removed:
        description: Ids or names of hosts to remove. Their guests move to other hosts.
        type: list
        elements: str
      hosts_returned:
        description: Ids or names of hosts in maintenance mode to return to service.
        type: list
        elements: str
      hosts_added:
        description: Empty hosts to add.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the host. No other host may have it.
            type: str
            required: true
          like:
            description: Id or name of the host to copy all facts from.
            type: str
            required: true
      datastores_removed:
        description:
          - Ids or names of datastores to remove. Their disks move to other datastores, as off one in maintenance mode.
          - Disks move only when the policy says anything about datastores, by O(storage) or O(goal=storage).
        type: list
        elements: str
        version_added: 1.3.0
      datastores_returned:
        description: Ids or names of datastores that are in maintenance mode or take no disks, to return to service.
        type: list
        elements: str
        version_added: 1.3.0
      datastores_added:
        description: Empty datastores to add.
        type: list
        elements: dict
        version_added: 1.3.0
        suboptions:
          name:
            description: Name of the datastore. No other datastore may have it.
            type: str
            required: true
          like:
            description:
              - Id or name of the datastore to copy all facts from that are not set here. The new one complies with the same storage policies.
              - Without it, O(what_if.datastores_added[].capacity) is required. Disks move only to datastores of the class and the cluster of
                datastores that they are on, unless O(storage.placement) says otherwise.
            type: str
          capacity:
            description: Capacity in bytes, or with a unit, such as V(4T).
            type: str
          free:
            description: Free space in bytes, or with a unit. All of the capacity when it is left out.
            type: str
          type:
            description: Type, such as V(VMFS) or V(nfs).
            type: str
          class:
            description: Class, such as V(gold).
            type: str
          hosts:
            description: Ids or names of the hosts that have it. Those of O(what_if.datastores_added[].like), or all hosts, when it is left out.
            type: list
            elements: str
      datastores_changed:
        description: Datastores of another size, with other free space, or closed. Each needs at least one change.
        type: list
        elements: dict
        version_added: 1.3.0
        suboptions:
          datastore:
            description: Id of the datastore, or its name if it is unique.
            type: str
            required: true
          capacity:
            description: Capacity in bytes, or with a unit, such as V(4T). The space in use stays the same.
            type: str
          free:
            description: Free space in bytes, or with a unit.
            type: str
          filled_by:
            description: Space that is in use in addition, in bytes or with a unit, such as V(500G). It may be more than is free.
            type: str
          filled_by_percent:
            description: The same as a percentage of the capacity.
            type: float
          closed:
            description: Whether the datastore takes no disks. Its disks may stay.
            type: bool
            default: false
      guests_added:
        description: Guests to add. They take their share of the host and the datastores that they are on.
        type: list
        elements: dict
        version_added: 1.3.0
        suboptions:
          name:
            description: Name of the guest. No other guest may have it.
            type: str
            required: true
          like:
            description: Id or name of the guest to copy all facts from that are not set here.
            type: str
            required: true
          count:
            description: Number of guests. Numbers from 1 on are added to the name of more than one.
            type: int
            default: 1
          host:
            description: Id or name of the host. That of O(what_if.guests_added[].like) when it is left out.
            type: str
          disks:
            description: Disks. Those of O(what_if.guests_added[].like) when they are left out.
            type: list
            elements: dict
            suboptions:
              datastore:
                description: Id or name of the datastore.
                type: str
                required: true
              size:
                description: Size in bytes, or with a unit, such as V(100G).
                type: str
                required: true
              used:
                description: Space that the disk takes on the datastore, in bytes or with a unit. All of its size when it is left out.
                type: str
      guests_grown:
        description: Guests whose usage and assigned resources change.
        type: list
        elements: dict
        suboptions:
          guest:
            description: Id of the guest, or its name if it is unique.
            type: str
            required: true
          factor:
            description: Factor of the change.
            type: float
            required: true
      disks_grown:
        description: Thin disks that take more space than now, at most their size. Without a datastore or guest, all thin disks.
        type: list
        elements: dict
        version_added: 1.3.0
        suboptions:
          percent:
            description: How much more they take, as a percentage of the space that they take now.
            type: float
            required: true
          datastore:
            description: Id or name of the datastore that they are on.
            type: str
          guest:
            description: Id or name of the guest that they belong to.
            type: str
      rules_added:
        description: Rules to add.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the rule. No other rule may have it.
            type: str
            required: true
          kind:
            description: Kind of the rule, as O(rules[].kind).
            type: str
            required: true
            choices: [affinity, anti_affinity, even_spread, host_affinity, host_anti_affinity]
          guests:
            description: Ids of the members.
            type: list
            elements: str
            required: true
          hosts:
            description: Ids of the hosts, for V(host_affinity) and V(host_anti_affinity).
            type: list
            elements: str
          strict:
            description: Whether the rule is required. Otherwise it is a preference.
            type: bool
            default: true
          max_skew:
            description: Maximum difference between the numbers of members on two hosts, for V(even_spread).
            type: int
            default: 1
          weight:
            description: Weight of a rule that is not strict.
            type: float
            default: 1
requirements:
  - highspy, for O(engine=exact)
seealso:
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.vm_migrate
"""

EXAMPLES = r"""
- name: Bring cpu and memory of all hosts within 10 points
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    aggressiveness: 4
  register: balance

- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ balance.report }}"

- name: Restore rules only, and spread web01, web02, … evenly over the hosts
  evenkeel.cluster.balance_plan:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    plan_path: /var/lib/evenkeel/production.plan.json
    goal: rules
    rules:
      - by: name_prefix
        kind: even_spread

- name: Empty two hosts
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    goal: evacuate
    evacuate:
      names: [esx3.example.com, esx4.example.com]

- name: Plan like FDRS, with a narrower band
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    preset: fdrs
    aggressiveness: 4

- name: Relieve hosts above 6 vCPUs per core or 85 % memory, and no others
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    goal: relieve
    demand: assigned
    relieve:
      overload: {vcpus_per_core: 6, memory: 85}
      target: {vcpus_per_core: 5, memory: 75}

- name: Find hosts that can be switched off for the night
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    goal: consolidate
    consolidate:
      min_hosts: 2
      fill: 80

- name: Balance, and empty node3 for its maintenance on Saturdays at 22:00
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    maintenance_windows:
      - hosts: {names: [node3]}
        days: [saturday]
        start: "22:00"
        hours: 3
        lead_minutes: 30
        timezone: Europe/Berlin

- name: Plan for a cluster with one host less and one more rule
  evenkeel.cluster.balance_plan:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    what_if:
      hosts_removed: [esx3.example.com]
      rules_added:
        - {name: db, kind: anti_affinity, guests: [vm-11, vm-12]}

- name: Plan for one datastore less, a new one, and thin disks that have grown by half
  evenkeel.cluster.balance_plan:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    goal: storage
    storage:
      utilisation: 80
    what_if:
      datastores_removed: [nfs3]
      datastores_added:
        - {name: nfs9, like: nfs1, capacity: 8T}
      datastores_changed:
        - {datastore: nfs2, filled_by_percent: 20}
      disks_grown:
        - {percent: 50, datastore: nfs1}

- name: At most 20 migrations, memory tighter than cpu, the licence server stays
  evenkeel.cluster.balance_plan:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    metrics: [cpu, memory, disk_io]
    max_spread: {cpu: 20, memory: 10, disk_io: 25}
    max_migrations: 20
    exclude:
      guests:
        names: [licence*]
        tags: [pinned]
      targets:
        names: [esx9.example.com]
"""

RETURN = r"""
summary:
  description: The plan in a few numbers.
  returned: success
  type: dict
  contains:
    cluster:
      description: Id and name of the cluster.
      type: dict
      contains:
        id:
          description: Its id, which identifies it.
          type: str
          sample: domain-c8
        name:
          description: Its name.
          type: str
          sample: production
        key:
          description: Its name in the state database, as in RV(evenkeel.cluster.history_info#module:clusters). A rehearsal has the path of its file there.
          type: str
          sample: vsphere:6d0b3c6a:domain-c8
    status:
      description:
        - V(balanced) when the cluster satisfies the policy, with or without migrations. V(improved) when some findings remain.
        - V(unchanged) when no migration is worthwhile. V(infeasible) when the policy cannot be satisfied.
      type: str
      sample: balanced
    plan_path:
      description: The file that holds the plan.
      type: str
      sample: /var/lib/evenkeel/production.plan.json
    migrations:
      description: Number of migrations.
      type: int
      sample: 9
    migrations_lower_bound:
      description: Lower bound of the number of migrations. No allowed plan achieves the same with fewer.
      type: int
      sample: 8
    optimal:
      description: Whether it is proven that no plan achieves the same with fewer migrations.
      type: bool
      sample: false
    waves:
      description: Number of waves.
      type: int
      sample: 3
    memory_bytes:
      description: Bytes of memory to copy.
      type: int
      sample: 77309411328
    spread_before:
      description: Points between the fullest and the emptiest host before, for each metric.
      type: dict
      sample: {"cpu": 31.0, "memory": 44.2}
    spread_after:
      description: The same after.
      type: dict
      sample: {"cpu": 14.1, "memory": 12.9}
    violations_before:
      description: Number of violated rules before the plan.
      type: int
      sample: 2
    violations_after:
      description: Number of violated rules after the plan.
      type: int
      sample: 0
    unresolved:
      description: Number of findings that the plan does not resolve.
      type: int
      sample: 0
    waiting:
      description: Number of them that only wait for further readings, because of O(sustained) or O(sustained_for).
      type: int
      sample: 0
    hosts_emptied:
      description: Number of hosts that the plan empties, with O(goal=consolidate).
      type: int
      sample: 0
    storage:
      description: The disk moves of the plan in a few numbers.
      returned: when the policy says anything about datastores
      type: dict
      version_added: 1.3.0
      contains:
        status:
          description: As RV(summary.status), of the datastores alone.
          type: str
          sample: balanced
        moves:
          description: Number of disk moves.
          type: int
          sample: 4
        waves:
          description: Number of waves of disk moves.
          type: int
          sample: 1
        bytes:
          description: Bytes to copy.
          type: int
          sample: 343597383680
        bytes_lower_bound:
          description: Lower bound of the bytes. No allowed plan achieves the same with fewer.
          type: int
          sample: 343597383680
        optimal:
          description: Whether it is proven that no plan achieves the same with fewer bytes.
          type: bool
          sample: true
        violations_before:
          description: Number of violated rules for datastores before the plan.
          type: int
          sample: 1
        violations_after:
          description: The same after the plan.
          type: int
          sample: 0
        unresolved:
          description: Number of findings about datastores that the plan does not resolve.
          type: int
          sample: 0
        not_emptied:
          description: Datastores that all disks should leave and some cannot, by id with the reason.
          type: dict
          sample: {"nfs3": "1 disk cannot leave it: linked_clone"}
error:
  description: Kind of the error, C(InputError), C(PlanningError), C(FileError) or C(UnsafePlan).
  returned: failure
  type: str
  sample: InputError
report:
  description: Lines that show the hosts before and after, and every migration with its reason.
  returned: success
  type: list
  elements: str
  sample: ["cluster production (vsphere): balanced by 9 migrations in 3 waves"]
notices:
  description:
    - Assumptions of the plan about values that were not measured or not read, and selectors without a match, one line each.
    - The same lines are warnings.
  returned: success
  type: list
  elements: str
  sample: ["2 guests are being migrated at this moment: web01, web02"]
unresolved:
  description: Findings that the plan does not resolve, with the reason, one line each.
  returned: success
  type: list
  elements: str
  sample: ["host esx3 to be emptied: it still runs gpu01 (it can't be migrated: passthrough_device)"]
sustained: &sustained
  description: How long parts of the cluster have been out of their band, and must be so before guests are migrated.
  returned: when O(sustained) is greater than 1 or O(sustained_for) is set, except for O(goal=evacuate) and O(goal=consolidate)
  type: dict
  contains:
    readings:
      description: O(sustained).
      type: int
      sample: 3
    seconds:
      description: O(sustained_for) in seconds.
      type: float
      sample: 0
    seen:
      description: The most consecutive readings out of a band. V(0) when everything is inside its band.
      type: int
      sample: 2
    out_of_band:
      description: What is out of its band.
      type: list
      elements: dict
      contains:
        what:
          description: The finding, as in C(unresolved).
          type: str
          sample: spread of memory
        subject:
          description: The metric, the id of the host, or the name of the rule.
          type: str
          sample: memory
        readings:
          description: Number of consecutive readings in which it was out of its band, the present one included.
          type: int
          sample: 2
        since:
          description: The first of these readings, in UTC.
          type: str
          sample: "2026-01-31T21:50:00Z"
        waits:
          description: Whether no guest is migrated for it yet.
          type: bool
          sample: true
plan:
  description: The plan. Its JSON Schema is in C(docs/schemas/plan.json) of the collection.
  returned: when O(plan_path) is not given
  type: dict
  contains:
    schema:
      description: Name and version of this shape.
      type: str
      sample: evenkeel.cluster/plan/1
    cluster:
      description: Id and name of the cluster.
      type: dict
      contains:
        id:
          description: Its id, which identifies it.
          type: str
          sample: domain-c8
        name:
          description: Its name.
          type: str
          sample: production
        instance:
          description: The vCenter or VMmanager that it belongs to.
          returned: when the snapshot has it
          type: str
          sample: 5a1c0f4e-0001-4a3c-9d2e-000000000000
    platform:
      description: Platform of the cluster.
      type: str
      sample: vsphere
    snapshot_digest:
      description: Digest of the snapshot of the plan.
      type: str
      sample: "sha256:3acfb594b249b5eab67712cd5edd5d01e055129fa3d34e0a5a300854e669745c"
    hypothetical:
      description: Whether O(what_if) was set. M(evenkeel.cluster.vm_migrate) refuses such a plan.
      returned: when O(what_if) was set
      type: bool
      sample: true
    measured:
      description: Which loads the plan rests on.
      type: dict
      contains:
        at:
          description: Time of the snapshot, by the clock of the platform.
          type: str
          sample: "2026-01-31T22:00:00Z"
        window_seconds:
          description: Period over which the loads are averaged. V(0) for present values.
          type: int
          sample: 3600
    sustained: *sustained
    remembered_at:
      description: As in the snapshot. The plan does not consider later records of runs.
      returned: when the snapshot has it
      type: float
      sample: 1769896800.25
    notices:
      description: Assumptions about values that were not measured or not read, and selectors without a match, one line each.
      returned: when there are any
      type: list
      elements: str
      sample: ["2 guests are being migrated at this moment: web01, web02"]
    policy:
      description: The policy with every default.
      type: dict
      sample: {"goal": "spread", "metrics": ["cpu", "memory"]}
    status:
      description: As in the summary.
      type: str
      sample: balanced
    migrations:
      description: The migrations in a safe order.
      type: list
      elements: dict
      contains:
        step:
          description: Number of the migration.
          type: int
          sample: 1
        wave:
          description: Number of the wave. Migrations of one wave can run at the same time.
          type: int
          sample: 1
        guest:
          description: Id and name of the guest.
          type: dict
          contains:
            id:
              description: Its id, which identifies it.
              type: str
              sample: vm-42
            name:
              description: Its name.
              type: str
              sample: web01
        from:
          description: Id of the source host.
          type: str
          sample: host-12
        to:
          description: Id of the target host.
          type: str
          sample: host-15
        kind:
          description: Purpose, C(balance), C(rule), C(evacuate), C(relieve), C(consolidate), C(parking) or C(storage), of a
            guest that takes its disks along to other datastores.
          type: str
          sample: balance
        why:
          description: Reason, with figures.
          type: str
          sample: takes esx1 from 91 % to 78 % memory
        after:
          description: Steps that must have succeeded before this one starts.
          type: list
          elements: int
          sample: []
        cost:
          description: Cost of the migration.
          type: dict
          contains:
            memory:
              description: Bytes of memory to copy.
              type: int
              sample: 8589934592
            seconds:
              description: Duration in seconds by O(migration_bandwidth) and O(dirty_factor), and O(storage.bandwidth) for
                disks.
              type: float
              sample: 68.7
            disks:
              description: Bytes of disks to copy, of a guest that is migrated for its disks.
              version_added: 1.3.0
              returned: when the kind is V(storage)
              type: int
              sample: 34359738368
        storage:
          description: Target datastore of the disks that are migrated as well, by their present datastore.
          returned: when a guest with disks on a local datastore is migrated, or one for its disks
          type: dict
          sample: {"local-lvm": "local-lvm"}
    before:
      description: The cluster before.
      type: dict
      contains:
        spread:
          description: Points between the fullest and the emptiest host, by metric. Null if unknown.
          type: dict
          sample: {"cpu": 31.0, "memory": 44.2}
        violations: &violations
          description: Violated rules.
          type: list
          elements: dict
          contains:
            rule:
              description: Name of the rule.
              type: str
              sample: web
            detail:
              description: Guests that violate the rule.
              type: str
              sample: web01 and web02 are on esx1
            strict:
              description: V(false) for a preference, which may stay violated.
              returned: for a preference
              type: bool
              sample: false
        hosts:
          description:
            - By the id of each host its C(name), C(used) in percent of its capacity by metric, null if unknown, and the number of its
              running C(guests).
          type: dict
          sample: {"host-12": {"name": "esx1", "used": {"cpu": 71.5, "memory": 91.0}, "guests": 41}}
    after:
      description: The cluster after.
      type: dict
      contains:
        spread:
          description: Points between the fullest and the emptiest host, by metric. Null if unknown.
          type: dict
          sample: {"cpu": 14.1, "memory": 12.9}
        violations: *violations
        hosts:
          description:
            - By the id of each host its C(name), C(used) in percent of its capacity by metric, null if unknown, and the number of its
              running C(guests).
          type: dict
          sample: {"host-12": {"name": "esx1", "used": {"cpu": 58.2, "memory": 78.3}, "guests": 36}}
    proof:
      description: Proven facts about the plan.
      type: dict
      contains:
        migrations_lower_bound:
          description: No allowed plan that resolves all findings has fewer migrations. 0 when findings remain.
          type: int
          sample: 8
        optimal:
          description: Whether this plan resolves all findings with that number of migrations.
          type: bool
          sample: false
        spread_lower_bound:
          description: Minimum spread in points that any plan leaves, by metric. Null when it is not calculated.
          type: dict
          sample: {"cpu": 0.0, "memory": 3.1}
        method:
          description: Method of the proof.
          type: str
          sample: fewest departures and arrivals that bring every host into the band, rules included
        seconds:
          description: Duration of all migrations in seconds, within the limits of O(max_per_host).
          type: float
          sample: 219.8
        seconds_lower_bound:
          description: Minimum duration in seconds in any order.
          type: float
          sample: 211.2
    unresolved:
      description: Findings that the plan does not resolve.
      type: list
      elements: dict
      contains:
        what:
          description: The finding.
          type: str
          sample: rule db
        why:
          description: Reason why it remains, with names and figures.
          type: str
          sample: 3 guests (db1, db2, db3) can't be apart on 2 hosts
        code:
          description:
            - The kind of the entry, for filters. V(unknown) in plans of version 0.1.
            - One of V(metric_unavailable), V(spread_exceeded), V(rule_broken), V(rule_impossible), V(rule_names_unknown),
              V(host_above_limits), V(host_load_unknown), V(host_not_empty), V(host_overloaded), V(host_stays_on),
              V(no_safe_order), V(no_target_host), V(not_sustained), V(not_where_moved) and V(other_balancer).
            - In RV(plan.storage.unresolved) also V(datastore_full), V(datastore_not_empty), V(datastore_unknown) and V(latency_exceeded).
          type: str
          sample: rule_impossible
        subject:
          description: Id of the host, or name of the rule or metric, of the finding.
          returned: for a finding about a host, rule or metric
          type: str
          sample: db
    immovable:
      description: Guests that would have to move but cannot.
      type: list
      elements: dict
      contains:
        guest:
          description: Id and name of the guest.
          type: dict
          contains:
            id:
              description: Its id, which identifies it.
              type: str
              sample: vm-7
            name:
              description: Its name.
              type: str
              sample: nas
        host:
          description: Id of the host that it is on.
          type: str
          sample: host-12
        why:
          description: Reason why it cannot move.
          type: str
          sample: "it can't be migrated: passthrough_device"
    emptied:
      description: Ids of the hosts that run guests before the plan and none after it.
      returned: with O(goal=consolidate), when there are any
      type: list
      elements: str
      sample: [host-15]
    storage:
      description: The moves of disks between datastores, which come after the migrations.
      version_added: 1.3.0
      returned: with O(storage), or with O(goal=storage)
      type: dict
      contains:
        status:
          description: As that of the plan, for datastores.
          type: str
          sample: balanced
        moves:
          description: The moves in an order that holds the limits of every datastore at every moment.
          type: list
          elements: dict
          contains:
            step:
              description: Number of the move. It counts on from those of the migrations.
              type: int
              sample: 10
            wave:
              description: Number of the wave. Moves of one wave can run at the same time.
              type: int
              sample: 1
            guest:
              description: Id and name of the guest.
              type: dict
              sample: {"id": "vm-42", "name": "web01"}
            host:
              description: Id of the host of the guest at that time.
              type: str
              sample: host-15
            disks:
              description: Ids of its disks that are moved.
              type: list
              elements: str
              sample: ["2000", "2001", "home"]
            from:
              description: Id of the source datastore.
              type: str
              sample: nfs1
            to:
              description: Id of the target datastore.
              type: str
              sample: nfs2
            kind:
              description: Purpose, C(rule), C(evacuate), C(placement), C(space), C(latency), C(level) or C(parking).
              type: str
              sample: space
            why:
              description: Reason.
              type: str
              sample: takes nfs1 from 97.0 % to 79.9 %
            after:
              description: Numbers of the steps that must succeed first.
              type: list
              elements: int
              sample: [8]
            bytes:
              description: Bytes that are copied.
              type: int
              sample: 107374182400
            room:
              description: Bytes that the copy may take on the target.
              type: int
              sample: 107374182400
            seconds:
              description: Estimated duration.
              type: float
              sample: 536.9
        before:
          description: The datastores before.
          type: dict
          contains:
            datastores: &datastores
              description:
                - By the id of each datastore its C(name), C(capacity) and C(used) in bytes, C(percent) in use, C(latency) in milliseconds and
                  the number of its C(disks). Null if unknown.
              type: dict
              sample: {"nfs1": {"name": "nfs1", "capacity": 1399511627776, "used": 1357526279000, "percent": 97.0, "latency": 8.9, "disks": 15}}
            violations: *violations
        after:
          description: The datastores after.
          type: dict
          contains:
            datastores: *datastores
            violations: *violations
        proof:
          description: Proven facts about the moves.
          type: dict
          contains:
            bytes:
              description: Bytes that all moves copy.
              type: int
              sample: 333214512852
            bytes_lower_bound:
              description: No allowed plan that resolves all findings copies fewer bytes. 0 when findings remain.
              type: int
              sample: 333214512852
            optimal:
              description: Whether this plan resolves all findings with that number of bytes.
              type: bool
              sample: true
            method:
              description: Method of the proof.
              type: str
              sample: all ends that moves of the minimum difference can reach were looked at
        unresolved:
          description: Findings about datastores that the plan does not resolve, as in the list for hosts.
          type: list
          elements: dict
          sample:
            - {"what": "nfs1", "why": "it is at 90.3 % and its limit is 80.0 %", "code": "datastore_full", "subject": "nfs1"}
        immovable:
          description: Disks that would have to move but cannot.
          type: list
          elements: dict
          contains:
            guest:
              description: Id and name of the guest.
              type: dict
              sample: {"id": "vm-7", "name": "nas"}
            disks:
              description: Ids of the disks.
              type: list
              elements: str
              sample: ["2001"]
            datastore:
              description: Id of the datastore that they are on.
              type: str
              sample: nfs1
            why:
              description: Reason why they cannot move.
              type: str
              sample: "it can't be moved: raw_device"
        notices:
          description: Assumptions about values that were not measured or not read, one line each.
          type: list
          elements: str
          sample: ["The size of nfs9 is not reported; it receives no disks for space."]
    reclaimable:
      description:
        - By the id of each host that frees memory on demand, such as the cache of ZFS, bytes of its memory that are C(used), and bytes
          that are C(reclaimable) and that the platform counts as used.
      returned: when the snapshot has such hosts
      type: dict
      sample: {"node/pve1": {"used": 68719476736, "reclaimable": 17179869184}}
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import (
    BALANCE_PLAN_ARGUMENTS,
    run_balance_plan,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import (
    given_arguments,
    run_module,
)


def main() -> None:
    given = given_arguments()
    module = AnsibleModule(
        argument_spec=BALANCE_PLAN_ARGUMENTS,
        mutually_exclusive=[("snapshot", "snapshot_path")],
        required_one_of=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    run_module(module, partial(run_balance_plan, given=given))


if __name__ == "__main__":
    main()
