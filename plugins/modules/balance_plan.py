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
      - File to write the plan to, whole or not at all. Only its owner may read it. Then the plan itself is not returned.
      - It is written in check mode too.
    type: path
  preset:
    description:
      - >-
        Another system, whose numbers, rules and order stand for everything that is not given here: V(fdrs), V(vmmanager) for
        the auto-balancer of VMManager 6, V(proxmox_rebalancing), V(proxlb), or V(drs).
      - Options that are given win, also single parts of a dictionary. RV(plan.policy) shows what counts in the end.
      - Its O(max_migrations) does not count with O(goal=evacuate) and O(goal=consolidate), which empty hosts.
      - What each option of those systems is called here is told in the collection's guide to coming from them.
    type: str
    choices: [fdrs, vmmanager, proxmox_rebalancing, proxlb, drs]
  goal:
    description:
      - V(spread) mends rules and brings the fullest and the emptiest host within O(max_spread) points of each other, for each metric.
      - V(rules) mends rules only.
      - >-
        V(evacuate) empties the hosts of O(evacuate), with targets chosen so that the other hosts stay level. Other guests
        move only where a guest finds no room without, and rules that are broken elsewhere stay as they are.
      - >-
        V(relieve) mends rules and moves guests off hosts that are above a threshold of O(relieve.overload), down to
        O(relieve.target). All other guests stay where they are.
      - >-
        V(consolidate) mends rules and empties as many hosts as the others have room for, so that they can be switched off.
        RV(plan.emptied) names them. Nothing goes to a host that runs no guests.
      - V(spread) unless told otherwise.
    type: str
    choices: [spread, relieve, rules, evacuate, consolidate]
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
      kinds:
        description: Kinds of guests. Hosts have none.
        type: list
        elements: str
        choices: [vm, container]
  relieve:
    description: When a host is overloaded, and how far it is relieved, for O(goal=relieve), which needs it.
    type: dict
    suboptions:
      overload:
        description: A host that is above any of these is overloaded. At least one is needed. What is left out has no threshold.
        type: dict
        suboptions:
          vcpus_per_core:
            description: Assigned vCPUs for each core, such as V(7.0).
            type: float
          cpu:
            description: Percent of the cpu.
            type: float
          memory:
            description: Percent of the memory.
            type: float
          disk_io:
            description: Percent of the disk throughput.
            type: float
          network_io:
            description: Percent of the network throughput.
            type: float
          storage:
            description: Percent of the local storage.
            type: float
          pressure_cpu:
            description: Percent of the time in which something waits for cpu.
            type: float
          pressure_memory:
            description: Percent of the time in which something waits for memory.
            type: float
          pressure_io:
            description: Percent of the time in which something waits for I/O.
            type: float
      target:
        description:
          - Overloaded hosts are brought down to these, and only hosts that are below all of them receive a guest, as long as they stay
            under the thresholds of O(relieve.overload) with it.
          - Where one is left out, or is higher than that of O(relieve.overload), that of O(relieve.overload) counts.
        type: dict
        suboptions:
          vcpus_per_core:
            description: Assigned vCPUs for each core, such as V(7.0).
            type: float
          cpu:
            description: Percent of the cpu.
            type: float
          memory:
            description: Percent of the memory.
            type: float
          disk_io:
            description: Percent of the disk throughput.
            type: float
          network_io:
            description: Percent of the network throughput.
            type: float
          storage:
            description: Percent of the local storage.
            type: float
          pressure_cpu:
            description: Percent of the time in which something waits for cpu.
            type: float
          pressure_memory:
            description: Percent of the time in which something waits for memory.
            type: float
          pressure_io:
            description: Percent of the time in which something waits for I/O.
            type: float
      first:
        description:
          - V(fewest) moves as few guests as will do.
          - V(smallest) and V(largest) move the smallest or largest guests first, by assigned cores and GiB of memory.
          - V(fewest) unless told otherwise.
        type: str
        choices: [fewest, smallest, largest]
      density_weight:
        description:
          - >-
            Hosts are ranked by vCPUs per core (or the measured cpu, where that is the metric) and memory, the worst to be relieved
            first and the best to receive. This is how much guests per core, 2 at most, add to it. V(0) unless told otherwise.
        type: float
  consolidate:
    description: Which hosts may become empty, and how full the others, for O(goal=consolidate).
    type: dict
    suboptions:
      min_hosts:
        description: So many hosts stay on at least. 1 unless told otherwise.
        type: int
      below:
        description:
          - Only hosts that are below this percentage in every metric are emptied. Any host, unless told otherwise.
          - Those that can't be emptied although they are below it are in RV(plan.unresolved).
        type: float
      fill:
        description: Percent of cpu and memory up to which the others are filled. O(limits) counts besides.
        type: float
  metrics:
    description:
      - What is balanced, all of it together. With O(goal=relieve) those with a threshold, with other goals cpu and memory, unless told
        otherwise.
      - V(vcpu) are assigned vCPUs in percent of the cores of a host. V(700) are seven for each core.
      - V(storage) is on datastores that only one host has. Guests with disks there move when O(allow_blockers) has V(local_disk).
    type: list
    elements: str
    choices: [cpu, memory, disk_io, network_io, storage, vcpu, pressure_cpu, pressure_memory, pressure_io]
  aggressiveness:
    description: Stands for 25, 20, 15, 10 and 5 points of spread, in this order. O(max_spread) wins over it. V(3) unless told otherwise.
    type: int
    choices: [1, 2, 3, 4, 5]
  max_spread:
    description:
      - Points between the fullest and the emptiest host that are in order, one number or a dictionary with one for each metric.
      - With V(0) the cluster is made as level as O(max_migrations) let it.
    type: raw
  level_above:
    description:
      - A metric is levelled only where some host has at least this percentage of it in use, one number or a dictionary with one for
        each metric.
      - Every difference counts unless told otherwise.
    type: raw
  demand:
    description:
      - What a guest weighs, what it uses, what it was given, or the larger of both.
      - With V(pressure) how long it makes its host stall. Then the metrics V(cpu), V(memory) and V(disk_io) stand for the pressures of
        cpu, memory and I/O.
      - V(used) unless told otherwise.
    type: str
    choices: [used, assigned, max, pressure]
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
  reserves:
    description:
      - What some hosts keep for themselves, besides what the platform reserves. Of several that mean a host the last one counts.
      - O(limits.memory_reserve) is for all hosts alike.
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
      memory:
        description: Bytes.
        type: int
      cpu:
        description: Cores.
        type: float
  assumed_capacity:
    description:
      - What hosts have of a resource where the platform does not say, such as C(disk_io) and C(network_io) in bytes per second.
      - No platform says how much disk throughput a host has, so without it C(disk_io) can't be levelled.
    type: dict
  target_version:
    description: With V(not_older) no guest goes to a host with an older hypervisor. Versions that are not known never matter. V(any) unless told otherwise.
    type: str
    choices: [any, not_older]
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
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
    description: Whether the rules of the platform itself count. They do unless told otherwise.
    type: bool
  allow_blockers:
    description:
      - Blockers that shall not keep a guest from being migrated, such as V(container_restart) or V(local_disk).
      - M(evenkeel.cluster.vm_migrate) must be allowed the same by its own options.
    type: list
    elements: str
  migration_bandwidth:
    description: Bytes per second that one migration copies. Only estimates of time rest on it.
    type: float
  dirty_factor:
    description:
      - Share of a guest's memory that is copied once more because the guest writes meanwhile. Only estimates of time rest on it.
      - 0 unless told otherwise.
    type: float
  max_per_host:
    description: Migrations into or out of one host at the same time, which the waves are made for. 2 unless told otherwise.
    type: int
  max_in_per_host:
    description: Of O(max_per_host), those into one host. As many as O(max_per_host), unless told otherwise.
    type: int
  max_out_per_host:
    description: Of O(max_per_host), those out of one host. As many as O(max_per_host), unless told otherwise.
    type: int
  min_gain:
    description:
      - Points outside the band that a migration must take away to pay, where the band itself can't be reached. 0.5 unless told otherwise.
      - With O(goal=relieve) points above the target that it must take away, unless it is the last that is needed.
    type: float
  effort:
    description:
      - How long to look for fewer migrations, in search steps for each guest. 40 unless told otherwise.
      - The same effort gives the same plan, on any machine.
    type: int
  engine:
    description:
      - V(exact) also proves the fewest migrations with the solver HiGHS, in a process of its own, for clusters of up to about 10 hosts
        and 100 guests. It needs the Python library highspy. Goals V(spread) and V(rules) only.
      - V(search) unless told otherwise.
    type: str
    choices: [search, exact]
  time_limit:
    description: Seconds after which the search stops early with the best plan so far, which may then differ from run to run.
    type: float
  other_balancers:
    description:
      - What to do where something else moves guests by itself, such as DRS or the balancer of Proxmox VE.
      - V(respect) plans nothing and says who is in charge, except for the goal V(evacuate). V(ignore) plans all the same.
      - V(respect) unless told otherwise.
    type: str
    choices: [respect, ignore]
  cool_down:
    description:
      - Seconds for which a guest that was migrated stays where it is, unless a strict rule that it is under is broken or its host is emptied.
      - Counted until the moment of the snapshot, which says when each guest was last migrated as far as that is known.
        See O(evenkeel.cluster.cluster_facts#module:state_url).
      - V(0) lets every guest move again at once, unless told otherwise. Playbooks that run on a schedule do well with V(3600).
    type: float
  retry_after:
    description:
      - Seconds for which a guest stays that failed to be migrated, unless its host is emptied or it has been migrated since.
      - V(0) tries it again at once. V(3600) unless told otherwise.
    type: float
  retry_refused_after:
    description:
      - Seconds for which a guest is not planned to a host to which the platform's own check refused to migrate it.
      - Defaults to V(86400). V(0) plans it again at once.
    type: float
  may_stay:
    description:
      - Guests that may stay on a host that is to be emptied, or is in maintenance.
      - They are not moved from it, and do not keep it from counting as empty. On other hosts they are balanced like others.
      - Agents of the platform, such as vCLS, always may stay, and need not be named.
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
        description: Shell patterns of tags.
        type: list
        elements: str
      pools:
        description: Names or shell patterns of pools.
        type: list
        elements: str
      labels:
        description: Labels of hosts. Guests have none.
        type: dict
      kinds:
        description: Kinds of guests.
        type: list
        elements: str
        choices: [vm, container]
  shut_down:
    description:
      - Guests that are to be shut down before a host enters maintenance mode, as M(evenkeel.cluster.host_maintenance) does.
      - The plan treats them like those of O(may_stay).
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
        description: Shell patterns of tags.
        type: list
        elements: str
      pools:
        description: Names or shell patterns of pools.
        type: list
        elements: str
      labels:
        description: Labels of hosts. Guests have none.
        type: dict
      kinds:
        description: Kinds of guests.
        type: list
        elements: str
        choices: [vm, container]
  strict_selectors:
    description:
      - Whether a selector or rule of the policy that matches nothing is an error. Otherwise it is a warning.
      - An exact name of a host that does not exist is always an error.
      - Defaults to V(false).
    type: bool
  priorities:
    description:
      - How important guests are. Of guests that would do as well those of lower priority are moved.
      - Guests that are not mentioned have that of the snapshot, which is 2 unless something else is known. Of several entries that mean
        a guest the last one counts.
    type: list
    elements: dict
    suboptions:
      guests:
        description: The guests.
        type: dict
        required: true
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
      priority:
        description: Higher is more important.
        type: int
        required: true
  maintenance_windows:
    description:
      - Weekly times in which hosts count as in maintenance, so that their guests leave and nothing goes there.
      - The moment that counts is that of the snapshot, or O(now).
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
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
          kinds:
            description: Kinds of guests. Hosts have none.
            type: list
            elements: str
            choices: [vm, container]
      days:
        description: Days on which it starts. Every day unless told otherwise.
        type: list
        elements: str
        choices: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]
      start:
        description: Time of day at which it starts, in quotes, such as V("22:00").
        type: str
        required: true
      hours:
        description: How long it lasts.
        type: float
        required: true
      lead_minutes:
        description: How long before its start guests leave already. 0 unless told otherwise.
        type: float
      timezone:
        description: Time zone of the day and the time, such as V(Europe/Berlin). UTC unless told otherwise.
        type: str
  now:
    description:
      - The moment from which O(maintenance_windows), O(cool_down) and O(retry_after) are counted, in UTC such as
        V(2026-01-31T22:00:00Z).
      - That of the snapshot unless told otherwise.
    type: str
  seed:
    description: Another seed may find another plan that is as good. 1 unless told otherwise.
    type: int
  refusals:
    description:
      - Migrations that the platform's own check has just refused, as M(evenkeel.cluster.vm_migrate) returns them.
      - The plan avoids them, in addition to those that the snapshot remembers. They count from the moment of the snapshot.
    type: list
    elements: dict
    suboptions:
      guest:
        description: Id of the guest.
        type: str
        required: true
      host:
        description: Id of the host that it can't go to.
        type: str
        required: true
      why:
        description: Why the platform refused it.
        type: str
      at:
        description: When it was refused. Not used.
        type: str
  what_if:
    description: Changes to the snapshot before it is planned, to ask before buying or retiring. The plan is of a cluster that does not exist.
    type: dict
    suboptions:
      hosts_removed:
        description: Ids or names of hosts that shall be gone. Their guests have to go elsewhere.
        type: list
        elements: str
      hosts_returned:
        description: Ids or names of hosts in maintenance mode that shall be back in service.
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

