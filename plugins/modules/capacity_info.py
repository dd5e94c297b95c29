#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_info
short_description: Report the usage of pools, the leases, and the queue
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns pools with their usage, leases, and the queue with positions and reasons. Changes nothing and does not wait.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.group
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.capacity
options:
  pools:
    description: Names or shell patterns of pools. Only leases of these pools are returned.
    type: list
    elements: str
  leases:
    description: Names or shell patterns of leases.
    type: list
    elements: str
  owners:
    description: Names or shell patterns of owners of leases.
    type: list
    elements: str
  phases:
    description: Phases of leases.
    type: list
    elements: str
    choices: [Pending, Fulfilled, Failed, Released]
  ended_within:
    description: Leases that ended within this time are returned, too, in seconds or as V(7d). They are recorded for ninety days.
    type: str
    default: "0"
  metrics_path:
    description:
      - File to write metrics for Prometheus to, such as one for the textfile collector of the node exporter. It covers all pools and
        leases, regardless of the other options. Everybody may read it.
      - In check mode the file is not written.
    type: path
seealso:
  - module: evenkeel.cluster.capacity_pool
  - module: evenkeel.cluster.capacity_lease
"""

EXAMPLES = r"""
- name: Read the usage of all pools
  evenkeel.cluster.capacity_info:
  register: capacity

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.usage.vcpus.percent }} % of the vCPUs, {{ item.usage.memory.percent }} % of the memory"
  loop: "{{ capacity.pools }}"

- name: Write metrics for Prometheus
  evenkeel.cluster.capacity_info:
    metrics_path: /var/lib/prometheus/node-exporter/evenkeel.prom

- name: Read the leases of a job of the last day
  evenkeel.cluster.capacity_info:
    owners: ["https://ci.example.com/job/4711"]
    ended_within: 86400
"""

RETURN = r"""
pools:
  description: The pools by name, as M(evenkeel.cluster.capacity_pool) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: dal10
      server: vcenter.example.com
      cordoned: false
      exclude: false
      usage:
        vcpus: {capacity: 240, limit: 360, leased: 48, available: 312, percent: 13.3}
        memory: {capacity: 2881923055616, limit: 2881923055616, leased: 206158430208, available: 2675764625408, percent: 7.2}
        storage: {capacity: 54975581388800, limit: 54975581388800, leased: 0, available: 54975581388800, percent: 0.0}
        networks: {capacity: 31, limit: 31, leased: 2, available: 29, percent: 6.5}
      leases: [build-4711, build-4712]
leases:
  description: The leases in the order of their requests, as M(evenkeel.cluster.capacity_lease) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: build-4711
      phase: Fulfilled
      owner: https://ci.example.com/job/4711
      until: "2026-02-01T02:01:10Z"
queue:
  description: The waiting requests, in the order in which they are served.
  returned: success
  type: list
  elements: dict
  contains:
    position:
      description: Position in the queue, from 1.
      type: int
      sample: 1
    name:
      description: Name of the lease.
      type: str
      sample: build-4720
    owner:
      description: Owner of the lease, or null.
      type: str
      sample: https://ci.example.com/job/4720
    priority:
      description: Its priority.
      type: int
      sample: 0
    requested_at:
      description: Time of the request.
      type: str
      sample: "2026-01-31T22:00:00Z"
    waited_seconds:
      description: Number of seconds that it has waited.
      type: float
      sample: 73.2
    why:
      description: Reason for waiting.
      type: str
      sample: "0 of 3 pools have room for 24 vCPUs, 96G memory: 2 vcpus, 1 cordoned"
placements:
  description:
    - Capacity that leases reserve on hosts, regardless of O(pools) and O(leases), as O(evenkeel.cluster.capacity_lease#module:placements).
    - Pass it to O(evenkeel.cluster.vm_placement#module:held), so that the same capacity is not used twice.
  returned: success
  type: list
  elements: dict
  sample: [{"lease": "build-4714", "cluster": "proxmox:prod", "guest": "web01", "host": "pve3", "cpu": 4, "memory": 8589934592, "disks": []}]
placements_seen:
  description: Number of times that placements were added, by cluster, for O(evenkeel.cluster.capacity_lease#module:placements_seen).
  returned: success
  type: dict
  sample: {"proxmox:prod": 17}
summary:
  description: Summary in a few numbers.
  returned: success
  type: dict
  contains:
    pools:
      description: Number of pools.
      type: int
      sample: 3
    cordoned:
      description: Number of cordoned pools.
      type: int
      sample: 1
    excluded:
      description: Number of pools that serve only requests that name them.
      type: int
      sample: 0
    leases:
      description: Number of fulfilled leases.
      type: int
      sample: 12
    queue:
      description: Number of waiting requests.
      type: int
      sample: 1
    available:
      description: Capacity that can still be leased from all pools together, cordoned pools included.
      type: dict
      contains:
        vcpus:
          description: vCPUs.
          type: int
          sample: 512
        memory:
          description: Bytes of memory.
          type: int
          sample: 2675764625408
        storage:
          description: Bytes of storage.
          type: int
          sample: 54975581388800
        networks:
          description: Networks.
          type: int
          sample: 29
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_info import (
    run_capacity_info,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import InfoOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(InfoOptions), supports_check_mode=True)
    hide_secrets(module, os.environ)
    run_module(module, run_capacity_info)


if __name__ == "__main__":
    main()
