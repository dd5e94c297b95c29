#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_lease
short_description: Lease capacity from a pool, renew a lease, or give it back
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Gets room in one or several pools that M(evenkeel.cluster.capacity_pool) describes, so that nobody else gets the same room.
    However many ask at once, no pool is ever leased beyond its capacity.
  - The least utilised of the pools that have room is chosen, by the free part of its vCPUs plus the free part of its memory.
  - Where there is no room, O(wait) waits in a fair queue.
  - A lease is known by its O(name). Asked for again with the same options it is the same lease, and nothing changes.
  - A lease ends when it is given back, when its O(lifetime) is over, or when its owner is gone.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Nobody is waited for in check mode. The lease that is returned is the one that there would be now.
options:
  name:
    description: Name of the lease, which the caller chooses, such as the number of a build.
    type: str
    required: true
  state:
    description:
      - V(present) acquires the lease, or finds it.
      - V(renewed) lets a lease that there is last for its O(lifetime) from now on.
      - V(absent) gives it back, or withdraws from the queue.
    type: str
    choices: [present, renewed, absent]
    default: present
  vcpus:
    description: How many vCPUs are wanted of each pool.
    type: int
  memory:
    description: How much memory is wanted of each pool, in bytes or as V(96G), where a G is 1024³.
    type: str
  storage:
    description: How much storage is wanted of each pool, in bytes or as V(500G).
    type: str
  pools:
    description:
      - Number of pools. Defaults to the number of O(required_pools), or 1.
      - V(0) leases nothing of a pool. It is for a lease that only holds O(placements).
    type: int
  required_pools:
    description: Only these pools will do. Naming a pool is the only way to one that is described with C(exclude).
    type: list
    elements: str
  pool_selector:
    description: Only pools with all of these labels will do.
    type: dict
  tolerations:
    description:
      - Taints that the pools may have, such as V(workload=gpu). Just V(workload) tolerates every value, V(*) every taint.
    type: list
    elements: str
  min_servers:
    description: On how many servers the pools must be at least.
    type: int
  max_servers:
    description: On how many servers the pools may be at most.
    type: int
  networks:
    description: Number of networks in each pool.
    type: int
    default: 0
  network_type:
    description:
      - Type of the networks.
      - Where no V(multi-tenant) network is free, a single-tenant one takes its place.
    type: str
    choices: [single-tenant, disconnected, multi-tenant, nested-multi-tenant, public-ipv6]
    default: single-tenant
  group:
    description:
      - Leases of the same group share their networks, server by server. So do the pools of one lease.
      - A lease of networks alone, without vCPUs and memory, gets networks besides those of its group.
    type: str
  owner:
    description:
      - Whom the lease is for, such as a job. Where a lease has an owner, others can't get it by its name.
      - M(evenkeel.cluster.capacity_reap) ends the leases of owners that are gone.
    type: str
  owner_pid:
    description:
      - Id of a process on this machine, such as that of the job. When it has ended, so has the lease, however it ended.
      - That is noticed as soon as somebody needs the room. Check it with O(lifetime) where the process is elsewhere.
    type: int
  purpose:
    description: What the lease is for, for those who read it.
    type: str
  lifetime:
    description:
      - Seconds after which the lease ends unless it is renewed, counted from the moment when it is fulfilled.
      - Without a value this is 86400 with O(state=present), and the present lifetime of the lease with O(state=renewed).
    type: float
  priority:
    description:
      - Priority in the queue, from -100 to 100.
      - Every ten minutes of waiting count as one more, so that no request waits forever.
    type: int
    default: 0
  wait:
    description:
      - Seconds to wait where there is no room. Those who wait longest are served first, and no small request lives on what a
        large one before it waits for.
      - The place in the queue lapses two minutes after the last sign of life of this task, and at once on this machine.
    type: float
    default: 0
  poll_interval:
    description: Seconds between two looks while it waits, on average.
    type: float
    default: 1
  keep_place:
    description:
      - For how many seconds the place in the queue is kept when there was no room in time. Then this is no failure, the phase is
        C(Pending), and asking again in time goes on waiting at the same place.
    type: float
    default: 0
  resize:
    description:
      - Whether a lease that there is gets the O(vcpus), O(memory) and O(storage) that are asked for now, in the pools that it has.
      - Where they have no room, this fails and the lease goes on with what it has.
      - Without it, asking for another size than the lease has is an error.
    type: bool
    default: false
  placements:
    description:
      - Where the guests of the lease will be. Until it ends, whoever places guests sees them there.
      - All together must be within what is leased. They replace those that the lease held. Left out, those go on.
    type: list
    elements: dict
    suboptions:
      cluster:
        description: The cluster, as C(platform:id) of its snapshot, on vSphere C(platform:instance:id).
        type: str
        required: true
      guest:
        description: Name or id that the guest will have. Once a guest of that name or id is in the cluster, it holds nothing more.
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
  placements_seen:
    description:
      - By cluster, how often placements had been added to it when these were thought of, as
        RV(evenkeel.cluster.capacity_info#module:placements_seen) tells. A cluster that is not named had none.
      - When others were added since, this fails with C(HoldsChanged), and placing again finds what is still free.
      - Left out, it does not matter.
    type: dict
seealso:
  - module: evenkeel.cluster.capacity_pool
  - module: evenkeel.cluster.capacity_info
  - module: evenkeel.cluster.capacity_reap
"""

EXAMPLES = r"""
- name: Lease room for a build, and wait up to an hour for it
  evenkeel.cluster.capacity_lease:
    name: build-4711
    owner: https://ci.example.com/job/4711
    vcpus: 24
    memory: 96G
    storage: 500G
    networks: 1
    network_type: multi-tenant
    lifetime: 14400
    wait: 3600
  register: leased

- name: Use it
  ansible.builtin.command:
    cmd: ./install-cluster
  environment: "{{ leased.lease.env }}"
  changed_when: true

- name: Let it last longer
  evenkeel.cluster.capacity_lease:
    name: build-4711
    state: renewed

- name: Give it back
  evenkeel.cluster.capacity_lease:
    name: build-4711
    state: absent

- name: Three pools on at least two vCenters
  evenkeel.cluster.capacity_lease:
    name: build-4712
    pools: 3
    min_servers: 2
    vcpus: 8
    memory: 32G

- name: Ask again and again without giving up the place in the queue
  evenkeel.cluster.capacity_lease:
    name: build-4713
    vcpus: 24
    memory: 96G
    keep_place: 120
  register: asked
  until: asked.lease.phase == 'Fulfilled'
  retries: 60
  delay: 60

- name: Hold the room on a host that a guest will be created on
  evenkeel.cluster.capacity_lease:
    name: build-4714
    pools: 0
    placements:
      - {cluster: "proxmox:prod", guest: web01, host: pve3, cpu: 4, memory: 8G, disks: [{datastore: ceph, size: 100G}]}
"""

RETURN = r"""
lease:
  description: The lease. Null for one that was absent already and is not remembered.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: build-4711
    id:
      description: Another for each lease, although a name may come again.
      returned: success
      type: str
      sample: 5f0a1c3ed2b94f67
    phase:
      description: C(Pending), C(Fulfilled), C(Failed) or C(Released).
      returned: success
      type: str
      sample: Fulfilled
    reason:
      description: Why it is in this phase.
      returned: success
      type: str
      sample: leased from dal10
    end_cause:
      description:
        - Why the lease ended; null until then.
        - V(released) or V(withdrawn) from the queue, by a task. V(expired), at the end of its lifetime. V(owner gone). V(lapsed),
          when nobody waits in its place of the queue any more. V(unclaimed), when it was granted and nobody waits for it any
          more. V(unfulfilled), when it was not granted in time. V(impossible), when no pool can ever fulfil it.
      returned: success
      type: str
      sample: expired
    owner:
      description: Whom it is for, or null.
      returned: success
      type: str
      sample: https://ci.example.com/job/4711
    purpose:
      description: What it is for, or null.
      returned: success
      type: str
      sample: nightly tests
    group:
      description: With whom it shares networks, or null.
      returned: success
      type: str
      sample: nightly
    priority:
      description: Its priority.
      returned: success
      type: int
      sample: 0
    request:
      description: Everything that was asked for.
      returned: success
      type: dict
      sample: {"vcpus": 24, "memory": 103079215104, "storage": 536870912000, "pools": 1, "networks": 1, "lifetime": 14400.0}
    requested_at:
      description: When it was asked for.
      returned: success
      type: str
      sample: "2026-01-31T22:00:00Z"
    granted_at:
      description: When it was fulfilled, or null.
      returned: success
      type: str
      sample: "2026-01-31T22:01:10Z"
    until:
      description: When it ends unless it is renewed, or null.
      returned: success
      type: str
      sample: "2026-02-01T02:01:10Z"
    ended_at:
      description: When it ended, or null.
      returned: success
      type: str
      sample: null
    pools:
      description: What it has.
      returned: success
      type: list
      elements: dict
      contains:
        name:
          description: Name of the pool.
          returned: success
          type: str
          sample: dal10
        platform:
          description: What runs it, or null.
          returned: success
          type: str
          sample: vsphere
        server:
          description: What provisions it, or null.
          returned: success
          type: str
          sample: vcenter.example.com
        port:
          description: Port of the server, null where it is the usual one.
          returned: success
          type: int
          sample: null
        username:
          description: The user that jobs are to be, or null.
          returned: success
          type: str
          sample: ci@vsphere.local
        datacenter:
          description: The datacenter, or null.
          returned: success
          type: str
          sample: dal
        cluster:
          description: The cluster, or null.
          returned: success
          type: str
          sample: /dal/host/workload
        datastore:
          description: The datastore, or null.
          returned: success
          type: str
          sample: /dal/datastore/vsan
        resource_pool:
          description: The resource pool, or null.
          returned: success
          type: str
          sample: /dal/host/workload/Resources/ci
        folder:
          description: The folder, or null.
          returned: success
          type: str
          sample: /dal/vm/ci
        template:
          description: The template, or null.
          returned: success
          type: str
          sample: /dal/vm/debian-12
        region:
          description: The region, or null.
          returned: success
          type: str
          sample: us-east
        zone:
          description: The zone, or null.
          returned: success
          type: str
          sample: us-east-1
        networks:
          description: The networks that the lease has there.
          returned: success
          type: list
          elements: dict
          sample: [{"name": "ci-910-1", "type": "multi-tenant", "vlan": 910, "port_group": "ci-vlan-910-1"}]
        vcpus:
          description: How many vCPUs it has there.
          returned: success
          type: int
          sample: 24
        memory:
          description: How many bytes of memory it has there.
          returned: success
          type: int
          sample: 103079215104
        storage:
          description: How many bytes of storage it has there.
          returned: success
          type: int
          sample: 536870912000
        env:
          description: The environment variables for this pool.
          returned: success
          type: dict
          sample: {"GOVC_URL": "vcenter.example.com", "GOVC_DATACENTER": "dal", "GOVC_NETWORK": "ci-vlan-910-1"}
    placements:
      description: The room on hosts that it holds.
      returned: success
      type: list
      elements: dict
      contains:
        cluster:
          description: The cluster.
          returned: success
          type: str
          sample: proxmox:prod
        guest:
          description: Name or id that the guest will have.
          returned: success
          type: str
          sample: web01
        host:
          description: Id of the host.
          returned: success
          type: str
          sample: pve3
        cpu:
          description: How many cores it will have.
          returned: success
          type: float
          sample: 4
        memory:
          description: How many bytes of memory it will have.
          returned: success
          type: int
          sample: 8589934592
        disks:
          description: Its disks.
          returned: success
          type: list
          elements: dict
          sample: [{"datastore": "ceph", "size": 107374182400}]
        networks:
          description: Its networks.
          returned: success
          type: list
          elements: str
          sample: ["vmbr0"]
        tags:
          description: Its tags.
          returned: success
          type: list
          elements: str
          sample: ["ci"]
    env:
      description:
        - The environment variables that a job needs, by the names that the tools of the platform read. Those of the first pool,
          where there are several.
        - They hold no password.
      returned: success
      type: dict
      sample: {"EVENKEEL_LEASE": "build-4711", "GOVC_URL": "vcenter.example.com", "GOVC_DATASTORE": "/dal/datastore/vsan"}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_lease import (
    run_capacity_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import LeaseOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(LeaseOptions), supports_check_mode=True)
    hide_secrets(module, os.environ)
    run_module(module, run_capacity_lease)


if __name__ == "__main__":
    main()
