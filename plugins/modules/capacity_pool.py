#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_pool
short_description: Describe a pool of capacity that leases are taken from
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - A pool is a failure domain, usually a cluster, with the vCPUs, memory, storage and networks that can be leased from it with
    M(evenkeel.cluster.capacity_lease).
  - Options without a value leave an existing pool as it is. To cordon a pool, two options are enough.
  - The pool is only described in the database. The module does not connect to a platform.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.group
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
options:
  name:
    description: Name of the pool.
    type: str
    required: true
  state:
    description:
      - V(absent) removes the pool. This is refused while the pool has leases.
      - Queued requests that no other pool can fulfil fail then.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description: Platform of the pool. It determines the environment variables of a lease.
    type: str
    choices: [vsphere, proxmox, vmmanager]
  server:
    description:
      - Name or address of the vCenter or another server that provisions the pool.
      - Pools of the same server and O(datacenter) share port groups of the same name. A pool without a server shares none.
      - An empty text removes this and other texts.
    type: str
  port:
    description: Port of the server, if it is not the usual one. V(0) removes it.
    type: int
  username:
    description:
      - User of the server that jobs log in as. Only passed on to leases.
      - There is no option for a password or token, because everybody who may read leases could read it.
    type: str
  datacenter:
    description: The datacenter.
    type: str
  cluster:
    description: The cluster. Without a value it is the cluster of O(snapshot) or O(snapshot_path).
    type: str
  datastore:
    description: The datastore for guests of a lease.
    type: str
  resource_pool:
    description: The resource pool.
    type: str
  folder:
    description: The folder of the guests.
    type: str
  template:
    description: The template to clone.
    type: str
  region:
    description: The region of the failure domain.
    type: str
  zone:
    description: The zone of the failure domain.
    type: str
  vcpus:
    description: Number of vCPUs of the pool, before O(cpu_overcommit). It is required for a new pool without a snapshot.
    type: int
  memory:
    description:
      - Memory of the pool, such as V(2684G), where a G is 1024³. A number without a unit counts bytes.
      - It is required for a new pool without a snapshot.
    type: str
  storage:
    description: Storage of the pool, such as V(50T). A new pool has none without a value, unless the snapshot reports it, and no storage can be leased from it.
    type: str
  snapshot:
    description:
      - A snapshot of the pool's cluster, as M(evenkeel.cluster.cluster_facts) returns it, to take the capacity from.
      - >-
        It is the total capacity of the hosts that may run guests, less their reserves, regardless of the present usage. Hosts
        that are offline, in maintenance or otherwise out of service do not count. A shared datastore counts once.
      - O(vcpus), O(memory) and O(storage) take precedence.
    type: dict
  snapshot_path:
    description: File that holds the snapshot, instead of O(snapshot).
    type: path
  share:
    description: Share of the snapshot's cluster that belongs to the pool.
    type: dict
    suboptions:
      hosts:
        description: Ids or names of the hosts. Without a value all hosts count.
        type: list
        elements: str
      spare_hosts:
        description: Number of host failures to keep capacity for. The capacity of that many of the largest hosts does not count.
        type: int
        default: 0
      percent:
        description: Percentage of the remaining capacity that belongs to the pool.
        type: float
        default: 100
      datastores:
        description: Names of the datastores. Without a value all datastores count.
        type: list
        elements: str
  cpu_overcommit:
    description: Number of vCPUs that can be leased for each vCPU of the pool. Without a value a new pool has 1.
    type: float
  exclude:
    description: Whether the pool serves only requests that name it. Without a value a new pool serves all requests.
    type: bool
  cordoned:
    description: Whether the pool gets no new leases. Existing leases continue. Without a value a new pool is not cordoned.
    type: bool
  labels:
    description: Labels for C(pool_selector) of M(evenkeel.cluster.capacity_lease).
    type: dict
  taints:
    description: Taints such as V(workload=gpu). The pool serves only requests that tolerate all of them.
    type: list
    elements: str
  networks:
    description: Networks that can be leased together with capacity of the pool.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network, unique in the pool.
        type: str
        required: true
      type:
        description:
          - Type of the network. Only one lease or group has a network at a time, whatever the type.
          - Networks of the types V(multi-tenant) and V(nested-multi-tenant) may share a VLAN. A lease of a network of another type
            has the VLAN to itself, as far as O(networks[].vlan) is set.
        type: str
        choices: [single-tenant, disconnected, multi-tenant, nested-multi-tenant, public-ipv6]
        default: single-tenant
      vlan:
        description: VLAN of the network, from 0 to 4094.
        type: int
      port_group:
        description: Name of the port group or bridge on the platform. Without a value it is O(networks[].name).
        type: str
      cidr:
        description: Address range, such as V(10.94.169.0/25). Only passed on to the lease.
        type: str
      gateway:
        description: Gateway. Only passed on to the lease.
        type: str
      dns_servers:
        description: Name servers. Only passed on to the lease.
        type: list
        elements: str
  networks_state:
    description:
      - V(exact) replaces all networks of the pool by O(networks).
      - V(present) adds O(networks), or replaces networks of the same names.
      - V(absent) removes the networks of these names.
    type: str
    choices: [exact, present, absent]
    default: exact
  allow_below_leased:
    description:
      - Whether the capacity may drop below what is leased. Nothing new is leased then until enough leases have ended.
      - A leased network cannot be removed.
    type: bool
    default: false
