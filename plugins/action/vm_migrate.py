# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name and shows its progress meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.audience import (
    FOLDER_VARIABLE,
    lines_are_read,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import (
    ProgressDisplay,
    ProgressFolder,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import name_start_folder
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.started_by import job_of


class ActionModule(ActionBase):  # type: ignore[misc]
    """Nothing is shown in check mode, where nothing takes time, nor of a module that runs elsewhere."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        name_start_folder(self)
        job = job_of(task_vars or {})
        if job and not self._task.args.get("started_by"):
            # A module sees no variables.
            self._task.args["started_by"] = job
        result = self._run(super().run(tmp, task_vars), task_vars)
        if context.CLIARGS.get("diff") and not self._task.diff:
            # It would be shown although the task says diff: false.
            result.pop("diff", None)
        return result

    def _run(self, result: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if (
            self._task.check_mode
            or self._connection.transport != "local"
            or self._task.args.get("progress_path")
        ):
            result.update(self._execute_module(task_vars=task_vars))
            return result
        host = (task_vars or {}).get("inventory_hostname", "")
        watched = os.environ.get(FOLDER_VARIABLE)
        if watched:
            path = ProgressFolder.file_of(Path(watched), host)
            path.touch()
            arguments = {**self._task.args, "progress_path": str(path)}
            try:
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
            finally:
                path.unlink(missing_ok=True)
            return result
        with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
            path = Path(folder, "progress.jsonl")
            path.touch()
            arguments = {**self._task.args, "progress_path": str(path)}
            stdout = constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
            show = Display().display if lines_are_read(stdout, os.environ) else Display().vv
            with ProgressDisplay(path, lambda line: show(f"{host}: {line}")):
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result
