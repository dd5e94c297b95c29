# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, and tells it which ansible-playbook it belongs to."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import name_start_folder


class ActionModule(ActionBase):  # type: ignore[misc]
    """A task runs in a child of ansible-playbook: when that parent has ended, nobody works any more."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        name_start_folder(self)
        arguments = dict(self._task.args)
        if self._connection.transport == "local" and arguments.get("worker_pid") is None:
            arguments["worker_pid"] = os.getppid()
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result
