# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Hosts of a snapshot that match names, labels or an expression
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns the hosts of a snapshot that match any of the options, as they are in there. Without an option all hosts are
    returned.
  - Apply the filter to its own result to select by several options that must all match.
positional: _input
options:
  _input:
    description: >-
      A snapshot, the text of a snapshot file, a dictionary in which it is C(evenkeel_snapshot) or C(snapshot), or a list of
      hosts.
    type: raw
    required: true
  names:
    description: Ids, names, or shell patterns of names, such as V(esx1*).
    type: list
    elements: str
  regex:
    description: Regular expression that must match a name from its start.
    type: str
  pools:
    description: Names or shell patterns of pools.
    type: list
    elements: str
  labels:
    description: Labels with their values, all of which must be present.
    type: dict
  where:
    description:
      - JMESPath expression that is true for the host, such as V(status == 'online' && percent.memory > `80`).
      - Functions besides those of JMESPath are C(bytes), C(seconds), C(like) and C(matches). An invalid expression is refused with
        the column of the mistake.
      - Requires the Python library C(jmespath) on the controller.
    type: str
"""

EXAMPLES = r"""
- name: Show the hosts whose memory is more than 80 percent in use
  ansible.builtin.debug:
    msg: "{{ full | map(attribute='name') }}"
  vars:
    full: "{{ ansible_facts.evenkeel_snapshot | evenkeel.cluster.hosts(where='percent.memory > `80`') }}"

- name: Count the hosts of a rack
  ansible.builtin.debug:
    msg: "{{ snapshot | evenkeel.cluster.hosts(labels={'rack': 'a1'}) | length }}"
"""

RETURN = r"""
_value:
  description: The hosts that match, in their order.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError


def hosts(value: Any, **options: Any) -> list[Any]:
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.selected import selected_hosts

    try:
        return selected_hosts(value, **options)
    except EvenKeelError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter hosts."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hosts": hosts}
