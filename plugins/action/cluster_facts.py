# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection in the folder that the user started Ansible in. meta/runtime.yml names the
modules.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import name_start_folder


class ActionModule(NormalAction):  # type: ignore[misc]
    """The action plugin `normal`, which in addition names that folder."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        name_start_folder(self)
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result
