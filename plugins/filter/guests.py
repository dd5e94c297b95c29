# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: guests
short_description: Guests of a snapshot that match names, tags or an expression
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns the guests of a snapshot that match any of the options, as they are in there. Without an option all guests are
    returned.
  - Apply the filter to its own result to select by several options that must all match.
positional: _input
options:
  _input:
    description: >-
      A snapshot, the text of a snapshot file, a dictionary in which it is C(evenkeel_snapshot) or C(snapshot), or a list of
      guests.
    type: raw
    required: true
  names:
    description: Ids, names, or shell patterns of names, such as V(web*).
    type: list
    elements: str
  regex:
    description: Regular expression that must match a name from its start.
    type: str
  tags:
    description: Shell patterns of tags.
    type: list
    elements: str
  pools:
    description: Names or shell patterns of pools.
    type: list
    elements: str
  kinds:
    description: Kinds of guests.
    type: list
    elements: str
    choices: [vm, container]
  where:
    description:
      - JMESPath expression that is true for the guest, such as V(power == 'running' && used.memory > `8589934592`).
      - Functions besides those of JMESPath are C(bytes), C(seconds), C(like) and C(matches). An invalid expression is refused with
        the column of the mistake.
      - Requires the Python library C(jmespath) on the controller.
    type: str
"""

EXAMPLES = r"""
- name: Show the large guests of production
  ansible.builtin.debug:
    msg: "{{ large | map(attribute='name') }}"
  vars:
    large: "{{ ansible_facts.evenkeel_snapshot | evenkeel.cluster.guests(where=expression) }}"
    expression: contains(tags, 'prod') && used.memory > bytes('8G')

- name: Stop where a guest of a snapshot file can't be migrated
  ansible.builtin.assert:
    that: lookup('ansible.builtin.file', 'snapshot.json') | evenkeel.cluster.guests(where='!migratable') == []

- name: Count the web servers that are running, by tag and by expression
  ansible.builtin.debug:
    msg: "{{ snapshot | evenkeel.cluster.guests(tags=['web']) | evenkeel.cluster.guests(where=expression) | length }}"
  vars:
    expression: power == 'running'
"""

RETURN = r"""
_value:
  description: The guests that match, in their order.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError


def guests(value: Any, **options: Any) -> list[Any]:
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.selected import selected_guests

    try:
        return selected_guests(value, **options)
    except EvenKeelError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter guests."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"guests": guests}
