# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options of a policy. Written by tools/options.py from the dataclasses."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  preset:
    description:
      - Another system, whose values replace the defaults of all options that are not set. V(fdrs), V(vmmanager)
        for the auto-balancer of VMmanager 6, V(proxmox_rebalancing), V(proxlb), V(drs), or V(proxmox) for the balancer
        of Proxmox VE 9.2.
      - With V(proxmox) the plan also says what that balancer would do with the datacenter's own settings.
      - Options that are set win over the preset, single keys of a dictionary too. RV(plan.policy) shows the resulting
        policy.
      - The O(max_migrations) of a preset does not apply to O(goal=evacuate) and O(goal=consolidate), which empty
        hosts.
      - The guides to coming from these systems list what each of their options is called here.
    type: str
    choices: [fdrs, vmmanager, proxmox_rebalancing, proxlb, drs, proxmox, sdrs]
  goal:
    description:
      - V(spread) restores rules and brings the fullest and the emptiest host within O(max_spread) points of each
        other, for each metric.
      - V(rules) only restores rules.
      - V(evacuate) empties the hosts of O(evacuate). Targets are chosen so that the other hosts stay level. Other
        guests move only when an evacuated guest has no target otherwise, and rules that are violated elsewhere
        stay as they are.
      - V(relieve) restores rules and moves guests off hosts that exceed a threshold of O(relieve.overload), down
        to O(relieve.target). All other guests stay.
      - V(consolidate) restores rules and empties as many hosts as the capacity of the others allows, so that they
        can be switched off. RV(plan.emptied) lists them. No guest moves to a host that runs no guests.
      - V(storage) only moves disks between datastores, as O(storage) says. It migrates no guest, except for O(storage.relocate).
    type: str
    choices: [spread, relieve, rules, evacuate, consolidate, storage]
    default: spread
  storage:
    description: The desired state of datastores. Disks are moved after the guests have been migrated. Without it
      no disk changes its datastore, unless O(goal=storage).
    type: dict
    suboptions:
      utilisation:
        description: Percentage of a datastore's capacity in use above which disks are moved off it.
        type: float
        default: 80
      max_spread:
        description: Maximum difference between the fullest and the emptiest datastore, in percentage points, among
          those that can take each other's disks. Space is not levelled when it is left out.
        type: float
      latency:
        description: Latency of a datastore in milliseconds above which disks are moved off it, where the platform
          reports it. How much I/O a datastore can take is estimated by those of its type and class. Latency does
          not count when it is left out.
        type: float
      min_difference:
        description: Minimum difference in use between the source and the target of a move, in percentage points.
          Moves for rules, and off a datastore that is emptied, need none, nor do those that make room for them.
        type: float
        default: 5
      reserve:
        description: Space that is kept free on every datastore, such as V(50G).
        type: str
        default: '0'
      growth:
        description: Percentage of the space that thin disks have not taken yet which counts as in use.
        type: float
        default: 0
      keep_together:
        description: Whether all disks of a guest that lie on one datastore move together, unless their storage
          policies allow them no datastore in common. With V(false) each moves by itself.
        type: bool
        default: true
      evacuate:
        description: Datastores that all disks leave and that receive none. Those in maintenance mode are emptied
          in any case.
        type: dict
        suboptions: &with_names_7_2
          names:
            description: Ids, names, or shell patterns of names, such as V(ssd*).
            type: list
            elements: str
          regex:
            description: Regular expression that must match a name from its start.
            type: str
          tags:
            description: Shell patterns of tags.
            type: list
            elements: str
          types:
            description: Types, such as V(VMFS), V(NFS), V(lvmthin) or V(rbd).
            type: list
            elements: str
          classes:
            description: Classes, such as V(gold).
            type: list
            elements: str
          clusters:
            description: Names or shell patterns of clusters of datastores.
            type: list
            elements: str
          where:
            description: JMESPath expression that is true for the datastore, such as V(shared && type == 'NFS').
              Requires the Python library C(jmespath).
            type: str
      rules:
        description: Which guests or disks are on different datastores.
        type: list
        elements: dict
        suboptions:
          by:
            description:
              - How members are found, as in O(rules[].by).
              - With V(disks) the members are the disks of each guest of O(storage.rules[].guests).
            type: str
            choices: [name_prefix, regex, tag, pool, guests, disks]
            required: true
          kind:
            description: V(anti_affinity) keeps members on different datastores, V(affinity) on one.
            type: str
            choices: [anti_affinity, affinity]
            default: anti_affinity
          pattern:
            description: Regular expression for V(regex), shell pattern for V(tag) and V(pool).
            type: str
          guests:
            description: The guests, for V(guests) and V(disks).
            type: dict
            suboptions: &with_names_7
              names:
                description: Ids, names, or shell patterns of names, such as V(web*).
                type: list
                elements: str
              regex:
                description: Regular expression that must match a name from its start.
                type: str
              tags:
                description: Shell patterns of tags. Hosts have no tags.
                type: list
                elements: str
              pools:
                description: Names or shell patterns of pools.
                type: list
                elements: str
              labels:
                description: Labels with their values, all of which must be present. Guests have no labels.
                type: dict
              kinds:
                description: Kinds of guests. Hosts have no kind.
                type: list
                elements: str
                choices: [vm, container]
              where:
                description: JMESPath expression that is true for the guest or host, such as V(tags[?@ == 'prod']
                  && power == 'running'). It is evaluated with the fields that a snapshot has. Requires the Python
                  library C(jmespath).
                type: str
          name:
            description: Prefix of the names of the resulting rules.
            type: str
          min_members:
            description: Minimum number of members of a rule.
            type: int
            default: 2
          strict:
            description: Whether the rule must hold. With V(false) it is a preference.
            type: bool
            default: true
      platform_rules:
        description: Whether the rules of the platform for datastores apply, its storage policies among them.
        type: bool
        default: true
      placement:
        description: Where the disks of some guests may lie. The last entry that selects a guest applies.
        type: list
        elements: dict
        suboptions:
          guests:
            description: The guests.
            type: dict
            required: true
            suboptions: *with_names_7
          datastores:
            description: The datastores where their disks may lie.
            type: dict
            required: true
            suboptions: *with_names_7_2
      exclude:
        description: Datastores and guests that take no part.
        type: dict
        suboptions:
          sources:
            description: Datastores that no disk leaves.
            type: dict
            suboptions: *with_names_7_2
          targets:
            description: Datastores that receive no disk.
            type: dict
            suboptions: *with_names_7_2
          guests:
            description: Guests whose disks are not moved.
            type: dict
            suboptions: *with_names_7
      allow_blockers:
        description: Blockers of disks that are ignored, such as V(snapshot_chain).
        type: list
        elements: str
      max_moves:
        description: Maximum number of moves. No limit when it is left out.
        type: int
      max_bytes:
        description: Maximum sum of bytes that are copied, such as V(2T).
        type: str
      relocate:
        description:
          - Whether a guest may be migrated to another host together with its disks, where no datastore of its own
            host can take them. This is done for disks that must leave a datastore, because it is to be emptied,
            is above O(storage.utilisation) or leaves less than O(storage.reserve), or because a rule or O(storage.placement)
            does not hold; never to level.
          - By default no guest is migrated for its disks, because its memory is copied as well and it ends up on
            another host.
          - A disk that only its host has is then copied even when O(allow_blockers) has no V(local_disk). Proxmox
            VE takes no disk along that is on a shared storage.
        type: bool
        default: false
      max_per_datastore:
        description: Maximum concurrent moves per datastore, off it and onto it together.
        type: int
        default: 2
      bandwidth:
        description: Bytes per second that one move copies. Only estimates depend on it.
        type: str
        default: '200000000'
      other_balancers:
        description: What to do with datastores on which something else moves disks by itself, such as Storage DRS.
          V(respect) leaves them alone and names them.
        type: str
        choices: [respect, ignore]
        default: respect
  evacuate:
    description:
      - Hosts that all running guests leave and that receive no guests. It is required for O(goal=evacuate) and
        not supported by other goals.
      - Guests that cannot leave are in RV(plan.immovable) with the reason, and RV(summary.status) is not V(balanced)
        then.
    type: dict
    suboptions: *with_names_7
  relieve:
    description: When a host is overloaded, and how far it is relieved. It is required for O(goal=relieve).
    type: dict
    suboptions:
      overload:
        description: A host that exceeds any of these thresholds is overloaded. At least one is required. A metric
          that is left out has no threshold.
        type: dict
        required: true
        suboptions: &with_vcpus_per_core_9
          vcpus_per_core:
            description: Assigned vCPUs per core, such as V(7.0).
            type: float
          cpu:
            description: Percent of the CPU.
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
            description: Percent of the time in which a task waits for CPU.
            type: float
          pressure_memory:
            description: Percent of the time in which a task waits for memory.
            type: float
          pressure_io:
            description: Percent of the time in which a task waits for I/O.
            type: float
      target:
        description:
          - Overloaded hosts are brought down to these thresholds. Only hosts that are below all of them receive
            guests, as long as they stay under the thresholds of O(relieve.overload).
          - A threshold that is left out, or is higher than that of O(relieve.overload), is replaced by that of
            O(relieve.overload).
        type: dict
        suboptions: *with_vcpus_per_core_9
      first:
        description:
          - Which guests leave an overloaded host first.
          - V(fewest) moves as few guests as possible. V(smallest) and V(largest) start with the smallest or largest
            guests, by assigned cores and GiB of memory.
        type: str
        choices: [fewest, smallest, largest]
        default: fewest
      density_weight:
        description: Hosts are ranked by vCPUs per core (or measured CPU, when that is the metric) and memory. The
          worst is relieved first, the best receives first. This is the weight of guests per core (at most 2) in
          the rank.
        type: float
        default: 0
  consolidate:
    description: Which hosts may be emptied and how full the others may become, for O(goal=consolidate).
    type: dict
    suboptions:
      min_hosts:
        description: Minimum number of hosts that stay in use.
        type: int
        default: 1
      below:
        description:
          - Only hosts that are below this percentage in every metric are emptied. Any host may be emptied when
            it is left out.
          - Hosts below it that cannot be emptied are in RV(plan.unresolved).
        type: float
      fill:
        description: Percent of CPU and memory up to which the other hosts are filled. O(limits) apply as well.
        type: float
  metrics:
    description:
      - Metrics that are balanced together. With O(goal=relieve) the default is the metrics that have a threshold.
      - V(vcpu) is the number of assigned vCPUs in percent of the cores of a host. V(700) is seven vCPUs per core.
      - V(storage) is the usage of datastores that only one host has. Guests with disks there move when O(allow_blockers)
        contains V(local_disk).
    type: list
    elements: str
    choices: [cpu, memory, disk_io, network_io, storage, vcpu, pressure_cpu, pressure_memory, pressure_io]
    default: [cpu, memory]
  aggressiveness:
    description: V(1) to V(5) stand for 25, 20, 15, 10 and 5 points of spread. O(max_spread) takes precedence.
    type: int
    choices: [1, 2, 3, 4, 5]
    default: 3
  max_spread:
    description:
      - Maximum difference between the fullest and the emptiest host, in percentage points, as one number or as
        a dictionary with one for each metric.
      - With V(0) the cluster is made as level as O(max_migrations) allows.
    type: raw
  level_above:
    description:
      - A metric is levelled only when some host uses at least this percentage of it, as one number or as a dictionary
        with one for each metric.
      - Every difference counts when it is left out.
    type: raw
  demand:
    description:
      - Which figure counts as a guest's load. V(used) is its measured usage, V(assigned) its assigned resources,
        V(max) the larger of the two.
      - V(pressure) is the time for which it stalls its host. The metrics V(cpu), V(memory) and V(disk_io) then
        stand for the pressures of CPU, memory and I/O.
    type: str
    choices: [used, assigned, max, pressure]
    default: used
  limits:
    description: How full an arriving guest may make a host. A host that is already fuller receives no guests.
    type: dict
    suboptions:
      cpu:
        description: Maximum percentage of a host's CPU, less what is reserved, in use after a guest arrives.
        type: float
        default: 90
      memory:
        description: Maximum percentage of a host's memory, less what is reserved, in use after a guest arrives.
        type: float
        default: 90
      cpu_for_rules:
        description: The same as O(limits.cpu), for migrations that restore a rule. It must not be lower.
        type: float
        default: 95
      memory_for_rules:
        description: The same as O(limits.memory), for migrations that restore a rule. It must not be lower.
        type: float
        default: 95
      memory_reserve:
        description: Memory that is kept free on every host, such as V(16G).
        type: str
        default: '0'
      cpu_overcommit:
        description: Maximum number of assigned vCPUs per core of a host. No limit when it is left out.
        type: float
      memory_overcommit:
        description: Maximum assigned memory per byte of memory of a host. No limit when it is left out.
        type: float
      max_guests:
        description: Maximum number of running guests on a host. No limit when it is left out.
        type: int
  reserves:
    description:
      - Capacity of some hosts that guests cannot use, in addition to what the platform reserves. The last entry
        that selects a host applies.
      - O(limits.memory_reserve) applies to all hosts.
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
        suboptions: *with_names_7
      memory:
        description: Memory, such as V(16G).
        type: str
        default: '0'
      cpu:
        description: Cores.
        type: float
        default: 0
  assumed_capacity:
    description:
      - Capacity of hosts for resources that the platform does not report, such as C(disk_io) and C(network_io)
        in bytes per second, such as V(500M).
      - No platform reports the disk throughput of a host, so C(disk_io) can only be levelled when it is set here.
    type: dict
  target_version:
    description: With V(not_older) no guest moves to a host with an older hypervisor. Unknown versions are ignored.
    type: str
    choices: [any, not_older]
    default: any
  max_migrations:
    description: Maximum number of migrations in the plan. Migrations that restore rules come first. No limit when
      it is left out.
    type: int
  exclude:
    description: Hosts and guests that take no part.
    type: dict
    suboptions:
      sources:
        description: Hosts that no guest leaves.
        type: dict
        suboptions: *with_names_7
      targets:
        description: Hosts that receive no guest.
        type: dict
        suboptions: *with_names_7
      guests:
        description: Guests that are not migrated.
        type: dict
        suboptions: *with_names_7
  rules:
    description: Rules in addition to those of the platform.
    type: list
    elements: dict
    suboptions:
      by:
        description:
          - How members are found.
          - V(name_prefix) groups guests whose names differ only in trailing digits, such as web01 and web12. A
            name of digits only forms no group.
          - V(regex) groups guests whose names match O(rules[].pattern) and agree in its first group, or in the
            whole match when it has none.
          - V(tag) and V(pool) group guests with the same tag or pool, for each that matches the shell pattern O(rules[].pattern).
          - V(guests) groups the guests that O(rules[].guests) selects.
        type: str
        choices: [name_prefix, regex, tag, pool, guests]
        required: true
      kind:
        description: V(affinity) keeps members together, V(anti_affinity) apart, V(even_spread) evenly distributed.
          V(host_affinity) keeps them on O(rules[].hosts), V(host_anti_affinity) away from them.
        type: str
        choices: [affinity, anti_affinity, even_spread, host_affinity, host_anti_affinity]
        required: true
      pattern:
        description: Regular expression for O(rules[].by=regex), shell pattern for O(rules[].by=tag) and O(rules[].by=pool).
        type: str
      guests:
        description: The members, for O(rules[].by=guests).
        type: dict
        suboptions: *with_names_7
      hosts:
        description: The hosts, for V(host_affinity) and V(host_anti_affinity).
        type: dict
        suboptions: *with_names_7
      name:
        description: Prefix of the names of the resulting rules.
        type: str
      min_members:
        description: Minimum number of members of a rule. Smaller groups form no rule.
        type: int
        default: 2
      strict:
        description: Whether the rule must hold. With V(false) it is a preference.
        type: bool
        default: true
      max_skew:
        description: Maximum difference between the numbers of members on two hosts, for V(even_spread).
        type: int
        default: 1
      weight:
        description: How much a preference counts.
        type: float
        default: 1
  platform_rules:
    description: Whether the rules of the platform apply.
    type: bool
    default: true
  allow_blockers:
    description:
      - Blockers that are ignored, such as V(container_restart) or V(local_disk), so that the guests can be migrated.
      - M(evenkeel.cluster.vm_migrate) must be allowed to do the same by its own options.
    type: list
    elements: str
  migration_bandwidth:
    description: Bytes per second that one migration copies, such as V(1G). Only estimates of time depend on it.
    type: str
    default: '125000000'
  dirty_factor:
    description: Share of a guest's memory that is copied again because the guest writes to it meanwhile. Only estimates
      of time depend on it.
    type: float
    default: 0
  max_per_host:
    description: Maximum concurrent migrations per host, incoming and outgoing together.
    type: int
    default: 2
  max_in_per_host:
    description: Maximum concurrent incoming migrations per host. Defaults to O(max_per_host).
    type: int
  max_out_per_host:
    description: Maximum concurrent outgoing migrations per host. Defaults to O(max_per_host).
    type: int
  min_gain:
    description:
      - Minimum improvement, in percentage points, for a migration to be worthwhile when the band cannot be reached.
      - With O(goal=relieve) these are points above the target, and the last migration that is needed is always
        worthwhile.
    type: float
    default: 0.5
  effort:
    description:
      - How long to search for fewer migrations, in search steps for each guest (at least 1500 and at most 4000
        guests count).
      - The same effort returns the same plan on every machine.
    type: int
    default: 40
  engine:
    description:
      - V(search) uses local search.
      - V(exact) also proves the minimum number of migrations with the solver HiGHS, in a separate process, for
        clusters of up to about 10 hosts and 100 guests. It requires the Python library highspy and supports the
        goals V(spread) and V(rules) only.
    type: str
    choices: [search, exact]
    default: search
  time_limit:
    description: Time after which the search stops with the best plan so far, which may then differ from run to
      run. No limit when it is left out.
    type: str
  cool_down:
    description:
      - Time for which a migrated guest is not migrated again, unless one of its strict rules is violated or its
        host is emptied.
      - It counts up to the moment of the snapshot, which holds when each guest was last migrated as far as that
        is known. See O(evenkeel.cluster.cluster_facts#module:state_url).
      - V(1h) suits playbooks that run on a schedule.
    type: str
    default: '0'
  retry_after:
    description:
      - Time for which a guest is not migrated again after a failed migration, unless its host is emptied or it
        has been migrated since.
      - Likewise disks, with all that move together with them, are not moved again after a failed move to another
        datastore, unless their datastore is emptied or a move of them has succeeded since.
      - V(0) retries it at once.
    type: str
    default: '3600'
  retry_refused_after:
    description:
      - Time for which no migration of a guest is planned to a host to which the platform's own check has refused
        it.
      - Likewise no move of a disk to a datastore to which it has refused to move it.
      - V(0) plans it again at once.
    type: str
    default: '86400'
  sustained:
    description:
      - Number of consecutive readings in which the cluster must be out of its band before guests are migrated for
        it, the present reading included. V(1) acts at once.
      - It counts for each metric with O(goal=spread) and for each host with O(goal=relieve), so that a spike of
        one reading never moves a guest. A metric that waits is not made worse by other migrations. O(goal=evacuate)
        and O(goal=consolidate) do not wait.
      - Each run that is not in check mode records its reading in the state database, and M(evenkeel.cluster.cluster_facts)
        returns the earlier ones. Readings less than a minute apart count once. Readings with another O(demand)
        or window do not count.
      - Readings that are more than two days apart, or one and a half times O(sustained_for) when that is set, are
        not consecutive.
    type: int
    default: 1
  sustained_for:
    description: Time for which the cluster must have been out of its band in all readings before guests are migrated
      for it, such as V(1h). O(sustained) applies as well. V(0) does not wait.
    type: str
    default: '0'
  sustained_except:
    description:
      - What does not wait.
      - V(rules) restores rules at once. Without it, a strict rule must be violated for as long, too. Hosts in maintenance
        mode are emptied at once in any case.
      - V(overload) acts at once on a metric or host for which a host uses more than O(limits.cpu) or O(limits.memory)
        percent.
    type: list
    elements: str
    choices: [rules, overload]
    default: [rules]
  may_stay:
    description:
      - Guests that may stay on a host that is emptied or in maintenance mode.
      - They are not moved from it, and the host counts as empty with them. On other hosts they are balanced like
        other guests.
      - Agents of the platform, such as vCLS, may always stay and need not be selected.
    type: dict
    suboptions: *with_names_7
  shut_down:
    description:
      - Guests that M(evenkeel.cluster.host_maintenance) shuts down, by their operating system, before their host
        enters maintenance mode.
      - They are not moved from it either, and are not started again.
    type: dict
    suboptions: *with_names_7
  strict_selectors:
    description:
      - Whether a selector or a rule of the policy that matches nothing is an error. Otherwise it is a warning.
      - An exact name of a host that does not exist is always an error.
    type: bool
    default: false
  other_balancers:
    description:
      - What to do when another balancer, such as DRS or the one of Proxmox VE, also moves the guests of the cluster.
      - V(respect) plans nothing and reports the other balancer, except for O(goal=evacuate). V(ignore) plans anyway.
    type: str
    choices: [respect, ignore]
    default: respect
  priorities:
    description:
      - How important guests are. Among guests that are otherwise equal, those of lower priority are moved.
      - Guests that are not selected keep the priority of the snapshot, which is 2 when nothing else is known. The
        last entry that selects a guest applies.
    type: list
    elements: dict
    suboptions:
      guests:
        description: The guests.
        type: dict
        required: true
        suboptions: *with_names_7
      priority:
        description: A higher number is more important.
        type: int
        required: true
  maintenance_windows:
    description:
      - Weekly times in which hosts count as in maintenance, so that their guests leave and no guest moves to them.
      - The moment that counts is O(now).
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
        suboptions: *with_names_7
      days:
        description: Days on which the window starts. Every day when it is left out.
        type: list
        elements: str
        choices: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]
      start:
        description: Time of day at which the window starts, in quotes, such as V("22:00").
        type: str
        required: true
      hours:
        description: Duration in hours.
        type: float
        required: true
      lead_minutes:
        description: Minutes before the start at which guests begin to leave.
        type: float
        default: 0
      timezone:
        description: Time zone of the day and the time, such as V(Europe/Berlin).
        type: str
        default: UTC
  now:
    description: The moment that O(maintenance_windows), O(cool_down) and O(retry_after) refer to, in UTC, such
      as V(2026-01-31T22:00:00Z). Defaults to the moment of the snapshot.
    type: str
  choices:
    description:
      - Single migrations to leave out of the plan or to insist on. The plan is the best one that respects them,
        and RV(plan.proof) is about such plans only.
      - They take precedence over O(cool_down), O(retry_after) and O(sustained), but over no rule, no limit and
        no exclusion. A choice that cannot be respected is in RV(plan.unresolved) with the reason.
    type: dict
    suboptions:
      left_out:
        description: Migrations that are not planned.
        type: list
        elements: dict
        suboptions:
          guest:
            description: Name or ID of the guest.
            type: str
            required: true
          host:
            description: Name or ID of a host to which the guest is not migrated. The guest stays where it is when
              this is left out.
            type: str
      pinned:
        description: Guests that are to be on one host, whatever the goal is. Limits and rules of the cluster apply.
        type: list
        elements: dict
        suboptions:
          guest:
            description: Name or ID of the guest.
            type: str
            required: true
          host:
            description: Name or ID of the host where the guest is to be.
            type: str
            required: true
      disks_left_out:
        description: Moves of disks that are not planned.
        type: list
        elements: dict
        suboptions:
          guest:
            description: Name or ID of the guest.
            type: str
            required: true
          disks:
            description: IDs of disks of the guest. Defaults to all of its disks.
            type: list
            elements: str
          datastore:
            description: Name or ID of a datastore to which these disks are not moved. They stay where they are
              when this is left out.
            type: str
  seed:
    description: Seed of the random numbers. Another seed may find a different plan of the same quality.
    type: int
    default: 1
