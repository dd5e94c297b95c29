# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the report of a role, and fails with its reason."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.audience import (
    lines_are_read,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import readable

ARGUMENTS = {
    "report": {"type": "list", "elements": "str", "default": []},
    "show": {"type": "bool", "default": True},
    "error": {"type": "str", "default": ""},
    "error_type": {"type": "str", "default": ""},
    "changed": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """A report is shown as lines, not as a list in JSON."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        report = [readable(line) for line in arguments["report"]]
        stdout = constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
        shown = arguments["show"] and lines_are_read(stdout, os.environ)
        if shown and report:
            # At once, or the lines of two clusters would mix.
            Display().display("\n".join(report))
        if arguments["error"]:
            kind = {"error": arguments["error_type"]} if arguments["error_type"] else {}
            return {**found, **kind, "failed": True, "msg": arguments["error"]}
        return {**found, "changed": arguments["changed"], "report": report}
