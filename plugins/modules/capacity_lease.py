#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_lease
short_description: Lease capacity from a pool, renew a lease, or release it
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Leases capacity of one or several pools that M(evenkeel.cluster.capacity_pool) describes. Leased capacity is exclusive.
    However many requests come at once, no pool is ever leased beyond its capacity.
  - Of the pools with enough free capacity the least utilised is chosen, by the free share of its vCPUs plus the free share of its memory.
  - When no pool has enough free capacity, the request waits in a fair queue for up to O(wait) seconds.
  - A lease is identified by its O(name). The same name with the same options returns the same lease and changes nothing.
  - A lease ends when it is released, when its O(lifetime) is over, or when its owner is gone.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.group
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
  - evenkeel.cluster.capacity.placements
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Check mode does not wait. It returns the lease that the module would acquire now.
options:
  name:
    description: Name of the lease, chosen by the caller, such as the number of a build.
    type: str
    required: true
  state:
    description:
      - V(present) acquires the lease, or returns the existing one.
      - V(renewed) restarts the O(lifetime) of an existing lease.
      - V(absent) releases the lease, or withdraws it from the queue.
    type: str
    choices: [present, renewed, absent]
    default: present
  vcpus:
    description: Number of vCPUs to lease from each pool.
    type: int
  memory:
    description: Memory to lease from each pool, such as V(96G), where a G is 1024³. A number without a unit counts bytes.
    type: str
  storage:
    description: Storage to lease from each pool, such as V(500G).
    type: str
  pools:
    description:
      - Number of pools. Without a value it is the number of O(required_pools), or 1 without O(required_pools).
      - V(0) leases nothing from a pool, for a lease that only reserves O(placements).
    type: int
  required_pools:
    description: Only these pools are considered. A pool with C(exclude) is only considered when it is named here.
    type: list
    elements: str
  pool_selector:
    description: Only pools with all of these labels are considered.
    type: dict
  tolerations:
    description:
      - Taints of pools to tolerate, such as V(workload=gpu). V(workload) tolerates every value of that taint, V(*) every taint.
    type: list
    elements: str
  min_servers:
    description: Minimum number of servers that the pools are on.
    type: int
  max_servers:
    description: Maximum number of servers that the pools are on.
    type: int
  networks:
    description: Number of networks in each pool.
    type: int
    default: 0
  network_type:
    description:
      - Type of the networks.
      - When no V(multi-tenant) network is free, a single-tenant network is leased instead.
    type: str
    choices: [single-tenant, disconnected, multi-tenant, nested-multi-tenant, public-ipv6]
    default: single-tenant
  group:
    description:
      - Leases of the same group share their networks, server by server. The pools of one lease do so, too.
      - A lease of networks only, without vCPUs and memory, gets networks in addition to those of its group.
    type: str
  owner:
    description:
      - Owner of the lease, such as a job. A task with another owner is refused when it names this lease.
      - M(evenkeel.cluster.capacity_reap) ends the leases of owners that are gone.
    type: str
  owner_pid:
    description:
      - Id of a process on this machine, such as that of the job. The lease ends when the process has ended, for whatever reason.
      - This is detected as soon as another request needs the capacity. Use O(lifetime) for a process on another machine.
    type: int
  purpose:
    description: Purpose of the lease, as a comment.
    type: str
  lifetime:
    description:
      - Time after which the lease ends unless it is renewed, in seconds or as V(4h) or V(2d), counted from the moment when it is fulfilled.
      - Without a value this is one day with O(state=present), and the present lifetime of the lease with O(state=renewed).
    type: str
  priority:
    description:
      - Priority in the queue, from -100 to 100.
      - It rises by one for every ten minutes of waiting, so that no request waits forever.
    type: int
    default: 0
  wait:
    description:
      - Maximum time to wait for free capacity, in seconds or as V(30m). The request that waits longest is served first, and no smaller request
        takes the capacity that a larger one before it waits for.
      - When this task is killed, its place in the queue lapses after two minutes, on the same machine at once.
    type: str
    default: "0"
  poll_interval:
    description: Average number of seconds between two checks of the queue while the request waits.
    type: float
    default: 1
  keep_place:
    description:
      - Time to keep the place in the queue when O(wait) is over, in seconds or as V(10m). The task does not fail then and returns the phase
        C(Pending). The same task within this time continues to wait at the same place.
    type: str
    default: "0"
  resize:
    description:
      - Whether an existing lease is changed to other O(vcpus), O(memory) and O(storage), in the pools that it has.
      - When the pools have not enough free capacity, the task fails and the lease stays as it is.
      - With V(false) another size than that of the existing lease is an error.
    type: bool
    default: false
  placements_seen:
    description:
      - Counters of RV(evenkeel.cluster.capacity_info#module:placements_seen), by cluster, that O(placements) is based on. A cluster that
        is left out has the counter 0.
      - When other leases have reserved capacity since then, the task fails with C(HoldsChanged). Place the guests again then.
      - Without a value this is not checked.
    type: dict
seealso:
  - module: evenkeel.cluster.capacity_pool
  - module: evenkeel.cluster.capacity_info
  - module: evenkeel.cluster.capacity_reap
"""

EXAMPLES = r"""
- name: Lease capacity for a build, and wait up to an hour for it
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

- name: Renew it
  evenkeel.cluster.capacity_lease:
    name: build-4711
    state: renewed

- name: Release it
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

- name: Retry without losing the place in the queue
  evenkeel.cluster.capacity_lease:
    name: build-4713
    vcpus: 24
    memory: 96G
    keep_place: 120
  register: asked
  until: asked.lease.phase == 'Fulfilled'
  retries: 60
  delay: 60

- name: Reserve capacity on the host that a guest will be created on
  evenkeel.cluster.capacity_lease:
    name: build-4714
    pools: 0
    placements:
      - {cluster: "proxmox:prod", guest: web01, host: pve3, cpu: 4, memory: 8G, disks: [{datastore: ceph, size: 100G}]}
"""

RETURN = r"""
report:
  description: The lease in lines for people, with its pools, sizes and networks.
  returned: success
  type: list
  elements: str
  sample:
    - "lease build-4711: Fulfilled, leased from dal10, until 2026-02-01T02:01:10Z"
    - "  pool dal10 (vsphere, vcenter.example.com): 24 vCPUs, 96.0 GiB of memory, 500.0 GiB of storage; networks ci-910-1"
lease:
  description: The lease. Null when it was absent already and is no longer recorded.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: build-4711
    id:
      description: Id of the lease, unique even when its name is used again.
      type: str
      sample: 5f0a1c3ed2b94f67
    phase:
      description: C(Pending), C(Fulfilled), C(Failed) or C(Released).
      type: str
      sample: Fulfilled
    reason:
      description: Reason for the phase.
      type: str
      sample: leased from dal10
    end_cause:
      description:
        - Why the lease ended; null until then.
        - V(released) or V(withdrawn) from the queue, by a task. V(expired), at the end of its lifetime. V(owner gone). V(lapsed),
          when the waiting task is gone. V(unclaimed), when it was granted but not claimed in time.
          V(unfulfilled), when it was not granted in time. V(impossible), when no pool can ever fulfil it.
      type: str
      sample: expired
    owner:
      description: Owner of the lease, or null.
      type: str
      sample: https://ci.example.com/job/4711
    purpose:
      description: Purpose of the lease, or null.
      type: str
      sample: nightly tests
    group:
      description: Group that it shares networks with, or null.
      type: str
      sample: nightly
    priority:
      description: Its priority.
      type: int
      sample: 0
    request:
      description: The request.
      type: dict
      sample: {"vcpus": 24, "memory": 103079215104, "storage": 536870912000, "pools": 1, "networks": 1, "lifetime": 14400.0}
    requested_at:
      description: Time of the request.
      type: str
      sample: "2026-01-31T22:00:00Z"
    granted_at:
      description: When it was fulfilled, or null.
      type: str
      sample: "2026-01-31T22:01:10Z"
    until:
      description: When it ends unless it is renewed, or null.
      type: str
      sample: "2026-02-01T02:01:10Z"
    ended_at:
      description: When it ended, or null.
      type: str
      sample: null
    pools:
      description: The pools, with the capacity that is leased from each.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the pool.
          type: str
          sample: dal10
        platform:
          description: Platform, or null.
          type: str
          sample: vsphere
        server:
          description: Server that provisions it, or null.
          type: str
          sample: vcenter.example.com
        port:
          description: Port of the server, null for the default port.
          type: int
          sample: null
        username:
          description: User that jobs log in as, or null.
          type: str
          sample: ci@vsphere.local
        datacenter:
          description: The datacenter, or null.
          type: str
          sample: dal
        cluster:
          description: The cluster, or null.
          type: str
          sample: /dal/host/workload
        datastore:
          description: The datastore, or null.
          type: str
          sample: /dal/datastore/vsan
        resource_pool:
          description: The resource pool, or null.
          type: str
          sample: /dal/host/workload/Resources/ci
        folder:
          description: The folder, or null.
          type: str
          sample: /dal/vm/ci
        template:
          description: The template, or null.
          type: str
          sample: /dal/vm/debian-12
        region:
          description: The region, or null.
          type: str
          sample: us-east
        zone:
          description: The zone, or null.
          type: str
          sample: us-east-1
        networks:
          description: The networks that the lease has there.
          type: list
          elements: dict
          sample: [{"name": "ci-910-1", "type": "multi-tenant", "vlan": 910, "port_group": "ci-vlan-910-1"}]
        vcpus:
          description: Number of leased vCPUs.
          type: int
          sample: 24
        memory:
          description: Leased memory in bytes.
          type: int
          sample: 103079215104
        storage:
          description: Leased storage in bytes.
          type: int
          sample: 536870912000
        env:
          description: The environment variables for this pool.
          type: dict
          sample: {"GOVC_URL": "vcenter.example.com", "GOVC_DATACENTER": "dal", "GOVC_NETWORK": "ci-vlan-910-1"}
    placements:
      description: Capacity on hosts that the lease reserves.
      type: list
      elements: dict
      contains:
        cluster:
          description: The cluster, as C(platform:id) of its snapshot, on vSphere C(platform:instance:id).
          type: str
          sample: proxmox:prod
        guest:
          description: Name or id that the guest will have. Once the guest exists, the reservation has no effect.
          type: str
          sample: web01
        host:
          description: Id of the host.
          type: str
          sample: pve3
        cpu:
          description: Number of assigned cores.
          type: float
          sample: 4
        memory:
          description: Assigned memory in bytes.
          type: int
          sample: 8589934592
        disks:
          description: Disks of the guest.
          type: list
          elements: dict
          sample: [{"datastore": "ceph", "size": 107374182400}]
        networks:
          description: Ids of the guest's networks.
          type: list
          elements: str
          sample: ["vmbr0"]
        tags:
          description: Tags of the guest.
          type: list
          elements: str
          sample: ["ci"]
    env:
      description:
        - The environment variables that a job needs, by the names that the tools of the platform read. Those of the first pool,
          where there are several.
        - They hold no password.
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
