#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_maintenance
short_description: Switch the maintenance mode of a host
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Switches the maintenance mode of one host and waits until the platform has switched it.
  - Refuses to take a host out of service that still runs guests, and names them. It never migrates a guest, and shuts down only
    the guests of O(shut_down).
  - Paused guests and guests in an unknown state count as running. Agents that the platform itself moves or shuts down, such as
    vCLS, do not count.
  - On vSphere the host enters maintenance mode by the API, without moving guests that are powered off.
  - >-
    The API of Proxmox VE shows maintenance mode but has no call to switch it. There this module only waits for the effect of
    C(ha-manager crm-command node-maintenance enable|disable NODE) on a node. The role
    P(evenkeel.cluster.evacuate#role) runs that command over SSH. Check mode reports whether it is needed.
  - >-
    On VMmanager a change is refused, also in check mode. The API call for maintenance mode is not public, and without an
    evacuation it stops every virtual machine of the node. Empty the node, then switch it in VMmanager's interface.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.groups
  - evenkeel.cluster.cluster.platform
  - evenkeel.cluster.policy.guests
  - evenkeel.cluster.log
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Does everything except the switching itself. Running guests on the host are refused in check mode, too.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  host:
    description: Id or name of the host.
    type: str
    required: true
  state:
    description:
      - V(present) takes the host out of service.
      - V(absent) takes it back into service.
    type: str
    choices: [present, absent]
    default: present
  allow_running_guests:
    description:
      - Whether the host may be taken out of service although guests run on it.
      - vSphere then waits up to O(timeout) until they are moved. Proxmox VE migrates those that its HA manager manages.
    type: bool
    default: false
  only_shut_down:
    description:
      - Whether to shut down the guests of O(shut_down) and leave maintenance mode as it is.
      - For Proxmox VE, where a command of the HA manager switches maintenance mode after they are off. No effect with O(state=absent).
    type: bool
    default: false
  timeout:
    description: Maximum time to wait, in seconds or as V(30m). After that the module fails, and on vSphere the host is back in service.
    type: str
    default: "600"
notes:
  - vSphere enters maintenance mode only when no guest runs on the host, including the guests of O(may_stay).
  - The guests of O(shut_down) are never powered off. When one of them still runs after O(timeout) seconds, the module fails and the
    host stays in service.
requirements:
  - pyvmomi, for O(platform=vsphere)
  - proxmoxer and requests, for O(platform=proxmox)
  - requests, for O(platform=vmmanager)
seealso:
  - module: evenkeel.cluster.balance_plan
  - module: evenkeel.cluster.vm_migrate
"""

EXAMPLES = r"""
- name: Take an empty host out of service
  evenkeel.cluster.host_maintenance:
    platform: vsphere
    hostname: vcenter.example.com
    username: balancer@vsphere.local
    password: "{{ vault_vcenter_password }}"
    cluster: production
    host: esx3.example.com

- name: Take a host out of service on which one guest may stay and test guests are shut down
  evenkeel.cluster.host_maintenance:
    platform: vsphere
    hostname: vcenter.example.com
    username: balancer@vsphere.local
    password: "{{ vault_vcenter_password }}"
    cluster: production
    host: esx3.example.com
    may_stay:
      names: [probe-esx3]
    shut_down:
      tags: [test]

- name: Return it to service
  evenkeel.cluster.host_maintenance:
    platform: vsphere
    hostname: vcenter.example.com
    username: balancer@vsphere.local
    password: "{{ vault_vcenter_password }}"
    cluster: production
    host: esx3.example.com
    state: absent

- name: Switch maintenance mode on Proxmox VE, which has no API call for it
  ansible.builtin.command:
    argv: [ha-manager, crm-command, node-maintenance, enable, pve3]
  changed_when: true
  delegate_to: pve1.example.com

- name: Wait until the node is in maintenance mode
  evenkeel.cluster.host_maintenance:
    platform: proxmox
    api_host: [pve1.example.com, pve2.example.com]
    api_user: balancer@pve
    api_token_id: evenkeel
    api_token_secret: "{{ vault_pve_token }}"
    host: pve3
    timeout: 120
"""

RETURN = r"""
host:
  description: The host.
  returned: success
  type: dict
  contains:
    id:
      description: Its id on the platform.
      type: str
      sample: host-12
    name:
      description: Its name.
      type: str
      sample: esx3.example.com
maintenance:
  description: Whether the host is in maintenance mode now. In check mode, whether it would be.
  returned: success
  type: bool
  sample: true
shut_down_guests:
  description: Guests that were shut down. In check mode, those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the guest.
      type: str
      sample: vm-43
    name:
      description: Its name.
      type: str
      sample: test01
running_guests:
  description: Guests that run on the host and would have to leave.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the guest.
      type: str
      sample: vm-42
    name:
      description: Its name.
      type: str
      sample: web01
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.host_maintenance import (
    MaintenanceOptions,
    run_host_maintenance,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(MaintenanceOptions),
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_host_maintenance)


if __name__ == "__main__":
    main()
