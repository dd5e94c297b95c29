# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who started a run, for the history: a user of a machine, and the job of AWX."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from typing import Any

from .._model.text.wording import is_storable

# The name of an entry, and the variable of AWX; automation controller of before has them with tower_, too.
_VARIABLES = {
    "job": "job_id",
    "template": "job_template_name",
    "launch_type": "job_launch_type",
    "awx_user": "user_name",
    "schedule": "schedule_name",
    "workflow": "workflow_job_name",
}
_PREFIXES = ("awx_", "tower_")
_LONGEST = 500


def job_of(variables: Mapping[str, Any]) -> dict[str, str]:
    """What AWX tells a playbook of its job, from the variables of a play."""
    found = {}
    for entry, name in _VARIABLES.items():
        values = (variables.get(prefix + name) for prefix in _PREFIXES)
        value = next((value for value in values if value not in (None, "")), None)
        if value is not None:
            found[entry] = str(value)
    return found


def who_started(given: Mapping[str, Any] | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The user and the machine, the job where AWX runs it, and what a task says besides."""
    found = {"user": _user(), "controller": socket.gethostname(), "process": str(os.getpid())}
    if environment.get("SUDO_USER"):
        found["sudo_user"] = environment["SUDO_USER"]
    # AWX names its own address beside the number of the job.
    if environment.get("JOB_ID") and environment.get("AWX_HOST"):
        found |= {"job": environment["JOB_ID"], "awx": environment["AWX_HOST"]}
    for name, value in (given or {}).items():
        found[str(name)] = str(value)
    return {name: _stored(value) for name, value in found.items()}


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # In a container that runs as a number.
        return str(os.getuid())


def _stored(text: str) -> str:
    return (text if is_storable(text) else ascii(text))[:_LONGEST]
