# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_objects
short_description: Objects of AWX from the variables of awx_setup
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Checks the variables of the playbook C(evenkeel.cluster.awx_setup) and returns the objects that AWX should have.
  - The result contains the inputs of credentials. Use C(no_log) on tasks that show it.
positional: _input
options:
  _input:
    description: The variables whose names start with C(awx_), as a dictionary.
    type: dict
    required: true
  part:
    description: What to return.
    type: str
    choices:
      objects: The objects.
      error: What is wrong with the variables as one sentence, or an empty text. Secrets are not part of it.
      requirements: What has to be installed as one sentence, or an empty text.
    default: objects
"""

EXAMPLES = r"""
- name: Check a variables file without AWX
  ansible.builtin.assert:
    that: problem == ''
    fail_msg: "{{ problem }}"
  vars:
    variables: "{{ lookup('ansible.builtin.file', 'awx.yml') | from_yaml }}"
    problem: "{{ variables | evenkeel.cluster.awx_objects(part='error') }}"
"""

RETURN = r"""
_value:
  description: What O(part) asks for. A text with O(part=error) and O(part=requirements).
  type: dict
"""

import functools
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.awx_setup.files import Files
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

_ROOT = Path(__file__).resolve().parents[2]
_KINDS = ("credential_types", "job_templates", "surveys")
_ROLES = ("balance", "evacuate", "place", "lease", "report")


@functools.cache
def _files() -> Files:
    """Returns the files of the collection that are posted to AWX."""
    return Files.of(
        {
            kind: {
                file.stem: json.loads(file.read_text(encoding="utf-8"))
                for file in sorted((_ROOT / "extensions" / "awx" / kind).glob("*.json"))
            }
            for kind in _KINDS
        }
    )


@functools.cache
def _role_options() -> dict[str, Mapping[str, Any]]:
    options: dict[str, Mapping[str, Any]] = {}
    for role in _ROLES:
        file = _ROOT / "roles" / role / "meta" / "argument_specs.yml"
        options.update(yaml_load(file.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    return options


def _requirements() -> str:
    try:
        found = importlib.util.find_spec("ansible_collections.awx.awx")
    except ModuleNotFoundError:
        found = None
    missing = "The collection awx.awx is required. Install it: ansible-galaxy collection install awx.awx"
    return "" if found else missing


def awx_objects(values: object, part: str = "objects") -> dict[str, Any] | str:
    """Returns the objects of the variables of awx_setup, or what is wrong with the variables."""
    if not isinstance(values, Mapping):
        raise AnsibleFilterError(f"A dictionary of variables is required, not {type(values).__name__}.")
    if part not in ("objects", "error", "requirements"):
        raise AnsibleFilterError(f"part: {part!r} is not objects, error or requirements.")
    if part == "requirements":
        return _requirements()
    # Imported here: Ansible loads every filter of the collection in each task that uses one.
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.awx_setup.settings import (
        read_settings,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.awx_setup.variables import (
        variable_checker,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.awx_setup.wanted import (
        wanted_objects,
    )

    files = _files()
    try:
        wanted = wanted_objects(
            read_settings(
                {str(key): value for key, value in values.items()}, files, variable_checker(_role_options())
            ),
            files,
        )
    except EvenKeelError as error:
        if part == "error":
            return str(error)
        raise AnsibleFilterError(str(error)) from None
    return "" if part == "error" else wanted


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_objects": awx_objects}
