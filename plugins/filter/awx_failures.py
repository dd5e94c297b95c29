# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_failures
short_description: Messages of failed tasks of awx_setup without secrets
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - AWX repeats values that it rejects. The playbook C(evenkeel.cluster.awx_setup) does not log tasks that send secrets, and
    reports their failures by this filter.
positional: _input, items
options:
  _input:
    description: Results of a loop.
    type: list
    elements: dict
    required: true
  items:
    description: The objects that the loop was about. Their fields name the secrets.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Report failures
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ outcome.results | evenkeel.cluster.awx_failures(credentials) }}"
"""

RETURN = r"""
_value:
  description: One message for each failure.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def awx_failures(results: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the messages of failed results, with asterisks instead of secrets."""
    secrets = set()
    for item in items:
        fields = item["fields"]
        values = fields.get("inputs") or fields.get("configuration") or {}
        for key in fields["secrets"]:
            secrets |= {str(values[key]), repr(values[key])[1:-1]} if values.get(key) else set()
    messages = []
    for result in results:
        if result.get("msg"):
            text = str(result["msg"])
            if result.get("response"):
                text = f"{text}: {result['response']}"
            for secret in sorted(secrets, key=len, reverse=True):
                text = text.replace(secret, "********")
            messages.append(text)
    return messages


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_failures": awx_failures}
