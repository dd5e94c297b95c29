# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migrations
short_description: Migrations of a plan or an outcome that match a result or an expression
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns the migrations of a plan or of an outcome that match any of the options, as they are in there. Without an option all migrations are
    returned.
  - Apply the filter to its own result to select by several options that must all match.
positional: _input
options:
  _input:
    description: >-
      A plan or an outcome, the text of a file with one, a dictionary in which it is C(plan) or C(outcome), such as the result of
      M(evenkeel.cluster.vm_migrate), or a list of migrations.
    type: raw
    required: true
  names:
    description: Ids, names, or shell patterns of names of guests, such as V(web*).
    type: list
    elements: str
  regex:
    description: Regular expression that must match the guest's name from its start.
    type: str
  kinds:
    description: Kinds of migrations of a plan.
    type: list
    elements: str
    choices: [balance, rule, evacuate, relieve, consolidate, parking, storage, manual, rollback]
  results:
    description: Results of migrations of an outcome.
    type: list
    elements: str
    choices: [migrated, already_there, planned, skipped, refused, failed, cancelled]
  where:
    description:
      - JMESPath expression that is true for the migration, such as V(cost.seconds > `600`).
      - Functions besides those of JMESPath are C(bytes), C(seconds), C(like) and C(matches). An invalid expression is refused with
        the column of the mistake.
      - Requires the Python library C(jmespath) on the controller.
    type: str
"""

EXAMPLES = r"""
- name: Show the migrations that failed, with the reason
  ansible.builtin.debug:
    msg: "{{ run | evenkeel.cluster.migrations(results=['failed', 'refused']) | map(attribute='why') }}"

- name: Show the guests that a plan takes away from a host
  ansible.builtin.debug:
    msg: "{{ plan | evenkeel.cluster.migrations(where=expression) | map(attribute='guest.name') }}"
  vars:
    expression: from == 'pve1' && cost.seconds < seconds('10m')
"""

RETURN = r"""
_value:
  description: The migrations that match, in their order.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError


def migrations(value: Any, **options: Any) -> list[Any]:
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.selected import (
        selected_migrations,
    )

    try:
        return selected_migrations(value, **options)
    except EvenKeelError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter migrations."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"migrations": migrations}
