# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that turns errors into fail_json. Private to the collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._model.errors import EvenKeelError
from .environment import SECRETS, STATE_VARIABLE, VARIABLES


def run_module(module: AnsibleModule, verb: Callable[[dict[str, Any], bool], dict[str, Any]]) -> None:
    """Call a verb with the options and whether this is check mode, and end the module with what it gives."""
    try:
        result = verb(module.params, module.check_mode)
    except EvenKeelError as error:
        module.fail_json(msg=str(error), error=type(error).__name__)
    for notice in result.pop("warnings", ()):
        module.warn(notice)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def hide_secrets(module: AnsibleModule, environment: Mapping[str, str]) -> None:
    """Secrets that come from the environment are as secret as options with no_log."""
    if environment.get(STATE_VARIABLE):
        module.no_log_values.add(environment[STATE_VARIABLE])
    for variables in VARIABLES.values():
        for option, variable in variables.items():
            if option in SECRETS and environment.get(variable):
                module.no_log_values.add(environment[variable])
