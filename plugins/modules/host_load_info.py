#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_load_info
short_description: Measure the load of a Linux hypervisor on the hypervisor itself
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Reads load averages, pressure stall information, memory, the ZFS ARC and the CPUs from C(/proc) of the host that it runs on.
  - Runs over the connection that Ansible has to the host. It needs no privileges there, and no library.
  - Changes nothing. M(evenkeel.cluster.host_load_merge) merges the results into the snapshot of a cluster.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
options:
  proc:
    description: Path of the hypervisor's C(/proc), for a connection into a container that mounts it at another path.
    type: path
    default: /proc
requirements:
  - Python 3.8 or newer and Linux on the hypervisor
seealso:
  - module: evenkeel.cluster.host_load_merge
"""

EXAMPLES = r"""
- name: Measure, in a play over hypervisors
  evenkeel.cluster.host_load_info:
  register: measured

- name: Measure from within a container
  evenkeel.cluster.host_load_info:
    proc: /host/proc
"""

RETURN = r"""
load:
  description:
    - Figures of the kernel, in bytes and percent.
    - A figure that this kernel does not report is null.
  returned: success
  type: dict
  contains:
    loadavg:
      description: Average number of tasks that ran, were ready to run or waited for a disk.
      type: dict
      contains:
        load1:
          description: Over one minute.
          type: float
          sample: 11.52
        load5:
          description: Over five minutes.
          type: float
          sample: 10.9
        load15:
          description: Over fifteen minutes.
          type: float
          sample: 8.31
    pressure:
      description: Share of time in which tasks waited for a resource.
      type: dict
      contains:
        cpu:
          description: For a CPU. Null if the kernel does not report it.
          type: dict
          contains: &stalls
            some:
              description: Time in which at least one task waited, in percent of the last 10, 60 and 300 seconds.
              type: dict
              sample: {"avg10": 3.1, "avg60": 2.84, "avg300": 2.5}
            full:
              description: The same for time in which all tasks waited. Older kernels do not report it for the CPU.
              type: dict
              sample: {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0}
        memory:
          description: For memory. Null if the kernel does not report it.
          type: dict
          contains: *stalls
        io:
          description: For a disk. Null if the kernel does not report it.
          type: dict
          contains: *stalls
    memory:
      description: The memory of the host.
      type: dict
      contains:
        total:
          description: Total memory.
          type: int
          sample: 270252122112
        free:
          description: Unused memory.
          type: int
          sample: 8053063680
        available:
          description: Memory available to new programs, as the kernel estimates it. Caches of the kernel count, the ARC does not.
          type: int
          sample: 61203283968
        used:
          description: >-
            Memory that is not available to a new guest, which is RV(load.memory.total) less RV(load.memory.available) and RV(load.zfs_arc.reclaimable).
          type: int
          sample: 148747862016
        swap_total:
          description: The swap space.
          type: int
          sample: 8589930496
        swap_free:
          description: Unused swap space.
          type: int
          sample: 8589930496
    zfs_arc:
      description: The cache of ZFS. Null without ZFS.
      type: dict
      contains:
        size:
          description: Present size.
          type: int
          sample: 68719476736
        minimum:
          description: Minimum size. ZFS frees nothing below it.
          type: int
          sample: 8418017280
        maximum:
          description: Maximum size.
          type: int
          sample: 135088275456
        reclaimable:
          description: Memory that ZFS frees on demand, which is the size above the minimum.
          type: int
          sample: 60301459456
    cpu:
      description: The CPUs.
      type: dict
      contains:
        sockets:
          description: Number of packages. Null if the kernel does not report it.
          type: int
          sample: 2
        cores:
          description: Number of cores in all packages. Null if the kernel does not report it.
          type: int
          sample: 32
        threads:
          description: Number of logical CPUs.
          type: int
          sample: 64
        model:
          description: Model name of the first CPU.
          type: str
          sample: AMD EPYC 7543 32-Core Processor
        level:
          description: The highest of the levels V(x86-64-v1) to V(x86-64-v4) whose features it has. Null on other architectures.
          type: str
          sample: x86-64-v3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.host_load_info import (
    run_host_load_info,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec={"proc": {"type": "path", "default": "/proc"}}, supports_check_mode=True
    )
    run_module(module, run_host_load_info)


if __name__ == "__main__":
    main()
