# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths in options are relative to the folder that the user started Ansible in.

Ansible runs a module in the folder of the playbook, which may be inside an installed collection. The action
plugin, which runs in the process of ansible-playbook, names its folder in an environment variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

STARTED_IN = "EVENKEEL_STARTED_IN"


def with_start_folder(environment: Any, folder: str) -> list[Any]:
    """The `environment` of a task, as Ansible has it, with the folder."""
    found = environment if isinstance(environment, list) else [environment]
    return [*(part for part in found if part), {STARTED_IN: folder}]


def name_start_folder(action: Any) -> None:
    """Names the folder for the module that an action plugin runs; on the controller only, since no other
    machine has it.
    """
    if action._connection.transport == "local":
        action._task.environment = with_start_folder(action._task.environment, os.getcwd())


def enter_start_folder(
    params: dict[str, Any], argument_spec: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> None:
    """Continue in the folder, and make the paths among the options absolute, so that messages and results
    name them whole. Nothing happens where the module runs on another machine.
    """
    folder = environment.get(STARTED_IN)
    if not folder:
        return
    # Another user, by become, may not be allowed to enter it.
    with suppress(OSError):
        os.chdir(folder)
    for name, option in argument_spec.items():
        value = params.get(name)
        if option.get("type") == "path" and value:
            params[name] = os.path.join(folder, value)
        elif option.get("elements") == "path" and value:
            params[name] = [os.path.join(folder, item) for item in value]
