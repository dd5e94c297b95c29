# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_compare
short_description: Compare the objects of awx_setup with those of AWX
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns for the playbook C(evenkeel.cluster.awx_setup) which of its objects exist, which of them others created, and
    which cannot be tried in check mode, because they refer to objects that do not exist yet.
positional: _input, read
options:
  _input:
    description: What the filter P(evenkeel.cluster.awx_objects#filter) returns.
    type: dict
    required: true
  read:
    description: Objects of AWX of the same names, by endpoint.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show why the playbook would start nothing
  ansible.builtin.debug:
    msg: "{{ (objects | evenkeel.cluster.awx_compare(read)).refused }}"
"""

RETURN = r"""
_value:
  description: The comparison.
  type: dict
  contains:
    refused:
      description: Why nothing may be started, one sentence each.
      type: list
      elements: str
    items:
      description: The objects by endpoint, without those that the playbook only uses.
      type: dict
    later:
      description: Objects that refer to others that do not exist.
      type: list
      elements: str
    broken_nodes:
      description: Nodes of the workflow to be replaced.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def awx_compare(wanted: Mapping[str, Any], read: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Returns the wanted objects with what AWX has of them."""
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.awx_setup.found import compare

    return compare(wanted, read)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_compare": awx_compare}