seealso:
  - module: evenkeel.cluster.capacity_lease
  - module: evenkeel.cluster.capacity_info
  - module: evenkeel.cluster.cluster_facts
"""

EXAMPLES = r"""
- name: Describe a pool
  evenkeel.cluster.capacity_pool:
    name: dal10
    platform: vsphere
    server: vcenter.example.com
    datacenter: dal
    cluster: /dal/host/workload
    datastore: /dal/datastore/vsan
    region: us-east
    zone: us-east-1
    vcpus: 240
    cpu_overcommit: 1.5
    memory: 2684G
    storage: 50T
    networks:
      - {name: ci-1296, port_group: ci-vlan-1296, vlan: 1296}
      - {name: ci-910-1, port_group: ci-vlan-910-1, vlan: 910, type: multi-tenant}

- name: Describe a pool from a snapshot, with capacity for the failure of a host
  evenkeel.cluster.capacity_pool:
    name: production
    server: pve1.example.com
    snapshot_path: /var/lib/evenkeel/production.snapshot.json
    share:
      spare_hosts: 1
      percent: 80

- name: Cordon it
  evenkeel.cluster.capacity_pool:
    name: dal10
    cordoned: true

- name: Add a VLAN
  evenkeel.cluster.capacity_pool:
    name: dal10
    networks_state: present
    networks:
      - {name: ci-1300, port_group: ci-vlan-1300, vlan: 1300}

- name: Remove it
  evenkeel.cluster.capacity_pool:
    name: dal10
    state: absent
"""

RETURN = r"""
pool:
  description: The pool, null when it is absent. In check mode, as it would be.
  returned: success
  type: dict
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
    vcpus:
      description: Number of vCPUs, before overcommitment.
      type: int
      sample: 240
    memory:
      description: Memory in bytes.
      type: int
      sample: 2881923055616
    storage:
      description: Storage in bytes.
      type: int
      sample: 54975581388800
    cpu_overcommit:
      description: Number of vCPUs that can be leased for each vCPU.
      type: float
      sample: 1.5
    exclude:
      description: Whether it serves only requests that name it.
      type: bool
      sample: false
    cordoned:
      description: Whether it gets no new leases.
      type: bool
      sample: false
    labels:
      description: Its labels.
      type: dict
      sample: {"generation": "3"}
    taints:
      description: Its taints.
      type: list
      elements: str
      sample: ["workload=gpu"]
    networks:
      description: Its networks as described, each with the names of the leases that use it.
      type: list
      elements: dict
      sample: [{"name": "ci-1296", "type": "single-tenant", "vlan": 1296, "port_group": "ci-vlan-1296", "leases": ["build-4711"]}]
    usage:
      description: Usage of the pool.
      type: dict
      contains:
        vcpus: &usage
          description: Capacity and leased part.
          type: dict
          contains:
            capacity:
              description: Capacity.
              type: int
              sample: 240
            limit:
              description: Amount that can be leased in total.
              type: int
              sample: 360
            leased:
              description: Leased amount.
              type: int
              sample: 48
            available:
              description: Amount that can still be leased. Negative when the capacity is below what is leased.
              type: int
              sample: 312
            percent:
              description: Leased percentage of the limit. Null when the limit is 0.
              type: float
              sample: 13.3
        memory: *usage
        storage: *usage
        networks: *usage
    leases:
      description: Names of the leases of the pool.
      type: list
      elements: str
      sample: ["build-4711"]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_pool import (
    run_capacity_pool,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.pool import PoolOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(PoolOptions),
        mutually_exclusive=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_capacity_pool)


if __name__ == "__main__":
    main()
