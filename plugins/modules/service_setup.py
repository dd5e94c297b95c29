#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_setup
short_description: Install the service for requests as a unit of systemd
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Installs the service that accepts requests to place VMs and to lease capacity on this machine, as the unit C(evenkeel-service.service), and
    removes it without a trace. The state database stays.
  - systemd starts the service with the machine and again after any end. The service runs in a sandbox. It can write to C(~/.ansible), the folder
    of the state database, and O(writable).
  - Secrets are in files of mode 0600 below C(/etc/evenkeel/service), never on a command line, in a unit or in a diff.
  - The unit is checked by C(systemd-analyze), and the configuration and its secrets by the service itself as its user, before anything is
    installed. If one of them is refused, or the service does not start, nothing is changed.
  - When the service is changed or removed, it accepts no more requests and waits up to C(work.stop_within) for its playbooks to end.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
options:
  state:
    description:
      - V(present) installs the service, or changes it.
      - V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Configuration of the service, without secrets. Required when O(state=present).
    type: dict
  inventory:
    description: Path of the inventory of the clusters, or a list of paths. Required when O(state=present).
    type: raw
  user:
    description: User that the service runs as. Defaults to the user who called C(sudo), and otherwise to the user who runs the module.
    type: str
  environment:
    description: Environment variables that are not secret. Everybody on the machine can read them.
    type: dict
  secrets:
    description: Environment variables that are secret, such as C(EVENKEEL_SERVICE_TOKEN), written to a file of mode 0600.
    type: dict
  credentials:
    description:
      - Secret files, which only the service can read, by C(LoadCredential=). Requires systemd 247 or newer.
      - One with the name of an environment variable, such as C(EVENKEEL_SERVICE_TOKEN), is used like that variable. Others are in the folder that
        the environment variable C(CREDENTIALS_DIRECTORY) names.
    type: dict
  vault_password:
    description: Password of the vault of the inventory. It is kept as the credential C(vault_password).
    type: str
  directory:
    description: Folder in which playbooks start, and where they find C(ansible.cfg). Defaults to the home of the user.
    type: path
  writable:
    description: Paths of existing folders that playbooks write files to, beside those above.
    type: list
    elements: path
  program:
    description: Path of C(evenkeel-service). Defaults to that of the collection in the usual folders of collections.
    type: path
  python:
    description: Path of the Python that runs the service, with Ansible and the libraries of the service. Defaults to the Python that runs the module.
    type: path
  root:
    description: Install below this folder, such as the image of a machine. Nothing is started then, and paths of that machine are not checked.
    type: path
    default: /
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - The content of files with secrets is not shown.
seealso:
  - module: evenkeel.cluster.service_info
"""

EXAMPLES = r"""
- name: Install the service
  become: true
  evenkeel.cluster.service_setup:
    user: evenkeel
    inventory: /etc/evenkeel/clusters.yml
    config:
      http: {port: 8080}
      receivers:
        - {name: ci, url: "https://ci.example.com/hooks/evenkeel", secret_env: HOOK_CI}
    environment:
      PROXMOX_HOST: pve1
      PROXMOX_USER: place@pve
      PROXMOX_TOKEN_ID: place
    secrets:
      EVENKEEL_SERVICE_TOKEN: "{{ vault_service_token }}"
      HOOK_CI: "{{ vault_hook_ci }}"
      PROXMOX_TOKEN_SECRET: "{{ vault_pve_token }}"

- name: Remove the service
  become: true
  evenkeel.cluster.service_setup:
    state: absent
"""

RETURN = r"""
unit:
  description: Name of the unit. Null when O(state=absent).
  returned: success
  type: str
  sample: evenkeel-service.service
user:
  description: User that the service runs as. Null when O(state=absent).
  returned: success
  type: str
  sample: evenkeel
command:
  description: What is started. Empty when O(state=absent).
  returned: success
  type: list
  elements: str
  sample:
    - /usr/bin/python3
    - /usr/share/ansible/collections/ansible_collections/evenkeel/cluster/extensions/service/evenkeel-service
    - --config
    - /etc/evenkeel/service/service.json
    - --inventory
    - /etc/evenkeel/clusters.yml
files:
  description: Files of the service. Empty when O(state=absent).
  returned: success
  type: list
  elements: str
  sample: [/etc/evenkeel/service/environment, /etc/evenkeel/service/service.json, /etc/systemd/system/evenkeel-service.service]
report:
  description: The result as lines for people.
  returned: success
  type: list
  elements: str
  sample: ["evenkeel-service.service runs as evenkeel"]
diff:
  description: The files before and after. The content of files with secrets is not shown.
  returned: success
  type: list
  elements: dict
  contains:
    before_header:
      description: Path of the file.
      type: str
      sample: /etc/evenkeel/service/service.json
    before:
      description: Its former content.
      type: str
      sample: ""
    after_header:
      description: Path of the file.
      type: str
      sample: /etc/evenkeel/service/service.json
    after:
      description: Its new content.
      type: str
      sample: "{}"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.service_setup import (
    run_service_setup,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.service_setup.unit import (
    ServiceSetupOptions,
)


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(ServiceSetupOptions), supports_check_mode=True)
    run_module(module, run_service_setup)


if __name__ == "__main__":
    main()
