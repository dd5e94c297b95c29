# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that turns errors into fail_json."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, _load_params

from .._model.errors import EvenKeelError, InputError
from .._model.text.wording import is_storable
from .options.variables import SECRETS, STATE_VARIABLE, VARIABLES
from .start_folder import enter_start_folder

# Such options are seconds, of which this is 30 years, or percentages; sizes are whole numbers.
_LARGEST = 1_000_000_000


def run_module(module: AnsibleModule, action: Callable[[dict[str, Any], bool], dict[str, Any]]) -> None:
    """Calls an action with the options and the check mode, and ends the module with its result."""
    try:
        refuse_unusable(module.params, module.no_log_values)
        enter_start_folder(module.params, module.argument_spec, os.environ)
        result = action(module.params, module.check_mode)
    except EvenKeelError as error:
        module.fail_json(msg=str(error), error=type(error).__name__)
    for notice in result.pop("warnings", ()):
        module.warn(notice)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def given_arguments() -> Mapping[str, Any]:
    """The options that the task sets, as it sets them: AnsibleModule does not say which of its params are
    defaults. To be called before AnsibleModule is made.
    """
    given: dict[str, Any] = _load_params()
    return given


def refuse_unusable(params: Mapping[str, Any], secrets: Collection[str] = ()) -> None:
    """Raises InputError for an option that no action can use: a number of seconds that is NaN or infinite, or
    a text that neither a file's name nor a database can hold. What is inside of dictionaries is checked where
    it is read.
    """
    for option, value in params.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str) and not is_storable(item):
                shown = "a secret" if item in secrets else item
                raise InputError(option, shown, "a text without NUL and without halves of surrogate pairs")
            largest = _LARGEST if isinstance(item, float) else 2**62
            if isinstance(item, (int, float)) and not -largest <= item <= largest:
                raise InputError(option, item, f"a number between -{largest} and {largest}")


def hide_secrets(module: AnsibleModule, environment: Mapping[str, str]) -> None:
    """Secrets that come from the environment are as secret as options with no_log."""
    if environment.get(STATE_VARIABLE):
        module.no_log_values.add(environment[STATE_VARIABLE])
    for variables in VARIABLES.values():
        for option, variable in variables.items():
            if option in SECRETS and environment.get(variable):
                module.no_log_values.add(environment[variable])
