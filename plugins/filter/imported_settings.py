# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: imported_settings
short_description: Variables of an inventory from the settings of another balancer
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Reads the C(.env) file of vm-balancer, C(prs.conf) of the Proxmox Rebalancing Service, or C(proxlb.yaml) of ProxLB, and returns
    the variables of the role P(evenkeel.cluster.balance#role) that mean the same.
  - Every setting that cannot be carried over is listed with the reason.
  - Passwords and tokens are not part of the variables, which refer to vault variables instead. With O(part=secrets) the
    filter returns the values of these vault variables.
  - The playbook C(evenkeel.cluster.import_settings) writes both to files.
positional: _input, name
options:
  _input:
    description: The text of the file.
    type: str
    required: true
  name:
    description: Name of the inventory host. If the file names several clusters, their ids are appended.
    type: str
    default: production
  part:
    description: What to return.
    type: str
    choices:
      settings: Everything except the secrets.
      secrets: The values of the vault variables, by name. Use C(no_log) on the task.
      error: What is wrong with the file as one sentence, or an empty text. The other parts fail then.
    default: settings
"""

EXAMPLES = r"""
- name: Show the settings that have no equivalent
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', '/etc/proxlb/proxlb.yaml') | evenkeel.cluster.imported_settings).not_carried_over }}"
"""

RETURN = r"""
_value:
  description: What O(part) asks for. A text with O(part=error).
  type: dict
  contains:
    source:
      description: The balancer whose file it is, with O(part=settings).
      type: str
      returned: with O(part=settings)
    inventory:
      description: An inventory with the group C(clusters).
      type: dict
      returned: with O(part=settings)
    secret_names:
      description: Names of the vault variables that the inventory refers to and whose values the file contains.
      type: list
      elements: str
      returned: with O(part=settings)
    not_carried_over:
      description: Settings without an equivalent.
      type: list
      elements: dict
      returned: with O(part=settings)
      contains:
        setting:
          description: Name of the setting.
          type: str
        why:
          description: The reason, and what to do instead.
          type: str
"""

from collections.abc import Callable
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError


def _yaml(text: str) -> object:
    """Raises ValueError without quoting the text, which contains secrets."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ValueError(where) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("it contains characters or values that YAML does not allow") from None


def imported_settings(text: object, name: str = "production", part: str = "settings") -> dict[str, Any] | str:
    """Returns the settings or the secrets of another balancer's file, or what is wrong with it."""
    if not isinstance(text, str):
        raise AnsibleFilterError(f"The text of a file is required, not {type(text).__name__}.")
    if part not in ("settings", "secrets", "error"):
        raise AnsibleFilterError(f"part: {part!r} is not settings, secrets or error.")
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.imported_settings.importer import (
        as_settings,
        import_settings,
    )

    try:
        found = import_settings(text, name, _yaml)
    except EvenKeelError as error:
        if part == "error":
            return str(error)
        raise AnsibleFilterError(str(error)) from None
    if part == "error":
        return ""
    return as_settings(found) if part == "settings" else dict(found.secrets)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"imported_settings": imported_settings}
