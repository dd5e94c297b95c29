# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the end of a migration's task is judged: the guest's place decides, then the task's own state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import Found
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.migrate import (
    poll as module,
)

REQUEST = MigrationRequest(guest="vm-1", source="host-1", target="host-2")
CANCELLED = '<fault xsi:type="vim25:RequestCanceled"/>'
FULL = '<fault xsi:type="vim25:NoDiskSpace"/><localizedMessage>No space.</localizedMessage>'


def task(state: str, error: str | None = None) -> Found:
    values = {"info.state": ElementTree.fromstring(f"<val>{state}</val>")}
    values["info.progress"] = ElementTree.fromstring("<val>40</val>")
    if error is not None:
        values["info.error"] = ElementTree.fromstring(
            '<error xmlns="urn:vim25" xmlns:vim25="urn:vim25"'
            f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{error}</error>'
        )
    return Found("Task", "task-1", values)


def guest(host: str) -> Found:
    return Found("VirtualMachine", "vm-1", {"runtime.host": ElementTree.fromstring(f"<val>{host}</val>")})


@pytest.mark.parametrize(
    ("looks", "state", "why"),
    [
        ([[task("queued"), guest("host-2")]], "running", ""),
        ([[task("running"), guest("host-1")]], "running", ""),
        ([[task("success"), guest("host-2")]], "migrated", ""),
        ([[task("error"), guest("host-2")]], "migrated", ""),
        ([[guest("host-2")]], "migrated", ""),
        ([[task("success"), guest("host-1")], [guest("host-2")]], "migrated", ""),
        (
            [[task("success"), guest("host-1")], [guest("host-1")]],
            "failed",
            "vCenter reports success, but the guest is on host-1",
        ),
        ([[task("success")], []], "failed", "vCenter reports success, but the guest is gone"),
        (
            [[guest("host-1")], [guest("host-1")]],
            "failed",
            "vCenter no longer reports the task, but the guest is on host-1",
        ),
        ([[task("error", CANCELLED), guest("host-1")]], "cancelled", "the task was cancelled"),
        ([[task("error", FULL), guest("host-1")]], "failed", "No space (NoDiskSpace)"),
    ],
)
def test_end_of_a_task(monkeypatch: Any, looks: list[list[Found]], state: str, why: str) -> None:
    answers = iter(looks)

    def retrieve(*_arguments: object) -> Iterable[Found]:
        return next(answers)

    monkeypatch.setattr(module, "retrieve", retrieve)
    session: Any = None
    judged = module.poll(session, {"task-1": REQUEST})["task-1"]
    assert (judged.state, judged.why) == (state, why)
    assert list(answers) == []
