# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a host has entered or left maintenance mode: its task has ended and the mode is the requested one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from xml.etree import ElementTree

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import Found
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.migrate import (
    maintenance as module,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.waiting import WaitLimits

R = TypeVar("R")


class Session:
    """Repeats nothing."""

    def renewing(self, call: Callable[[], R]) -> R:
        return call()


def look(state: str | None, mode: bool) -> list[Found]:
    host = ElementTree.fromstring(f"<val>{str(mode).lower()}</val>")
    found = [Found("HostSystem", "host-1", {"runtime.inMaintenanceMode": host})]
    if state is not None:
        found.append(Found("Task", "task-1", {"info.state": ElementTree.fromstring(f"<val>{state}</val>")}))
    return found


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
    "looks",
    [
        [("queued", True), ("running", False), ("running", True), ("success", False), ("success", True)],
        # The task is no longer reported.
        [(None, False), (None, True)],
    ],
)
def test_the_mode_counts_when_the_task_has_ended(
    on: bool, looks: list[tuple[str | None, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([look(state, reached == on) for state, reached in looks])

    def retrieve(*_arguments: object) -> Iterable[Found]:
        return next(answers)

    monkeypatch.setattr(module, "retrieve", retrieve)
    session: Any = Session()
    limits = WaitLimits(seconds=600, sleep=lambda _seconds: None, monotonic=lambda: 0.0)
    module._follow(session, "host-1", "task-1", on, limits)
    assert list(answers) == []
