# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a report page, in the process of ansible-playbook: no module can carry the templates along."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.report import (
    MUTUALLY_EXCLUSIVE,
    REPORT_ARGUMENTS,
    REQUIRED_ONE_OF,
    run_report,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import refuse_unusable
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import (
    STARTED_IN,
    enter_start_folder,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

ARGUMENTS = REPORT_ARGUMENTS


class ActionModule(ActionBase):  # type: ignore[misc]
    """Paths are relative to the folder that the user started Ansible in, which is that of this process."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            argument_spec=REPORT_ARGUMENTS,
            mutually_exclusive=MUTUALLY_EXCLUSIVE,
            required_one_of=REQUIRED_ONE_OF,
        )
        # Variables that are templated late, and texts with tags, become plain data.
        params = json.loads(json.dumps(arguments))
        try:
            refuse_unusable(params)
            enter_start_folder(params, REPORT_ARGUMENTS, {STARTED_IN: os.getcwd()})
            result = run_report(params, self._task.check_mode)
        except EvenKeelError as error:
            return {**found, "failed": True, "msg": str(error), "error": type(error).__name__}
        if not self._task.diff:
            del result["diff"]
        return {**found, **result}
