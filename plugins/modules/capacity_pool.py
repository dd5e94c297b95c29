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
  - A pool is a part of the world that fails as one, usually a cluster, with the vCPUs, memory, storage and networks that may be
    leased from it with M(evenkeel.cluster.capacity_lease).
  - Options that are left out leave a pool that there is as it was, so that cordoning it takes two options.
  - The pool is a description in the database. No platform is connected to.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
options:
  name:
    description: Name of the pool.
    type: str
    required: true
  state:
    description:
      - V(absent) takes the pool away. It is refused while the pool has leases.
      - Requests in the queue that no other pool can fulfil fail then.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description: What runs the pool. It decides which environment variables a lease comes with.
    type: str
    choices: [vsphere, proxmox, vmmanager]
  server:
    description:
      - Name or address of the vCenter, or of what else provisions the pool.
      - Pools of the same server and O(datacenter) that name the same port group share it. A pool without a server shares nothing.
      - This and the other texts are taken away by an empty text.
    type: str
  port:
    description: Port of the server, where it is not the usual one. V(0) takes it away.
    type: int
  username:
    description:
      - User of the server that jobs are to be. Only handed on.
      - There is no option for a password or a token, since whoever may read leases would read them.
    type: str
  datacenter:
    description: The datacenter.
    type: str
  cluster:
    description: The cluster. Defaults to that of O(snapshot) or O(snapshot_path).
    type: str
  datastore:
    description: The datastore that guests of a lease are to use.
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
    description: How many vCPUs the pool has, before O(cpu_overcommit). A new pool needs it, or a snapshot.
    type: int
  memory:
    description: How much memory the pool has, in bytes or as V(2684G), where a G is 1024³. A new pool needs it, or a snapshot.
    type: str
  storage:
    description: How much storage the pool has, in bytes or as V(50T). It is required for a new pool, unless the snapshot reports it.
    type: str
  snapshot:
    description:
      - A snapshot of the pool's cluster, as M(evenkeel.cluster.cluster_facts) returns it, to take the capacity from.
      - >-
        The capacity is the whole one of the hosts that may have guests, less what they reserve, whatever uses it now. Hosts
        that are offline, in maintenance or otherwise out of service do not count. A shared datastore counts once.
      - O(vcpus), O(memory) and O(storage) win over it.
    type: dict
  snapshot_path:
    description: File that holds the snapshot, instead of O(snapshot).
    type: path
  share:
    description: Which part of the snapshot's cluster the pool is.
    type: dict
    suboptions:
      hosts:
        description: Ids or names of the hosts. Defaults to all hosts.
        type: list
        elements: str
      spare_hosts:
        description: For the failure of how many hosts room is kept. The largest hosts do not count then.
        type: int
        default: 0
      percent:
        description: Percentage of what is left that the pool gets.
        type: float
        default: 100
      datastores:
        description: Names of the datastores that count. Defaults to all datastores.
        type: list
        elements: str
  cpu_overcommit:
    description: How many vCPUs may be leased for each that there is. A new pool has 1.
    type: float
  exclude:
    description: Whether the pool serves only requests that name it. A new pool serves all.
    type: bool
  cordoned:
    description: Whether nothing new is leased from the pool. Leases that there are go on. A new pool is not cordoned.
    type: bool
  labels:
    description: Labels that a request can select the pool by.
    type: dict
  taints:
    description: Words such as V(workload=gpu). The pool serves only requests that tolerate each of them.
    type: list
    elements: str
  networks:
    description: Networks that can be leased together with the pool's capacity.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network, unique in the pool.
        type: str
        required: true
      type:
        description:
          - What it is for. One lease or group has a network at a time, whatever its type.
          - Networks of the types V(multi-tenant) and V(nested-multi-tenant) may share a VLAN. Whoever has one of another type has
            its VLAN alone, as far as networks say which O(networks[].vlan) they have.
        type: str
        choices: [single-tenant, disconnected, multi-tenant, nested-multi-tenant, public-ipv6]
        default: single-tenant
      vlan:
        description: Its VLAN, from 0 to 4094.
        type: int
      port_group:
        description: Name of the port group or bridge on the platform. Defaults to O(networks[].name).
        type: str
      cidr:
        description: Its addresses, such as V(10.94.169.0/25). Only handed on to whoever leases it.
        type: str
      gateway:
        description: Its gateway. Only handed on.
        type: str
      dns_servers:
        description: Its name servers. Only handed on.
        type: list
        elements: str
  networks_state:
    description:
      - V(exact) gives the pool just O(networks).
      - V(present) adds them, or replaces those of the same name.
      - V(absent) takes those of these names away.
    type: str
    choices: [exact, present, absent]
    default: exact
  allow_below_leased:
    description:
      - Whether the capacity may become less than what is leased. Then nothing more is leased until enough leases have ended.
      - A network that is leased can't be taken away.
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

- name: Describe one by what its cluster has, with room for the failure of a host
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

- name: Take it away
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
      description: Its name.
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
    vcpus:
      description: How many vCPUs it has, before overcommitment.
      returned: success
      type: int
      sample: 240
    memory:
      description: How many bytes of memory it has.
      returned: success
      type: int
      sample: 2881923055616
    storage:
      description: How many bytes of storage it has.
      returned: success
      type: int
      sample: 54975581388800
    cpu_overcommit:
      description: How many vCPUs may be leased for each that there is.
      returned: success
      type: float
      sample: 1.5
    exclude:
      description: Whether it serves only requests that name it.
      returned: success
      type: bool
      sample: false
    cordoned:
      description: Whether nothing new is leased from it.
      returned: success
      type: bool
      sample: false
    labels:
      description: Its labels.
      returned: success
      type: dict
      sample: {"generation": "3"}
    taints:
      description: Its taints.
      returned: success
      type: list
      elements: str
      sample: ["workload=gpu"]
    networks:
      description: Its networks, as they were described, each with the names of the leases that have it.
      returned: success
      type: list
      elements: dict
      sample: [{"name": "ci-1296", "type": "single-tenant", "vlan": 1296, "port_group": "ci-vlan-1296", "leases": ["build-4711"]}]
    usage:
      description: How full it is.
      returned: success
      type: dict
      contains:
        vcpus: &usage
          description: How much of this there is and how much of it is leased.
          returned: success
          type: dict
          contains:
            capacity:
              description: How much there is.
              returned: success
              type: int
              sample: 240
            limit:
              description: How much can be leased.
              returned: success
              type: int
              sample: 360
            leased:
              description: How much is leased.
              returned: success
              type: int
              sample: 48
            available:
              description: How much more can be leased. Below 0 where the capacity became less than what is leased.
              returned: success
              type: int
              sample: 312
            percent:
              description: How much of the limit is leased, null where the limit is 0.
              returned: success
              type: float
              sample: 13.3
        memory: *usage
        storage: *usage
        networks: *usage
    leases:
      description: Names of the leases that have some of it.
      returned: success
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
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import PoolOptions
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
