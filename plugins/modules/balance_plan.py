#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balance_plan
short_description: Plan the migrations that put a cluster in order
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Finds few migrations that mend broken rules and bring every chosen metric inside its band, in an order that is safe at every moment.
  - Every plan has been replayed by an independent verifier before it is returned.
  - Reads no cluster and changes nothing. The same snapshot and options give the same plan.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
attributes:
  platform:
    platforms: posix
options:
  snapshot:
    description: The cluster, as M(evenkeel.cluster.cluster_facts) returns it.
    type: dict
  snapshot_path:
    description: File that holds the snapshot. The faster way for large clusters.
    type: path
  plan_path:
    description:
      - File to write the plan to. Then the plan itself is not returned.
      - It is written in check mode too.
    type: path
  goal:
    description:
      - V(spread) mends rules and brings the fullest and the emptiest host within O(max_spread) points of each other, for each metric.
      - V(rules) mends rules only.
      - >-
        V(evacuate) empties the hosts of O(evacuate), with targets chosen so that the other hosts stay level. Other guests
        move only where a guest finds no room without, and rules that are broken elsewhere stay as they are.
    type: str
    choices: [spread, rules, evacuate]
    default: spread
  evacuate:
    description:
      - Hosts that every running guest is to leave and that no guest goes to, for O(goal=evacuate) only.
      - Guests that can't leave are in RV(plan.immovable) with the reason, and RV(summary.status) is not V(balanced) then.
    type: dict
    suboptions:
      names:
        description: Ids, names or shell patterns of names, such as V(web*).
        type: list
        elements: str
      regex:
        description: Regular expression that a name matches from its start.
        type: str
      tags:
        description: Shell patterns of tags. Hosts have none.
        type: list
        elements: str
      pools:
        description: Names or shell patterns of pools.
        type: list
        elements: str
      labels:
        description: Labels and their values, all of which must be there. Guests have none.
        type: dict
  metrics:
    description: What is balanced, all of it together.
    type: list
    elements: str
    choices: [cpu, memory, disk_io, network_io, storage, pressure_cpu, pressure_memory, pressure_io]
    default: [cpu, memory]
  aggressiveness:
    description: Stands for 25, 20, 15, 10 and 5 points of spread, in this order. O(max_spread) wins over it.
    type: int
    choices: [1, 2, 3, 4, 5]
    default: 3
  max_spread:
    description: Points between the fullest and the emptiest host that are in order, one number or a dictionary with one for each metric.
    type: raw
  demand:
    description: What a guest weighs, what it uses, what it was given, or the larger of both.
    type: str
    choices: [used, assigned, max]
    default: used
  limits:
    description: How full an arriving guest may make a host. A host that is fuller already may only get emptier.
    type: dict
    suboptions:
      cpu:
        description: Percent of a host's cpu, less what is reserved, that may be in use after an arrival. 90 unless told otherwise.
        type: float
      memory:
        description: The same of its memory. 90 unless told otherwise.
        type: float
      cpu_for_rules:
        description: The same for migrations that mend a rule. 95 unless told otherwise.
        type: float
      memory_for_rules:
        description: The same for migrations that mend a rule. 95 unless told otherwise.
        type: float
      memory_reserve:
        description: Bytes of every host that are kept free besides.
        type: int
      cpu_overcommit:
        description: Most assigned vCPUs for each core of a host.
        type: float
      memory_overcommit:
        description: Most assigned memory for each byte of a host.
        type: float
      max_guests:
        description: Most running guests on a host.
        type: int
  max_migrations:
    description: Most migrations in the plan. Those that mend rules come first.
    type: int
  exclude:
    description: What stays out.
    type: dict
    suboptions:
      sources:
        description: Hosts that no guest leaves.
        type: dict
        suboptions:
          names:
            description: Ids, names or shell patterns of names, such as V(web*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          tags:
            description: Shell patterns of tags. Hosts have none.
            type: list
            elements: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there. Guests have none.
            type: dict
      targets:
        description: Hosts that no guest goes to.
        type: dict
        suboptions:
          names:
            description: Ids, names or shell patterns of names, such as V(web*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          tags:
            description: Shell patterns of tags. Hosts have none.
            type: list
            elements: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there. Guests have none.
            type: dict
      guests:
        description: Guests that stay where they are.
        type: dict
        suboptions:
          names:
            description: Ids, names or shell patterns of names, such as V(web*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          tags:
            description: Shell patterns of tags. Hosts have none.
            type: list
            elements: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there. Guests have none.
            type: dict
  rules:
    description: Rules besides those of the platform.
    type: list
    elements: dict
    suboptions:
      by:
        description:
          - How members are found. V(name_prefix) takes guests whose names are alike but for trailing digits together.
          - V(regex) takes guests whose names match O(rules[].pattern) and agree in its first group.
          - V(tag) and V(pool) take guests with the same tag or pool, for each that matches O(rules[].pattern).
          - V(guests) takes those that O(rules[].guests) selects.
        type: str
        required: true
        choices: [name_prefix, regex, tag, pool, guests]
      kind:
        description: V(affinity) together, V(anti_affinity) apart, V(even_spread) evenly, or to or away from O(rules[].hosts).
        type: str
        required: true
        choices: [affinity, anti_affinity, even_spread, host_affinity, host_anti_affinity]
      pattern:
        description: Regular expression for V(regex), shell pattern for V(tag) and V(pool).
        type: str
      guests:
        description: The members, for V(guests).
        type: dict
        suboptions:
          names:
            description: Ids, names or shell patterns of names, such as V(web*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          tags:
            description: Shell patterns of tags. Hosts have none.
            type: list
            elements: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there. Guests have none.
            type: dict
      hosts:
        description: The hosts, for V(host_affinity) and V(host_anti_affinity).
        type: dict
        suboptions:
          names:
            description: Ids, names or shell patterns of names, such as V(web*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          tags:
            description: Shell patterns of tags. Hosts have none.
            type: list
            elements: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there. Guests have none.
            type: dict
      name:
        description: Starts the names of the rules that come of it.
        type: str
      min_members:
        description: Fewer members make no rule. 2 unless told otherwise.
        type: int
      strict:
        description: Whether it must hold. V(false) makes it a wish. V(true) unless told otherwise.
        type: bool
      max_skew:
        description: For V(even_spread), by how much the counts on two hosts may differ. 1 unless told otherwise.
        type: int
      weight:
        description: How much a wish counts. 1 unless told otherwise.
        type: float
  platform_rules:
    description: Whether the rules of the platform itself count.
    type: bool
    default: true
  allow_blockers:
    description:
      - Blockers that shall not keep a guest from being migrated, such as V(container_restart) or V(local_disk).
      - M(evenkeel.cluster.vm_migrate) must be allowed the same by its own options.
    type: list
    elements: str
  migration_bandwidth:
    description: Bytes per second that one migration copies. Only estimates of time rest on it.
    type: float
  max_per_host:
    description: Migrations into or out of one host at the same time, which the waves are made for. 2 unless told otherwise.
    type: int
  min_gain:
    description: Points outside the band that a migration must take away to pay, where the band itself can't be reached. 0.5 unless told otherwise.
    type: float
  effort:
    description:
      - How long to look for fewer migrations, in search steps for each guest. 40 unless told otherwise.
      - The same effort gives the same plan, on any machine.
    type: int
  engine:
    description:
      - V(exact) also proves the fewest migrations with the solver HiGHS, in a process of its own, for clusters of up to about 10 hosts
        and 100 guests. It needs the Python library highspy.
    type: str
    choices: [search, exact]
    default: search
  time_limit:
    description: Seconds after which the search stops early with the best plan so far, which may then differ from run to run.
    type: float
  other_balancers:
    description:
      - What to do where something else moves guests by itself, such as DRS or the balancer of Proxmox VE.
      - V(respect) plans nothing and says who is in charge, except for the goal V(evacuate). V(ignore) plans all the same.
    type: str
    choices: [respect, ignore]
    default: respect
  cool_down:
    description:
      - Seconds for which a guest that was migrated stays where it is, unless a strict rule that it is under is broken or its host is emptied.
      - Counted until the moment of the snapshot, which says when each guest was last migrated as far as that is known.
        See O(evenkeel.cluster.cluster_facts#module:state_url).
      - V(0) lets every guest move again at once. Playbooks that run on a schedule do well with V(3600).
    type: float
    default: 0
  retry_after:
    description:
      - Seconds for which a guest stays that failed to be migrated, unless its host is emptied or it has been migrated since.
      - V(0) tries it again at once.
    type: float
    default: 3600
  seed:
    description: Another seed may find another plan that is as good.
    type: int
    default: 1
  what_if:
    description: Changes to the snapshot before it is planned, to ask before buying or retiring. The plan is of a cluster that does not exist.
    type: dict
    suboptions:
      hosts_removed:
        description: Ids or names of hosts that shall be gone. Their guests have to go elsewhere.
        type: list
        elements: str
      hosts_added:
        description: Hosts that shall be there, empty.
        type: list
        elements: dict
        suboptions:
          name:
            description: A name that no host has.
            type: str
            required: true
          like:
            description: Id or name of the host that it is like.
            type: str
            required: true
      guests_grown:
        description: Guests that shall use, and be given, more or less.
        type: list
        elements: dict
        suboptions:
          guest:
            description: Its id, or its name where no other guest has it.
            type: str
            required: true
          factor:
            description: How many times as much.
            type: float
            required: true
      rules_added:
        description: Rules that shall hold besides.
        type: list
        elements: dict
        suboptions:
          name:
            description: A name that no rule has.
            type: str
            required: true
          kind:
            description: As O(rules[].kind).
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
            description: Whether it must hold.
            type: bool
            default: true
          max_skew:
            description: For V(even_spread), by how much the counts on two hosts may differ. 1 unless told otherwise.
            type: int
          weight:
            description: How much a wish counts. 1 unless told otherwise.
            type: float
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

- name: Show it
  ansible.builtin.debug:
    msg: "{{ balance.report }}"

- name: Mend rules only; keep web01, web02, … on different hosts where there are enough
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

- name: What would one host less and one rule more take
  evenkeel.cluster.balance_plan:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    what_if:
      hosts_removed: [esx3.example.com]
      rules_added:
        - {name: db, kind: anti_affinity, guests: [vm-11, vm-12]}

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
      returned: success
      type: dict
      sample: {"id": "domain-c8", "name": "production"}
    status:
      description:
        - V(balanced) when nothing was wrong or nothing will be after it, V(improved) when something stays.
        - V(unchanged) when no migration is worth it, V(infeasible) when what was asked for can't be had.
      returned: success
      type: str
      sample: balanced
    plan_path:
      description: The file that holds the plan, as it was asked for.
      returned: success
      type: str
      sample: /var/lib/evenkeel/production.plan.json
    migrations:
      description: How many migrations there are.
      returned: success
      type: int
      sample: 9
    migrations_lower_bound:
      description: No legal plan reaches as much with fewer.
      returned: success
      type: int
      sample: 8
    optimal:
      description: Whether it is proven that no plan reaches as much with fewer.
      returned: success
      type: bool
      sample: false
    waves:
      description: How many waves they make.
      returned: success
      type: int
      sample: 3
    memory_bytes:
      description: Bytes of memory that are copied.
      returned: success
      type: int
      sample: 77309411328
    spread_before:
      description: Points between the fullest and the emptiest host before, for each metric.
      returned: success
      type: dict
      sample: {"cpu": 31.0, "memory": 44.2}
    spread_after:
      description: The same after.
      returned: success
      type: dict
      sample: {"cpu": 14.1, "memory": 12.9}
    violations_before:
      description: How many rules are broken before.
      returned: success
      type: int
      sample: 2
    violations_after:
      description: How many rules are broken after.
      returned: success
      type: int
      sample: 0
    unresolved:
      description: How many things the plan does not put in order.
      returned: success
      type: int
      sample: 0
report:
  description: Lines that show the hosts before and after, and every migration with its reason.
  returned: success
  type: list
  elements: str
  sample: ["cluster production (vsphere): balanced by 9 migrations in 3 waves"]
unresolved:
  description: What the plan does not put in order and why, a line each.
  returned: success
  type: list
  elements: str
  sample: ["host esx3 to be emptied: it still runs gpu01 (it can't be migrated: passthrough_device)"]
plan:
  description: The plan. Its JSON Schema is in C(docs/schemas/plan.json) of the collection.
  returned: when O(plan_path) is not given
  type: dict
  contains:
    schema:
      description: Name and version of this shape.
      returned: success
      type: str
      sample: evenkeel.cluster/plan/1
    cluster:
      description: Id and name of the cluster.
      returned: success
      type: dict
      sample: {"id": "domain-c8", "name": "production"}
    platform:
      description: What runs the cluster.
      returned: success
      type: str
      sample: vsphere
    snapshot_digest:
      description: Which snapshot it was made from.
      returned: success
      type: str
      sample: "sha256:3acfb594b249b5eab67712cd5edd5d01e055129fa3d34e0a5a300854e669745c"
    policy:
      description: What was asked for, with every default filled in.
      returned: success
      type: dict
      sample: {"goal": "spread", "metrics": ["cpu", "memory"]}
    status:
      description: As in the summary.
      returned: success
      type: str
      sample: balanced
    migrations:
      description: The migrations in an order that is safe.
      returned: success
      type: list
      elements: dict
      contains:
        step:
          description: Number of the migration.
          returned: success
          type: int
          sample: 1
        wave:
          description: Migrations of one wave may run side by side.
          returned: success
          type: int
          sample: 1
        guest:
          description: Id and name of the guest.
          returned: success
          type: dict
          sample: {"id": "vm-42", "name": "web01"}
        from:
          description: Id of the host that it leaves.
          returned: success
          type: str
          sample: host-12
        to:
          description: Id of the host that it goes to.
          returned: success
          type: str
          sample: host-15
        kind:
          description: What it is for.
          returned: success
          type: str
          sample: balance
        why:
          description: The reason, with numbers.
          returned: success
          type: str
          sample: takes esx1 from 91 % to 78 % memory
        after:
          description: Steps that must have ended well before this one starts.
          returned: success
          type: list
          elements: int
          sample: []
        cost:
          description: Bytes of memory to copy and estimated seconds.
          returned: success
          type: dict
          sample: {"memory": 8589934592, "seconds": 69}
    before:
      description: The cluster before, with spread, broken rules, and every host in percent.
      returned: success
      type: dict
      sample: {"spread": {"cpu": 31.0, "memory": 44.2}, "violations": [], "hosts": {}}
    after:
      description: The cluster after, in the same shape.
      returned: success
      type: dict
      sample: {"spread": {"cpu": 14.1, "memory": 12.9}, "violations": [], "hosts": {}}
    proof:
      description: What is proven about the plan.
      returned: success
      type: dict
      sample: {"migrations_lower_bound": 8, "optimal": false, "spread_lower_bound": {}, "method": "departure bound"}
    unresolved:
      description: What the plan does not put in order, and why.
      returned: success
      type: list
      elements: dict
      sample: [{"what": "rule db", "why": "3 guests must be apart, only 2 hosts can take them"}]
    immovable:
      description: Guests that would have to move and can't.
      returned: success
      type: list
      elements: dict
      sample: [{"guest": {"id": "vm-7", "name": "nas"}, "host": "host-12", "why": "passthrough_device"}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.balance import think
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.failing import run_module
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.policy_arguments import (
    POLICY_ARGUMENTS,
    WHAT_IF_ARGUMENTS,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "snapshot": {"type": "dict"},
            "snapshot_path": {"type": "path"},
            "plan_path": {"type": "path"},
            **POLICY_ARGUMENTS,
            **WHAT_IF_ARGUMENTS,
        },
        mutually_exclusive=[("snapshot", "snapshot_path")],
        required_one_of=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    run_module(module, think)


if __name__ == "__main__":
    main()
