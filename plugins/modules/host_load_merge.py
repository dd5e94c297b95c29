#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_load_merge
short_description: Put loads that hypervisors report into the snapshot of their cluster
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Merges the results of M(evenkeel.cluster.host_load_info) on the hosts of a cluster into its snapshot of
    M(evenkeel.cluster.cluster_facts).
  - The used memory of a host becomes the memory that is not available to a new guest. The ZFS ARC above its minimum size does not count.
  - The pressure of a host becomes the pressure stall information of its kernel, if the kernel has it.
  - The used CPU of a host becomes its load average if the platform measured nothing, or with O(cpu=load).
    It is then distributed among its running guests, less the host's own part, in proportion to their measured usage, or to their
    assigned CPU.
  - The number and model of the CPUs of a host become its labels C(cpu_sockets), C(cpu_cores), C(cpu_threads), C(cpu_model) and C(cpu_level).
  - Makes no connection. The role P(evenkeel.cluster.host_load#role) measures the hosts and runs this module.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.loads
options:
  answers:
    description:
      - Registered results of M(evenkeel.cluster.host_load_info), failed ones included, by id or name of the host.
      - Without a value nothing is merged, and only RV(hosts) is returned, the hosts to measure.
    type: dict
  cpu:
    description:
      - V(platform) keeps the CPU load that the platform measured, and uses the load average if there is none.
      - V(load) uses the load average of every host. It shows demand above the capacity, and includes tasks that wait for a disk.
    type: str
    choices: [platform, load]
    default: platform
  period:
    description: Period in seconds of the load average and the pressure.
    type: int
    choices: [60, 300]
    default: 300
  on_silent_host:
    description:
      - Action for a host that is online and has not reported its load. A warning names the host in any case.
      - V(platform) keeps the figures of the platform.
      - V(exclude) migrates no guests to the host and leaves it out of the comparison of hosts.
      - V(fail) fails.
    type: str
    choices: [platform, exclude, fail]
    default: platform
seealso:
  - module: evenkeel.cluster.host_load_info
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.balance_plan
"""

EXAMPLES = r"""
- name: Measure each hypervisor
  evenkeel.cluster.host_load_info:
  delegate_to: "{{ item }}"
  loop: [pve1, pve2, pve3]
  ignore_errors: true
  ignore_unreachable: true
  register: asked

- name: Merge the results into the snapshot
  evenkeel.cluster.host_load_merge:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    answers: "{{ dict(asked.results | map(attribute='item') | zip(asked.results)) }}"
    on_silent_host: exclude
  register: merged

- name: Plan with it
  evenkeel.cluster.balance_plan:
    snapshot: "{{ merged.snapshot }}"
    metrics: [cpu, memory, pressure_memory]
"""

RETURN = r"""
hosts:
  description: The hosts that are online and expected to report their load.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The platform's id of the host.
      type: str
      sample: pve1
    name:
      description: Its name.
      type: str
      sample: pve1
    address:
      description: Its address. Null if the platform does not report it.
      type: str
      sample: 10.0.0.11
snapshot:
  description: The snapshot with the loads that the hosts reported. Its JSON Schema is in C(docs/schemas/snapshot.json) of the collection.
  returned: when O(answers) is given, and neither O(snapshot_path) nor O(merged_path)
  type: dict
  sample: {"schema": "evenkeel.cluster/snapshot/1", "platform": "proxmox", "hosts": [], "guests": [], "rules": []}
snapshot_path:
  description: The file that holds it.
  returned: when O(answers) is given, and O(snapshot_path) or O(merged_path)
  type: str
  sample: /var/lib/evenkeel/production.snapshot.json
told:
  description: Ids of the hosts whose own figures the snapshot has now.
  returned: when O(answers) is given
  type: list
  elements: str
  sample: [pve1, pve2]
silent:
  description: Hosts that are online and did not report their load.
  returned: when O(answers) is given
  type: list
  elements: dict
  contains:
    id:
      description: The platform's id of the host.
      type: str
      sample: pve3
    name:
      description: Its name.
      type: str
      sample: pve3
    why:
      description: Reason why it did not.
      type: str
      sample: "Failed to connect to the host via ssh: Connection refused"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.host_load_merge import (
    HostLoadMergeOptions,
    run_host_load_merge,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(HostLoadMergeOptions),
        mutually_exclusive=[("snapshot", "snapshot_path")],
        required_one_of=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    run_module(module, run_host_load_merge)


if __name__ == "__main__":
    main()
