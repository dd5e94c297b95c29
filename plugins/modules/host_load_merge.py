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
  - Takes what M(evenkeel.cluster.host_load_info) returned on the hosts of a cluster, and the snapshot that
    M(evenkeel.cluster.cluster_facts) made of it, and gives the snapshot with the hosts' loads as they see them themselves.
  - A host's used memory becomes what is out of reach for a new guest. The ZFS ARC above its least size is not counted as used.
  - A host's pressure becomes the kernel's pressure stall information, where the kernel has it.
  - A host's used CPU becomes its load average, where the platform measured nothing or O(cpu=load).
    Then its running guests share it, less the host's own part. Their shares are in proportion to what the platform measured of them,
    or to what they were given.
  - Number and model of a host's CPUs become its labels C(cpu_sockets), C(cpu_cores), C(cpu_threads), C(cpu_model) and C(cpu_level).
  - Touches no network. The role P(evenkeel.cluster.host_load#role) asks the hosts and calls this module.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.loads
options:
  answers:
    description:
      - By id or name of a host, what a task with M(evenkeel.cluster.host_load_info) has registered there, whether it went well or not.
      - When left out, nothing is merged. Only RV(hosts) is returned, the hosts to ask.
    type: dict
  cpu:
    description:
      - V(platform) keeps the CPU load that the platform measured, and takes the load average where it measured none.
      - V(load) takes the load average of every host. It shows how much more is wanted than there is. It also counts tasks that wait for a disk.
    type: str
    choices: [platform, load]
    default: platform
  period:
    description: Over how many seconds the load average and the pressure are taken.
    type: int
    choices: [60, 300]
    default: 300
  on_silent_host:
    description:
      - What to do about a host that is online and has not reported its load. It is named in a warning in any case.
      - V(platform) keeps the platform's own figures of it.
      - V(exclude) sends nothing there, and leaves it out of the comparison of hosts.
      - V(fail) is an error.
    type: str
    choices: [platform, exclude, fail]
    default: platform
seealso:
  - module: evenkeel.cluster.host_load_info
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.balance_plan
"""

EXAMPLES = r"""
- name: Ask each hypervisor
  evenkeel.cluster.host_load_info:
  delegate_to: "{{ item }}"
  loop: [pve1, pve2, pve3]
  ignore_errors: true
  ignore_unreachable: true
  register: asked

- name: Put it into the snapshot
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
  description: The hosts that are online, and so expected to answer.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The platform's id of the host.
      returned: success
      type: str
      sample: pve1
    name:
      description: Its name.
      returned: success
      type: str
      sample: pve1
    address:
      description: Where it can be reached, null where the platform does not tell.
      returned: success
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
  description: Ids of the hosts whose own figures are in the snapshot now.
  returned: when O(answers) is given
  type: list
  elements: str
  sample: [pve1, pve2]
silent:
  description: Hosts that are online and reported nothing.
  returned: when O(answers) is given
  type: list
  elements: dict
  contains:
    id:
      description: The platform's id of the host.
      returned: success
      type: str
      sample: pve3
    name:
      description: Its name.
      returned: success
      type: str
      sample: pve3
    why:
      description: Why it reported nothing.
      returned: success
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
