# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: seconds
short_description: Number of seconds of a time with a unit
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Reads a time as the options of this collection take it, such as V(30m), V(2h), V(1d) or V(1h 30m), to calculate with it.
positional: _input
options:
  _input:
    description: The time. A number without a unit counts seconds.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the longer of two times
  ansible.builtin.debug:
    msg: "{{ [balance_cool_down, '2h'] | map('evenkeel.cluster.seconds') | max }}"
"""

RETURN = r"""
_value:
  description: The number of seconds.
  type: float
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.sizes import seconds_of


def seconds(value: Any) -> float:
    try:
        found = seconds_of(value, "seconds")
    except InputError as error:
        raise AnsibleFilterError(str(error)) from None
    if found is None:
        raise AnsibleFilterError("seconds: no time is set")
    return found


class FilterModule:
    """The filter seconds."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"seconds": seconds}
