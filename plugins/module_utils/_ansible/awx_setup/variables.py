# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables of job templates against the options of the roles that will receive them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..._model.errors import InputError
from ..role_variables import OF_PLAYBOOKS
from .section import unknown

_PREFIXES = (
    "balance_",
    "evacuate_",
    "host_load_",
    "lease_",
    "pipeline_",
    "place_",
    "reap_",
    "report_",
)


def variable_checker(
    roles: Mapping[str, Mapping[str, Any]],
) -> Callable[[str, Mapping[str, object]], None]:
    """Returns a function that refuses variables that no role or playbook has. `roles`: options by name."""
    known = {**roles, **OF_PLAYBOOKS}

    def check(path: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            where = f"{path}.{key}"
            if key not in known:
                if key.startswith(_PREFIXES):
                    raise unknown(where, key, sorted(known))
                if not re.fullmatch(r"[A-Za-z_]\w*", key):
                    raise InputError(where, key, "a name of a variable")
                continue
            option = {
                part: entry for part, entry in known[key].items() if part not in ("required", "default")
            }
            if option.get("no_log"):
                raise InputError(
                    where,
                    None,
                    "elsewhere",
                    statement=" is a secret, and AWX shows extra variables to every user of the template",
                    hint="Use awx_credentials",
                )
            messages = ArgumentSpecValidator({key: option}).validate({key: value}).error_messages
            if messages:
                raise InputError(where, value, "possible", statement=f": {messages[0].rstrip('.')}")

    return check
