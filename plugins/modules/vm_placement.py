#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_placement
short_description: Find the best hosts and datastores for new VMs
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns the host and the datastores on which each of one or several new VMs is to be created, and why the other hosts do not fit.
  - Considers the limits of the policy, rules, quotas of guests, pools, dedicated hosts, networks, devices, and capacity that leases
    reserve. Each VM that has a place counts for the next one.
  - When a VM has no place, the module fails and reports the largest VM that would fit.
  - An independent verifier checks every answer before it is returned.
  - Reads no cluster, creates nothing and changes nothing. The same snapshot and options give the same answer.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.capacity.held
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
  snapshots:
    description:
      - Snapshots of several clusters, of which the best is chosen. All VMs go to the same cluster.
      - The best cluster is the one that has some of the VMs already. Otherwise it is the one where most VMs have a place, then the one
        with the fewest migrations, then the fullest with O(strategy=pack) and the emptiest with the other strategies.
    type: list
    elements: dict
  snapshot_paths:
    description: Files that hold the snapshots of several clusters, as O(snapshots).
    type: list
    elements: path
  vms:
    description:
      - The VMs to place.
      - A VM that exists already, by its name, is reported with its host, and so is a VM that has a place in O(held). When only
        some VMs of a batch were created, the same request completes the batch.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the VM. It must be unique in the cluster.
        type: str
        required: true
      count:
        description:
          - Number of equal VMs.
          - The number of each VM replaces the C(#) in the name, so that V(web##) becomes C(web01). Without C(#) it is appended.
        type: int
        default: 1
      first:
        description: Number of the first VM.
        type: int
        default: 1
      cpu:
        description: Number of assigned cores.
        type: float
        required: true
      memory:
        description: Assigned memory, such as V(8G) or V(8192M). A number without a unit counts bytes, not MiB as in Proxmox VE.
        type: str
        required: true
      used:
        description: Expected usage. Without a value, all of the assigned CPU and memory counts as used.
        type: dict
        suboptions:
          cpu:
            description: Cores.
            type: float
          memory:
            description: In bytes or as V(8G).
            type: str
          disk_io:
            description: Bytes per second.
            type: float
          network_io:
            description: Bytes per second.
            type: float
      disks:
        description: Disks of the VM. Disks with the same requirements get the same datastore if it has enough free space.
        type: list
        elements: dict
        suboptions:
          size:
            description: Size of the disk, in bytes or as V(100G).
            type: str
            required: true
          datastore:
            description: Id of the datastore, or a shell pattern of ids such as V(ssd-*). Without a value any datastore with enough free space can be chosen.
            type: str
          class:
            description: Class of the datastore. See O(datastores[].class).
            type: str
          shared:
            description: V(true) requires a datastore that several hosts share, V(false) one that only a single host has.
            type: bool
          storage_policy:
            description:
              - Name of a storage policy of vSphere with which the datastore must comply.
              - At least one disk of the cluster must have the policy.
              - Snapshots contain storage policies if they were read with O(evenkeel.cluster.cluster_facts#module:storage=true).
              - Nothing is assigned. Whoever creates the VM has to create the disk with the policy.
            type: str
            version_added: 1.5.0
      networks:
        description: Ids of networks that the host must have.
        type: list
        elements: str
      devices:
        description: Devices for the exclusive use of the VM, such as PCI cards. See O(hosts[].devices).
        type: list
        elements: dict
        suboptions:
          kind:
            description: Kind of device, or a shell pattern of kinds such as V(nvidia-*).
            type: str
            required: true
          count:
            description: Number of devices.
            type: int
            default: 1
      pool:
        description: Pool of the host. Without a value the host may be in any pool.
        type: str
      dedicated:
        description: Whether the VM needs a dedicated host. Otherwise it never gets one.
        type: bool
        default: false
      labels:
        description: Labels with their values, all of which the host must have.
        type: dict
      hosts:
        description: Hosts that the VM may be placed on. Without a value all hosts are allowed.
        type: dict
        suboptions: &hosts
          names:
            description: Ids, names, or shell patterns of names, such as V(esx1*).
            type: list
            elements: str
          regex:
            description: Regular expression that must match a name from its start.
            type: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels with their values, all of which must be present.
            type: dict
          where:
            description: >-
              JMESPath expression that is true for the host, such as V(pool == 'gold' && status == 'online'). It is evaluated with
              the fields that a snapshot has. Requires the Python library C(jmespath).
            type: str
            version_added: 1.1.0
      cpu_models:
        description: CPU models that the VM can run on. A host whose model is unknown is allowed.
        type: list
        elements: str
      min_version:
        description: Minimum version of the hypervisor. A host whose version is unknown is allowed.
        type: str
      tags:
        description: Tags of the VM. Tags that define rules, such as V(evenkeel-anti-affinity-web), are respected.
        type: list
        elements: str
      affinity:
        description: >-
          Guests that the VM must share a host with, by id, name or shell pattern of names, guests of this request included. With a
          C(count) above 1 the VMs of this entry share a host, too.
        type: list
        elements: str
      anti_affinity:
        description: Guests that the VM must not share a host with, by id, name or shell pattern of names, guests of this request included.
        type: list
        elements: str
      even_spread:
        description: >-
          Guests that are spread evenly together with the VM over all hosts that it may run on, by id, name or shell pattern of names,
          guests of this request included. There may be more guests than hosts.
        type: list
        elements: str
      max_skew:
        description: Maximum difference between the numbers of guests on two hosts, for O(vms[].even_spread).
        type: int
        default: 1
      name_prefix:
        description:
          - Rule for guests whose names differ only in trailing digits, guests of this request included.
          - V(anti_affinity) keeps the VM apart from them, V(even_spread) spreads them evenly, V(ignore) adds no rule.
          - A VM with V(ignore) is still kept apart from a VM of this request with V(anti_affinity).
        type: str
        default: ignore
        choices: [ignore, anti_affinity, even_spread]
  strategy:
    description:
      - V(spread) selects the host that leaves the cluster best balanced, in all metrics of O(policy) together.
      - V(least_loaded) selects the host whose most utilised metric is lowest with the VM on it.
      - V(pack) selects the fullest host that can take the VM.
    type: str
    default: spread
    choices: [spread, pack, least_loaded]
  spare:
    description:
      - Number of host failures to reserve capacity for. Whichever hosts fail, the others have as much free as the guests of the failed
        hosts use. It is calculated in totals, separately for dedicated and other hosts.
    type: int
    default: 0
  make_room:
    description:
      - Whether existing guests may be migrated when the VMs have no place otherwise. The plan has as few migrations as can be found.
      - Run RV(placement.plan) with M(evenkeel.cluster.vm_migrate) before the VMs are created.
    type: bool
    default: false
  all_or_nothing:
    description: Whether no VM gets a place unless all VMs have one. With V(false) those that have a place get it.
    type: bool
    default: true
  runners_up:
    description: Number of runner-up hosts to report for each VM.
    type: int
    default: 3
  explain:
    description:
      - Whether every host that does not fit is reported with its reason, in addition to the counts by reason.
      - Without a value this is V(true) for a single VM and V(false) for several, for the report of hundreds of VMs is long.
    type: bool
  policy:
    description:
      - >-
        Limits, reserves, exclusions, rules, maintenance windows, metrics and weights, as the options of
        M(evenkeel.cluster.balance_plan), such as V({limits: {memory: 85, cpu_overcommit: 4}}).
      - A goal has no effect, except that hosts to be emptied receive no VMs, and that C(storage) has its defaults with V(storage).
      - C(max_migrations) limits the migrations of O(make_room). C(exclude.targets) are hosts that receive no VMs.
      - With C(storage), new disks stay within C(utilisation) and C(reserve) of each datastore, come to none that is above C(latency),
        evacuated or excluded, and keep the rules and C(placement) for datastores. C(preset=sdrs) sets C(storage).
    type: dict
  hosts:
    description: Facts about hosts that the platform does not report. When several entries match a host, the last one applies.
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
        suboptions: *hosts
      pool:
        description: Pool of the hosts.
        type: str
      dedicated:
        description: Whether the hosts are reserved for VMs with O(vms[].dedicated).
        type: bool
      labels:
        description: Additional labels of the hosts.
        type: dict
      max_guests:
        description: Maximum number of running guests on each host.
        type: int
      devices:
        description: >-
          Number of unassigned devices on each host, by kind, such as V({nvidia-a100: 2}).
        type: dict
  datastores:
    description: Facts about datastores that the platform does not report.
    type: list
    elements: dict
    suboptions:
      datastores:
        description: Ids of datastores, or shell patterns of ids.
        type: list
        elements: str
        required: true
      class:
        description: Class of the datastores, such as V(gold).
        type: str
      closed:
        description: Whether the datastores receive no disks of new VMs.
        type: bool
        default: false
  placement_path:
    description:
      - File to write the answer to. RV(placement) is not returned then.
      - The file is also written when the module fails. In check mode it is not written, and the answer is returned instead.
    type: path
  plan_path:
    description: File to write the plan of O(make_room) to, when there is one.
    type: path
seealso:
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.vm_migrate
  - module: evenkeel.cluster.capacity_info
  - module: evenkeel.cluster.capacity_lease
"""

EXAMPLES = r"""
- name: Place a VM
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    vms:
      - name: db07
        cpu: 8
        memory: 64G
        disks: [{size: 500G, datastore: ssd-*}]
        networks: [vmbr0]
        name_prefix: anti_affinity
  register: place

- name: Show its host and datastore
  ansible.builtin.debug:
    msg: "{{ place.vms[0].host }} and {{ place.vms[0].datastore }}, since {{ place.placement.placements[0].search.says }}"

- name: Four web servers, evenly spread, and the cache that must be with the first of them
  evenkeel.cluster.vm_placement:
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    vms:
      - {name: "web##", count: 4, cpu: 4, memory: 8G, even_spread: ["web*"]}
      - {name: cache, cpu: 2, memory: 16G, affinity: [web01]}
    policy:
      limits: {memory: 85, cpu_overcommit: 4}
    spare: 1

- name: A database with its disks on different datastores that stay below 80 %
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    vms:
      - {name: db3, cpu: 8, memory: 64G, disks: [{size: 200G}, {size: 50G}]}
    policy:
      storage:
        utilisation: 80
        rules:
          - {by: disks, guests: {names: ["db*"]}}
          - {by: name_prefix}

- name: A graphics card on a dedicated host; the platform does not say which hosts these are
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    hosts:
      - {hosts: {names: ["gpu*"]}, dedicated: true, devices: {nvidia-a100: 4}}
    vms:
      - {name: train, cpu: 32, memory: 256G, dedicated: true, devices: [{kind: nvidia-a100, count: 2}]}

- name: Migrate other guests to make room
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    vms: [{name: erp, cpu: 16, memory: 128G}]
    make_room: true
    plan_path: /var/lib/evenkeel/erp.plan.json
  register: place

- name: Run the migrations
  when: place.summary.migrations > 0
  evenkeel.cluster.vm_migrate:
    platform: proxmox
    plan_path: /var/lib/evenkeel/erp.plan.json

- name: The best of two clusters in which leases reserve capacity
  evenkeel.cluster.vm_placement:
    snapshot_paths: [/var/lib/evenkeel/east.json, /var/lib/evenkeel/west.json]
    held: "{{ capacity.placements }}"
    vms: [{name: "ci-{{ build }}", cpu: 8, memory: 32G, pool: ci}]
  register: place
"""

RETURN = r"""
vms:
  description: Summary of each VM and its place, in the order of the request.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: db07
    state:
      description: V(new), V(held) when O(held) has a place for the VM, or V(present) when the VM exists already.
      returned: always
      type: str
      sample: new
    cluster:
      description: Name of the cluster.
      returned: always
      type: str
      sample: production
    host:
      description: Name of the host.
      returned: always
      type: str
      sample: pve3
    host_id:
      description: Id of the host.
      returned: always
      type: str
      sample: pve3
    address:
      description: Address of the host, if known.
      returned: always
      type: str
      sample: 10.0.0.13
    datastore:
      description: Datastore of the first disk. Null when the VM has no disk.
      returned: always
      type: str
      sample: ssd-2
    datastores:
      description: Datastores of its disks, in their order.
      returned: always
      type: list
      elements: str
      sample: [ssd-2]
    cpu: &cpu
      description: Number of assigned cores.
      returned: always
      type: float
      sample: 8
    memory: &memory
      description: Assigned memory in bytes.
      returned: always
      type: int
      sample: 68719476736
    disks: &disks
      description: Its disks with their datastores, in the order of the request, and their storage policies where they were requested.
      returned: always
      type: list
      elements: dict
      sample: [{"datastore": "ssd-2", "size": 536870912000}]
    networks: &networks
      description: Its networks.
      returned: always
      type: list
      elements: str
      sample: [vmbr0]
    tags: &tags
      description: Its tags.
      returned: always
      type: list
      elements: str
      sample: []
summary:
  description: The answer in a few numbers.
  returned: always
  type: dict
  contains:
    status:
      description: V(placed) when all VMs have a place, V(partial) when some have, V(impossible) when none has.
      returned: always
      type: str
      sample: placed
    cluster: &cluster
      description: Id and name of the cluster.
      returned: always
      type: dict
      sample: {"id": "production", "name": "production"}
    snapshot:
      description: Index of the chosen snapshot in O(snapshots) or O(snapshot_paths), from 0.
      returned: always
      type: int
      sample: 0
    placed:
      description: Number of VMs with a place.
      returned: always
      type: int
      sample: 1
    unplaced:
      description: Number of VMs without a place.
      returned: always
      type: int
      sample: 0
    migrations:
      description: Number of migrations that make room.
      returned: always
      type: int
      sample: 0
    spread_before:
      description: Points between the fullest and the emptiest host, for each metric.
      returned: always
      type: dict
      sample: {"cpu": 12.1, "memory": 20.4}
    spread_after:
      description: The same with the VMs in place.
      returned: always
      type: dict
      sample: {"cpu": 11.0, "memory": 18.2}
report:
  description: The answer in lines, with the largest VM that would fit when a VM has no place.
  returned: always
  type: list
  elements: str
  sample: ["db07 → pve3 on ssd-2"]
plan:
  description: The migrations that make room, as M(evenkeel.cluster.vm_migrate) takes them. Its JSON Schema is in C(docs/schemas/plan.json).
  returned: when there are any and O(plan_path) is not given
  type: dict
  sample: {"schema": "evenkeel.cluster/plan/1", "migrations": []}
error:
  description: V(NoRoom) when not all VMs have a place.
  returned: failure
  type: str
  sample: NoRoom
placement:
  description: The answer. Its JSON Schema is in C(docs/schemas/placement.json) of the collection.
  returned: when O(placement_path) is not given
  type: dict
  contains:
    schema:
      description: Name and version of this shape.
      returned: always
      type: str
      sample: evenkeel.cluster/placement/1
    status:
      description: As in the summary.
      returned: always
      type: str
      sample: placed
    cluster: *cluster
    platform:
      description: Platform of the cluster.
      returned: always
      type: str
      sample: proxmox
    taken_at:
      description: When the snapshot was taken.
      returned: always
      type: str
      sample: "2026-01-31T22:00:00Z"
    placements:
      description: Each VM with its place, in the order of the request.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          returned: always
          type: str
          sample: db07
        request:
          description: Index of its entry in O(vms), from 0.
          returned: always
          type: int
          sample: 0
        state:
          description: V(new), V(held) or V(present).
          returned: always
          type: str
          sample: new
        host:
          description: Id, name and address of the host.
          returned: always
          type: dict
          sample: {"id": "pve3", "name": "pve3", "address": "10.0.0.13"}
        cpu: *cpu
        memory: *memory
        disks: *disks
        networks: *networks
        tags: *tags
        score:
          description:
            - Cost of the place in points. The lowest is chosen.
            - With O(strategy=spread) the standard deviation of the hosts from level, summed over the metrics. With
              O(strategy=least_loaded) the percentage of the host's fullest metric, with O(strategy=pack) the percentage that stays free
              on average.
          returned: always
          type: float
          sample: 12.412
        runners_up:
          description: The runner-up hosts with their scores.
          returned: always
          type: list
          elements: dict
          sample: [{"host": {"id": "pve1", "name": "pve1", "address": "10.0.0.11"}, "score": 12.904}]
        search:
          description: >-
            Number of hosts and of those that fit. C(refused) counts the others by reason, C(says) is the same in a sentence, and with
            O(explain) C(refusals) has each of them with its reason.
          returned: always
          type: dict
          sample: {"hosts": 12, "fit": 5, "refused": {"memory": 4, "pool": 3}, "says": "5 of 12 hosts fit: 4 memory, 3 pool", "refusals": []}
    unplaced:
      description: Each VM without a place, with its C(search) as above and the C(largest) VM that would fit.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          returned: always
          type: str
          sample: db08
        request:
          description: Index of its entry in O(vms), from 0.
          returned: always
          type: int
          sample: 0
        search:
          description: As for VMs with a place.
          returned: always
          type: dict
          sample: {"hosts": 12, "fit": 0, "refused": {"memory": 9, "pool": 3}, "says": "0 of 12 hosts fit: 9 memory, 3 pool", "refusals": []}
        largest:
          description: Most memory with the requested cores, most cores with the requested memory, and the hosts that have them.
          returned: always
          type: dict
          sample: {"memory": 34359738368, "memory_host": "pve3", "cpu": null, "cpu_host": null}
    spread_before:
      description: As in the summary.
      returned: always
      type: dict
      sample: {"cpu": 12.1, "memory": 20.4}
    spread_after:
      description: As in the summary.
      returned: always
      type: dict
      sample: {"cpu": 11.0, "memory": 18.2}
    clusters:
      description: All clusters with the result of placing the VMs there, the chosen one first.
      returned: always
      type: list
      elements: dict
      sample: [{"cluster": {"id": "production", "name": "production"}, "placed": 1, "wanted": 1, "migrations": 0, "load": 61.2}]
    plan:
      description: The migrations that make room, as M(evenkeel.cluster.vm_migrate) takes them. Null when none are needed.
      returned: always
      type: dict
      sample: {"schema": "evenkeel.cluster/plan/1", "migrations": []}
    promises:
      description: The new places, in the form of C(placements) of M(evenkeel.cluster.capacity_lease), which reserves them.
      returned: always
      type: list
      elements: dict
      sample: [{"cluster": "proxmox:production", "guest": "db07", "host": "pve3", "cpu": 8, "memory": 68719476736}]
    says:
      description: As RV(report).
      returned: always
      type: list
      elements: str
      sample: ["db07 → pve3 on ssd-2"]
    notes:
      description: Parts of the request that had no effect, such as a metric that no host reports.
      returned: when there are any
      type: list
      elements: str
      sample: ["metric disk_io: no host reports it, so it can't be levelled"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_placement import (
    run_vm_placement,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.placement import (
    PlacementOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module

SNAPSHOTS = ("snapshot", "snapshot_path", "snapshots", "snapshot_paths")


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(PlacementOptions),
        mutually_exclusive=[SNAPSHOTS],
        required_one_of=[SNAPSHOTS],
        supports_check_mode=True,
    )
    run_module(module, run_vm_placement)


if __name__ == "__main__":
    main()