"""

    GUESTS = r"""
options:
  may_stay:
    description:
      - Guests that may stay on a host that is emptied or in maintenance mode.
      - They are not moved from it, and the host counts as empty with them. On other hosts they are balanced like
        other guests.
      - Agents of the platform, such as vCLS, may always stay and need not be selected.
    type: dict
    suboptions: &with_names_7
      names:
        description: Ids, names, or shell patterns of names, such as V(web*).
        type: list
        elements: str
      regex:
        description: Regular expression that must match a name from its start.
        type: str
      tags:
        description: Shell patterns of tags. Hosts have no tags.
        type: list
        elements: str
      pools:
        description: Names or shell patterns of pools.
        type: list
        elements: str
      labels:
        description: Labels with their values, all of which must be present. Guests have no labels.
        type: dict
      kinds:
        description: Kinds of guests. Hosts have no kind.
        type: list
        elements: str
        choices: [vm, container]
      where:
        description: JMESPath expression that is true for the guest or host, such as V(tags[?@ == 'prod'] && power
          == 'running'). It is evaluated with the fields that a snapshot has. Requires the Python library C(jmespath).
        type: str
  shut_down:
    description:
      - Guests that M(evenkeel.cluster.host_maintenance) shuts down, by their operating system, before their host
        enters maintenance mode.
      - They are not moved from it either, and are not started again.
    type: dict
    suboptions: *with_names_7
"""
