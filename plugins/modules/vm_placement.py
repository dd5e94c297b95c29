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
  - Says on which host and which datastores new VMs are to be created, one or a batch of them, and why not elsewhere.
  - Counts what is free within the limits of the policy, rules, quotas of guests, pools, dedicated hosts, networks, devices, and room
    that others were promised. Each VM that gets a place is counted before the next one does.
  - Where not all have a place the module fails, and says what would fit.
  - Every answer has been checked by an independent verifier before it is returned.
  - Reads no cluster, creates nothing and changes nothing. The same snapshot and options give the same answer.
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
  snapshots:
    description:
      - Several clusters, of which the best is chosen. All VMs go to the same one.
      - The best is the one where some of the VMs are already. Otherwise it is the one where most have a place, then the one that takes
        the fewest migrations, then with O(strategy=pack) the fullest one and else the emptiest.
    type: list
    elements: dict
  snapshot_paths:
    description: Files that hold the snapshots of several clusters, as O(snapshots).
    type: list
    elements: path
  vms:
    description:
      - The VMs that are wanted.
      - A VM whose name a guest of the cluster has already is reported with its host, and so is one that O(held) has a place for. So asking
        again when some of a batch were created completes the batch.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name that it will have. No two guests may have it.
        type: str
        required: true
      count:
        description:
          - Number of equal VMs.
          - Numbers take the place of C(#) in the name, V(web##) makes C(web01), or are added to it.
        type: int
        default: 1
      first:
        description: Number of the first VM.
        type: int
        default: 1
      cpu:
        description: How many cores it is given.
        type: float
        required: true
      memory:
        description: How much memory it is given, in bytes or as V(8G).
        type: str
        required: true
      used:
        description: Expected usage. CPU and memory default to what is assigned.
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
        description: Its disks. Those that ask for the same datastores lie together where they can.
        type: list
        elements: dict
        suboptions:
          size:
            description: Its size, in bytes or as V(100G).
            type: str
            required: true
          datastore:
            description: Id of the datastore, or a shell pattern of ids such as V(ssd-*). Defaults to any with enough free space.
            type: str
          class:
            description: Class of the datastore. See O(datastores[].class).
            type: str
          shared:
            description: Whether the datastore must be one of several hosts, or of one host only.
            type: bool
      networks:
        description: Ids of networks that the host must have.
        type: list
        elements: str
      devices:
        description: Devices for this VM alone, such as PCI cards. See O(hosts[].devices).
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
        description: Pool of the host. Defaults to any pool.
        type: str
      dedicated:
        description: Whether the VM needs a dedicated host. Otherwise it never gets one.
        type: bool
        default: false
      labels:
        description: Labels and their values that the host must have, all of them.
        type: dict
      hosts:
        description: The only hosts that will do, unless all will.
        type: dict
        suboptions: &hosts
          names:
            description: Ids, names or shell patterns of names, such as V(esx1*).
            type: list
            elements: str
          regex:
            description: Regular expression that a name matches from its start.
            type: str
          pools:
            description: Names or shell patterns of pools.
            type: list
            elements: str
          labels:
            description: Labels and their values, all of which must be there.
            type: dict
      cpu_models:
        description: CPU models that it can run on. A host whose model is not known will do.
        type: list
        elements: str
      min_version:
        description: Least version of the hypervisor. A host whose version is not known will do.
        type: str
      tags:
        description: Tags that it will have. Those that are rules, such as V(evenkeel-anti-affinity-web), count.
        type: list
        elements: str
      affinity:
        description: >-
          Guests that it must share a host with, by id, name or shell pattern of names. Those of this request count too, and a count of
          more than one is kept together.
        type: list
        elements: str
      anti_affinity:
        description: Guests that it must not share a host with, by id, name or shell pattern of names. Those of this request count too.
        type: list
        elements: str
      even_spread:
        description: >-
          Guests that it is to be spread evenly with, by id, name or shell pattern of names, over all hosts that could have it. Those of
          this request count too. That works for more guests than hosts.
        type: list
        elements: str
      max_skew:
        description: Maximum difference between the numbers of guests on two hosts, where they are spread evenly.
        type: int
        default: 1
      name_prefix:
        description:
          - What to do about guests whose names are alike but for trailing digits, those of this request among them.
          - V(anti_affinity) keeps the VM apart from them, V(even_spread) spreads them evenly.
          - VMs of this request with V(ignore) may be beside each other, and beside guests that are there; not beside one with V(anti_affinity).
        type: str
        default: ignore
        choices: [ignore, anti_affinity, even_spread]
  strategy:
    description:
      - V(spread) takes the host that leaves the cluster most level, in all metrics of O(policy) together.
      - V(least_loaded) takes the host whose fullest metric is lowest with the VM there.
      - V(pack) takes the fullest host that has room.
    type: str
    default: spread
    choices: [spread, pack, least_loaded]
  spare:
    description:
      - So many hosts may fail, whichever they are, and the others have free as much as their guests take. Reckoned in sums, for
        dedicated hosts and others apart.
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
    description: Number of next best hosts to report for each VM.
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
        Limits, reserves, exclusions, rules, maintenance windows, metrics and weights, as M(evenkeel.cluster.balance_plan) has them as
        options, such as V({limits: {memory: 85, cpu_overcommit: 4}}).
      - A goal has no effect, except that hosts that are to be emptied take nothing.
      - C(max_migrations) is the most that make room. C(exclude.targets) are hosts that take nothing.
    type: dict
  hosts:
    description: What the platform does not say of some hosts. Of several entries that mean a host the last one counts.
    type: list
    elements: dict
    suboptions:
      hosts:
        description: The hosts.
        type: dict
        required: true
        suboptions: *hosts
      pool:
        description: The pool that they are in.
        type: str
      dedicated:
        description: Whether they are for VMs that ask for dedicated hosts only.
        type: bool
      labels:
        description: Labels that they have besides.
        type: dict
      max_guests:
        description: Most running guests on each.
        type: int
      devices:
        description: >-
          By kind, how many devices that no guest has each of them can hand out, such as V({nvidia-a100: 2}).
        type: dict
  datastores:
    description: What the platform does not say of some datastores.
    type: list
    elements: dict
    suboptions:
      datastores:
        description: Ids of datastores, or shell patterns of ids.
        type: list
        elements: str
        required: true
      class:
        description: The class that they are of, such as V(gold).
        type: str
      closed:
        description: Whether no disks of new VMs go there.
        type: bool
        default: false
  held:
    description:
      - Room that others were promised, as M(evenkeel.cluster.capacity_info) returns it in C(placements).
      - What is held in another cluster, or for a guest that exists meanwhile, does not count.
    type: list
    elements: dict
    suboptions:
      lease:
        description: Name of the lease, which makes no difference here.
        type: str
      cluster:
        description: The cluster, as C(platform:id) of its snapshot, on vSphere C(platform:instance:id).
        type: str
        required: true
      guest:
        description: Name or id that the guest will have.
        type: str
        required: true
      host:
        description: Id of the host.
        type: str
        required: true
      cpu:
        description: How many cores it will have.
        type: float
        required: true
      memory:
        description: How much memory it will have, in bytes or as V(8G).
        type: str
        required: true
      disks:
        description: Its disks.
        type: list
        elements: dict
        suboptions:
          datastore:
            description: Id of the datastore.
            type: str
            required: true
          size:
            description: Its size, in bytes or as V(100G).
            type: str
            required: true
      networks:
        description: Its networks.
        type: list
        elements: str
      tags:
        description: Its tags.
        type: list
        elements: str
  placement_path:
    description:
      - File to write the answer to. Then RV(placement) is not returned.
      - It is written in check mode, and where the module fails, too.
    type: path
  plan_path:
    description: File to write the plan to that makes room, where there is one.
    type: path
seealso:
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.vm_migrate
  - module: evenkeel.cluster.capacity_info
  - module: evenkeel.cluster.capacity_lease
"""

EXAMPLES = r"""
- name: Where does a VM go
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

- name: Show it
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

- name: A graphics card on a dedicated host; the platform does not say which hosts these are
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    hosts:
      - {hosts: {names: ["gpu*"]}, dedicated: true, devices: {nvidia-a100: 4}}
    vms:
      - {name: train, cpu: 32, memory: 256G, dedicated: true, devices: [{kind: nvidia-a100, count: 2}]}

- name: Make room where there is none
  evenkeel.cluster.vm_placement:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    vms: [{name: erp, cpu: 16, memory: 128G}]
    make_room: true
    plan_path: /var/lib/evenkeel/erp.plan.json
  register: place

- name: Migrate what is in the way
  when: place.summary.migrations > 0
  evenkeel.cluster.vm_migrate:
    platform: proxmox
    plan_path: /var/lib/evenkeel/erp.plan.json

- name: The best of two clusters, in which leases hold room already
  evenkeel.cluster.vm_placement:
    snapshot_paths: [/var/lib/evenkeel/east.json, /var/lib/evenkeel/west.json]
    held: "{{ capacity.placements }}"
    vms: [{name: "ci-{{ build }}", cpu: 8, memory: 32G, pool: ci}]
  register: place
"""

RETURN = r"""
vms:
  description: Each VM with its place, in short, in the order of the request.
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
      description: V(new), V(held) when room is held for it already, or V(present) when it is there already.
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
      description: Address of the host, where it is known.
      returned: always
      type: str
      sample: 10.0.0.13
    datastore:
      description: Datastore of its first disk. Null where it has none.
      returned: always
      type: str
      sample: ssd-2
    datastores:
      description: Datastores of its disks, in their order.
      returned: always
      type: list
      elements: str
      sample: [ssd-2]
    cpu:
      description: Cores that it is given.
      returned: always
      type: float
      sample: 8
    memory:
      description: Bytes of memory that it is given.
      returned: always
      type: int
      sample: 68719476736
    disks:
      description: Its disks with their datastores, in the order of the request.
      returned: always
      type: list
      elements: dict
      sample: [{"datastore": "ssd-2", "size": 536870912000}]
    networks:
      description: Its networks.
      returned: always
      type: list
      elements: str
      sample: [vmbr0]
    tags:
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
      description: V(placed) when all VMs have a place, V(partial) when some have, V(impossible) when none gets one.
      returned: always
      type: str
      sample: placed
    cluster:
      description: Id and name of the cluster.
      returned: always
      type: dict
      sample: {"id": "production", "name": "production"}
    snapshot:
      description: Position of its snapshot among those that were given, from 0 on.
      returned: always
      type: int
      sample: 0
    placed:
      description: How many VMs have a place.
      returned: always
      type: int
      sample: 1
    unplaced:
      description: How many have none.
      returned: always
      type: int
      sample: 0
    migrations:
      description: How many migrations make room.
      returned: always
      type: int
      sample: 0
    spread_before:
      description: Points between the fullest and the emptiest host, for each metric.
      returned: always
      type: dict
      sample: {"cpu": 12.1, "memory": 20.4}
    spread_after:
      description: The same with the VMs there.
      returned: always
      type: dict
      sample: {"cpu": 11.0, "memory": 18.2}
report:
  description: The answer in lines, and where something has no place what would fit.
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
    cluster:
      description: Id and name of the cluster.
      returned: always
      type: dict
      sample: {"id": "production", "name": "production"}
    platform:
      description: What runs the cluster.
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
          description: Position of the entry of O(vms) that asked for it, from 0 on.
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
        cpu:
          description: Cores that it is given.
          returned: always
          type: float
          sample: 8
        memory:
          description: Bytes of memory that it is given.
          returned: always
          type: int
          sample: 68719476736
        disks:
          description: Its disks with their datastores, in the order of the request.
          returned: always
          type: list
          elements: dict
          sample: [{"datastore": "ssd-2", "size": 536870912000}]
        networks:
          description: Its networks.
          returned: always
          type: list
          elements: str
          sample: [vmbr0]
        tags:
          description: Its tags.
          returned: always
          type: list
          elements: str
          sample: []
        score:
          description:
            - What the place costs, in points. The lower the better.
            - With O(strategy=spread) the standard deviation of the hosts from level, summed over the metrics. With
              O(strategy=least_loaded) the percentage of the host's fullest metric, with O(strategy=pack) the percentage that stays free
              on average.
          returned: always
          type: float
          sample: 12.412
        runners_up:
          description: The next best hosts with their score.
          returned: always
          type: list
          elements: dict
          sample: [{"host": {"id": "pve1", "name": "pve1", "address": "10.0.0.11"}, "score": 12.904}]
        search:
          description: >-
            How many hosts there are and how many fit, the others counted by reason in C(refused), the same in a sentence in C(says), and
            with O(explain) each of them with its reason in C(refusals).
          returned: always
          type: dict
          sample: {"hosts": 12, "fit": 5, "refused": {"memory": 4, "pool": 3}, "says": "5 of 12 hosts fit: 4 memory, 3 pool", "refusals": []}
    unplaced:
      description: Each VM without a place, with the C(search) as above and in C(largest) what would fit.
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
          description: Position of the entry of O(vms) that asked for it, from 0 on.
          returned: always
          type: int
          sample: 0
        search:
          description: As for those that have a place.
          returned: always
          type: dict
          sample: {"hosts": 12, "fit": 0, "refused": {"memory": 9, "pool": 3}, "says": "0 of 12 hosts fit: 9 memory, 3 pool", "refusals": []}
        largest:
          description: Most memory with the cores that it asks for, most cores with the memory that it asks for, and on which hosts.
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
      description: All clusters that were looked at and what they have to offer, the chosen one first.
      returned: always
      type: list
      elements: dict
      sample: [{"cluster": {"id": "production", "name": "production"}, "placed": 1, "wanted": 1, "migrations": 0, "load": 61.2}]
    plan:
      description: The migrations that make room, as M(evenkeel.cluster.vm_migrate) takes them. Null where none are needed.
      returned: always
      type: dict
      sample: {"schema": "evenkeel.cluster/plan/1", "migrations": []}
    promises:
      description: The new places, as C(placements) of M(evenkeel.cluster.capacity_lease) takes them, so that a lease holds them.
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
      description: What could not be made sense of and was left out, such as a metric that no host reports.
      returned: when there is anything
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
