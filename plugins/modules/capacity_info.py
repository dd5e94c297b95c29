#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_info
short_description: Tell how full pools are, who has leases, and who waits
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Reads pools with their usage, leases, and the queue with positions and reasons. Changes nothing and does not wait.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.capacity
options:
  pools:
    description: Names or shell patterns of the pools. Leases are those that have some of them.
    type: list
    elements: str
  leases:
    description: Names or shell patterns of the leases.
    type: list
    elements: str
  owners:
    description: Names or shell patterns of the owners of leases.
    type: list
    elements: str
  phases:
    description: Phases of the leases.
    type: list
    elements: str
    choices: [Pending, Fulfilled, Failed, Released]
  ended_within:
    description: Leases that ended within so many seconds are returned too. They are remembered for ninety days.
    type: float
    default: 0
  metrics_path:
    description:
      - File to write all of that to as metrics of Prometheus, whatever the other options choose, such as one that the textfile
        collector of the node exporter reads. Everybody may read it.
      - It is written in check mode too.
    type: path
seealso:
  - module: evenkeel.cluster.capacity_pool
  - module: evenkeel.cluster.capacity_lease
"""

EXAMPLES = r"""
- name: How full is everything
  evenkeel.cluster.capacity_info:
  register: capacity

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.usage.vcpus.percent }} % of the vCPUs, {{ item.usage.memory.percent }} % of the memory"
  loop: "{{ capacity.pools }}"

- name: Let Prometheus know
  evenkeel.cluster.capacity_info:
    metrics_path: /var/lib/prometheus/node-exporter/evenkeel.prom

- name: What happened to the leases of a job today
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
  description: The leases in the order of asking, as M(evenkeel.cluster.capacity_lease) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: build-4711
      phase: Fulfilled
      owner: https://ci.example.com/job/4711
      until: "2026-02-01T02:01:10Z"
queue:
  description: Who waits, in the order of being served.
  returned: success
  type: list
  elements: dict
  contains:
    position:
      description: Its position, from 1.
      returned: success
      type: int
      sample: 1
    name:
      description: Name of the lease.
      returned: success
      type: str
      sample: build-4720
    owner:
      description: Whom it is for, or null.
      returned: success
      type: str
      sample: https://ci.example.com/job/4720
    priority:
      description: Its priority.
      returned: success
      type: int
      sample: 0
    requested_at:
      description: When it was asked for.
      returned: success
      type: str
      sample: "2026-01-31T22:00:00Z"
    waited_seconds:
      description: For how long it has waited.
      returned: success
      type: float
      sample: 73.2
    why:
      description: Why it waits.
      returned: success
      type: str
      sample: "0 of 3 pools have room for 24 vCPUs, 96G memory: 2 vcpus, 1 cordoned"
placements:
  description:
    - The room on hosts that leases hold, whatever O(pools) and O(leases) choose, as O(evenkeel.cluster.capacity_lease#module:placements).
    - Whoever places guests passes it on, so that nobody is promised the same room.
  returned: success
  type: list
  elements: dict
  sample: [{"lease": "build-4714", "cluster": "proxmox:prod", "guest": "web01", "host": "pve3", "cpu": 4, "memory": 8589934592, "disks": []}]
placements_seen:
  description: How often placements were added, by cluster, for O(evenkeel.cluster.capacity_lease#module:placements_seen).
  returned: success
  type: dict
  sample: {"proxmox:prod": 17}
summary:
  description: All of that in a few numbers.
  returned: success
  type: dict
  contains:
    pools:
      description: How many pools there are.
      returned: success
      type: int
      sample: 3
    cordoned:
      description: How many of them are cordoned.
      returned: success
      type: int
      sample: 1
    excluded:
      description: How many of them serve only requests that name them.
      returned: success
      type: int
      sample: 0
    leases:
      description: How many leases are fulfilled.
      returned: success
      type: int
      sample: 12
    queue:
      description: How many requests wait.
      returned: success
      type: int
      sample: 1
    available:
      description: What can still be leased, of all the pools together, the cordoned ones included.
      returned: success
      type: dict
      contains:
        vcpus:
          description: vCPUs.
          returned: success
          type: int
          sample: 512
        memory:
          description: Bytes of memory.
          returned: success
          type: int
          sample: 2675764625408
        storage:
          description: Bytes of storage.
          returned: success
          type: int
          sample: 54975581388800
        networks:
          description: Networks.
          returned: success
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
