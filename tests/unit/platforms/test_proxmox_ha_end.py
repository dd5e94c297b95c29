# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the end of a migration by HA is judged while the guest on its source is still locked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.migrate.poll import (
    LOCK_SECONDS,
    TaskPoller,
)

REQUEST = MigrationRequest(guest="100", source="pve1", target="pve2")
ASKED = "UPID:pve1:00000001:00000001:60000000:hamigrate:100:root@pam:"
REAL = "UPID:pve1:00000002:00000002:60000001:qmigrate:100:root@pam:"


class Node:
    """Answers for a guest that HA failed to migrate."""

    def __init__(self, lock: str | None) -> None:
        self.lock = lock
        self.ended = True

    def get(self, path: str, **params: object) -> Any:
        guest = {"vmid": 100, "type": "qemu", "node": "pve1", "status": "running", "hastate": "started"}
        end = (
            {"status": "stopped", "exitstatus": "migration problems"} if self.ended else {"status": "running"}
        )
        answers: Mapping[str, object] = {
            "cluster/resources": [guest | {"lock": self.lock}] if params.get("type") == "vm" else [],
            "nodes/pve1/tasks": [{"upid": REAL, "type": "qmigrate"}],
            f"nodes/pve1/tasks/{REAL}/status": end,
            f"nodes/pve1/tasks/{REAL}/log": [{"n": 1, "t": "ERROR: no space left"}],
            "nodes/pve1/qemu/100/status/current": {"qmpstatus": "running"},
        }
        return answers[path]


def states(node: Node, seconds: list[float]) -> list[str]:
    """The state at each of the seconds after the first poll."""
    now = 0.0
    session: Any = node
    poller = TaskPoller(session, lambda: now, lambda _request: None)
    poller.register(ASKED, (), "running")
    found: list[str] = []
    for now in seconds:  # noqa: B007 - the poller reads it
        found.append(poller.poll({ASKED: REQUEST})[ASKED].state)
    return found


def test_a_failed_migration_by_ha_has_not_ended_while_its_lock_may_still_go() -> None:
    # When the lock has stayed, the places are read once more before the end counts.
    moments = [0, 1, LOCK_SECONDS - 0.1, LOCK_SECONDS, LOCK_SECONDS]
    assert states(Node("migrate"), moments) == ["running"] * 4 + ["failed"]


def test_a_failed_migration_by_ha_has_ended_when_no_lock_is_left() -> None:
    assert states(Node(None), [0, 1]) == ["running", "failed"]


def test_another_lock_does_not_delay_the_end() -> None:
    assert states(Node("backup"), [0, 1]) == ["running", "failed"]


def test_a_migration_by_ha_that_still_runs_has_not_ended() -> None:
    node = Node(None)
    node.ended = False
    assert states(node, [0, 1, 1000]) == ["running"] * 3
