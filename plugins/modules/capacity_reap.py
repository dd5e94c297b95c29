#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_reap
short_description: End leases that are over, or whose owner is gone
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Ends leases whose lifetime is over, whose process has ended, or whose owner is gone, and returns them.
  - >-
    A lease whose lifetime is over frees its capacity at once, without this module. The module is for owners whose end only another
    system knows, and for cleaning up after leases that have ended.
  - It connects to no platform and does not change the guests of leases that end.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.group
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
options:
  gone_owners:
    description: Owners that are gone.
    type: list
    elements: str
  living_owners:
    description:
      - All owners that still exist. The leases of every other owner end. Leases without an owner stay.
      - The list must not be empty, so that a failure to read it does not end every lease.
    type: list
    elements: str
  grace:
    description: Leases requested within this time, in seconds or as V(5m), stay, because their owner may be newer than the list of O(living_owners).
    type: str
    default: "300"
seealso:
  - module: evenkeel.cluster.capacity_lease
  - module: evenkeel.cluster.capacity_info
"""

EXAMPLES = r"""
- name: List the running jobs
  ansible.builtin.uri:
    url: https://ci.example.com/api/jobs?state=running
  register: jobs

- name: End the leases of all other jobs
  evenkeel.cluster.capacity_reap:
    living_owners: "{{ jobs.json | map(attribute='url') }}"
  register: result

- name: Show the leases that ended
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.reason }}"
  loop: "{{ result.reaped }}"
"""

RETURN = r"""
reaped:
  description: The leases that ended, as M(evenkeel.cluster.capacity_lease) returns them. In check mode, those that would end.
  returned: success
  type: list
  elements: dict
  sample:
    - name: build-4711
      phase: Released
      reason: Its owner https://ci.example.com/job/4711 is gone
      end_cause: owner gone
      ended_at: "2026-02-01T00:00:00Z"
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_info import (
    run_capacity_reap,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import ReapOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(ReapOptions), supports_check_mode=True)
    hide_secrets(module, os.environ)
    run_module(module, run_capacity_reap)


if __name__ == "__main__":
    main()
