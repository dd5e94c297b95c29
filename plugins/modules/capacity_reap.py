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
  - Ends leases whose lifetime is over, whose process has ended, or whose owner is gone, and tells which.
  - >-
    A lease that is over holds nothing from that moment on, whether or not anybody runs this module. It is for owners that only
    something else knows to be gone, and for whoever has to clean up after leases that end.
  - It touches no platform. Guests of leases that end are left alone.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity
  - evenkeel.cluster.capacity.changes
options:
  gone_owners:
    description: Owners that are gone.
    type: list
    elements: str
  living_owners:
    description:
      - All owners that there still are. Every other owner is gone. Leases without an owner are left alone.
      - It may not be empty, lest a list that could not be had ends every lease.
    type: list
    elements: str
  grace:
    description: Leases that were asked for within so many seconds are spared, since their owner may be younger than O(living_owners).
    type: float
    default: 300
seealso:
  - module: evenkeel.cluster.capacity_lease
  - module: evenkeel.cluster.capacity_info
"""

EXAMPLES = r"""
- name: Which jobs run
  ansible.builtin.uri:
    url: https://ci.example.com/api/jobs?state=running
  register: jobs

- name: End the leases of those that do not
  evenkeel.cluster.capacity_reap:
    living_owners: "{{ jobs.json | map(attribute='url') }}"
  register: result

- name: Tell
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
