# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name and shows its progress meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import (
    ProgressDisplay,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import with_start_folder


class ActionModule(ActionBase):  # type: ignore[misc]
    """Nothing is shown in check mode, where nothing takes time, nor of a module that runs elsewhere."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._connection.transport == "local":
            self._task.environment = with_start_folder(self._task.environment, os.getcwd())
        result = self._run(super().run(tmp, task_vars), task_vars)
        if not self._task.diff:
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
        with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
            path = Path(folder, "progress.jsonl")
            path.touch()
            arguments = {**self._task.args, "progress_path": str(path)}
            with ProgressDisplay(path, lambda line: Display().display(f"{host}: {line}")):
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result