- name: As FDRS does it, with a tighter limit
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

- name: Which hosts could be switched off for the night
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    goal: consolidate
    consolidate:
      min_hosts: 2
      fill: 80

- name: Level, and let guests leave node3 on Saturdays at 22:00
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    maintenance_windows:
      - hosts: {names: [node3]}
        days: [saturday]
        start: "22:00"
        hours: 3
        lead_minutes: 30
        timezone: Europe/Berlin

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
      contains:
        id:
          description: Its id, by which it is meant.
          returned: success
          type: str
          sample: domain-c8
        name:
          description: Its name, for people.
          returned: success
          type: str
          sample: production
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
    hosts_emptied:
      description: How many hosts become empty, with O(goal=consolidate).
      returned: success
      type: int
      sample: 0
error:
  description: What kind of error it is, C(InputError), C(PlanningError), C(FileError) or C(UnsafePlan).
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
    - What the plan rests on that was not measured or not read, and selectors that match nothing, a line each.
    - The same lines are warnings.
  returned: success
  type: list
  elements: str
  sample: ["2 guests are being migrated at this moment: web01, web02"]
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
      contains:
        id:
          description: Its id, by which it is meant.
          returned: success
          type: str
          sample: domain-c8
        name:
          description: Its name, for people.
          returned: success
          type: str
          sample: production
        instance:
          description: The vCenter or VMmanager that it belongs to.
          returned: when the snapshot says
          type: str
          sample: 5a1c0f4e-0001-4a3c-9d2e-000000000000
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
    remembered_at:
      description: As in the snapshot. What runs recorded later is not reckoned with.
      returned: when the snapshot says
      type: float
      sample: 1769896800.25
    notices:
      description: What the plan rests on that was not measured or not read, and selectors that match nothing, a line each.
      returned: when there are any
      type: list
      elements: str
      sample: ["2 guests are being migrated at this moment: web01, web02"]
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
          contains:
            id:
              description: Its id, by which it is meant.
              returned: success
              type: str
              sample: vm-42
            name:
              description: Its name, for people.
              returned: success
              type: str
              sample: web01
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
          description: What it is for, C(balance), C(rule), C(evacuate), C(relieve), C(consolidate) or C(parking).
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
          description: What the migration takes.
          returned: success
          type: dict
          contains:
            memory:
              description: Bytes of memory to copy.
              returned: success
              type: int
              sample: 8589934592
            seconds:
              description: How many seconds that takes by O(migration_bandwidth) and O(dirty_factor).
              returned: success
              type: float
              sample: 68.7
        storage:
          description: Datastores whose disks go along, by the datastore that they are on, with the one that they go to.
          returned: when a guest with disks on a datastore that only its host has is migrated
          type: dict
          sample: {"local-lvm": "local-lvm"}
    before:
      description: The cluster before.
      returned: success
      type: dict
      contains:
        spread:
          description: Points between the fullest and the emptiest host, by metric. Null where it is not known.
          returned: success
          type: dict
          sample: {"cpu": 31.0, "memory": 44.2}
        violations:
          description: Rules that do not hold.
          returned: success
          type: list
          elements: dict
          contains:
            rule:
              description: Name of the rule.
              returned: success
              type: str
              sample: web
            detail:
              description: Which guests stand where they should not.
              returned: success
              type: str
              sample: web01 and web02 are on esx1
        hosts:
          description:
            - By the id of each host its C(name), C(used) in percent of its capacity by metric, which is null where it is not known,
              and C(guests), how many run there.
          returned: success
          type: dict
          sample: {"host-12": {"name": "esx1", "used": {"cpu": 71.5, "memory": 91.0}, "guests": 41}}
    after:
      description: The cluster after.
      returned: success
      type: dict
      contains:
        spread:
          description: Points between the fullest and the emptiest host, by metric. Null where it is not known.
          returned: success
          type: dict
          sample: {"cpu": 14.1, "memory": 12.9}
        violations:
          description: Rules that do not hold.
          returned: success
          type: list
          elements: dict
          contains:
            rule:
              description: Name of the rule.
              returned: success
              type: str
              sample: web
            detail:
              description: Which guests stand where they should not.
              returned: success
              type: str
              sample: web01 and web02 are on esx1
        hosts:
          description:
            - By the id of each host its C(name), C(used) in percent of its capacity by metric, which is null where it is not known,
              and C(guests), how many run there.
          returned: success
          type: dict
          sample: {"host-12": {"name": "esx1", "used": {"cpu": 58.2, "memory": 78.3}, "guests": 36}}
    proof:
      description: What is proven about the plan.
      returned: success
      type: dict
      contains:
        migrations_lower_bound:
          description: No legal plan that puts everything in order has fewer migrations. 0 where something stays undone.
          returned: success
          type: int
          sample: 8
        optimal:
          description: Whether this plan puts everything in order with as few migrations as that.
          returned: success
          type: bool
          sample: false
        spread_lower_bound:
          description: Points of spread that are left at least, whatever is migrated, by metric. Null where that is not reckoned.
          returned: success
          type: dict
          sample: {"cpu": 0.0, "memory": 3.1}
        method:
          description: How the number of migrations was proven.
          returned: success
          type: str
          sample: fewest departures and arrivals that bring every host into the band, rules included
        seconds:
          description: How many seconds all migrations take, as many at a time as O(max_per_host) lets them.
          returned: success
          type: float
          sample: 219.8
        seconds_lower_bound:
          description: How many seconds they take at least in any order.
          returned: success
          type: float
          sample: 211.2
    unresolved:
      description: What the plan does not put in order.
      returned: success
      type: list
      elements: dict
      contains:
        what:
          description: What is not in order.
          returned: success
          type: str
          sample: rule db
        why:
          description: Why it stays so, with names and numbers.
          returned: success
          type: str
          sample: 3 guests (db1, db2, db3) can't be apart on 2 hosts
        code:
          description:
            - The kind of the entry, for filters. V(unknown) in plans of version 0.1.
            - One of V(metric_unavailable), V(spread_exceeded), V(rule_broken), V(rule_impossible), V(rule_names_unknown),
              V(host_above_limits), V(host_load_unknown), V(host_not_empty), V(host_overloaded), V(host_stays_on),
              V(no_safe_order), V(no_target_host) and V(other_balancer).
          returned: success
          type: str
          sample: rule_impossible
        subject:
          description: The id of the host, or the name of the rule or metric, that the entry is about.
          returned: when it is about one of these
          type: str
          sample: db
    immovable:
      description: Guests that would have to move and can't.
      returned: success
      type: list
      elements: dict
      contains:
        guest:
          description: Id and name of the guest.
          returned: success
          type: dict
          contains:
            id:
              description: Its id, by which it is meant.
              returned: success
              type: str
              sample: vm-7
            name:
              description: Its name, for people.
              returned: success
              type: str
              sample: nas
        host:
          description: Id of the host that it is on.
          returned: success
          type: str
          sample: host-12
        why:
          description: What keeps it there.
          returned: success
          type: str
          sample: "it can't be migrated: passthrough_device"
    emptied:
      description: Ids of the hosts that run guests now and none after it.
      returned: with O(goal=consolidate), when there are any
      type: list
      elements: str
      sample: [host-15]
    reclaimable:
      description:
        - By the id of each host that gives memory back when it is wanted, as ZFS does with its cache, bytes of its memory that are
          C(used), and bytes that are C(reclaimable) and that the platform counts as used besides.
      returned: when the snapshot has such hosts
      type: dict
      sample: {"node/pve1": {"used": 68719476736, "reclaimable": 17179869184}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import (
    run_balance_plan,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import (
    POLICY_ARGUMENTS,
    REFUSAL_ARGUMENTS,
    WHAT_IF_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.snapshots import SNAPSHOT_ARGUMENTS


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SNAPSHOT_ARGUMENTS,
            "plan_path": {"type": "path"},
            **POLICY_ARGUMENTS,
            **REFUSAL_ARGUMENTS,
            **WHAT_IF_ARGUMENTS,
        },
        mutually_exclusive=[("snapshot", "snapshot_path")],
        required_one_of=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    run_module(module, run_balance_plan)


if __name__ == "__main__":
    main()
