# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real client, proxmoxer, on a simulated Proxmox VE."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

Refusal = tuple[int, str]


def log_in(simulator: Simulator, **changes: object) -> Any:
    options = {"user": simulator.user, "password": simulator.password, **changes}
    return ProxmoxAPI(
        simulator.host, port=simulator.port, verify_ssl=simulator.ca_path, timeout=PATIENCE_SECONDS, **options
    )


def log_in_by_token(simulator: Simulator, token: str, value: str) -> Any:
    user, _, name = token.partition("!")
    return log_in(simulator, user=user, password=None, token_name=name, token_value=value)


def refusal(call: Callable[[], object]) -> Refusal:
    """The status and the text of a call that fails."""
    try:
        answer = call()
    except ResourceException as error:
        return error.status_code, str(error.content)
    raise AssertionError(f"not refused: {answer}")


def finished(api: Any, upid: str) -> dict[str, Any]:
    """The status of a task that has ended."""
    node = upid.split(":")[1]
    return until(lambda: _stopped(api.nodes(node).tasks(upid).status.get()))


def _stopped(status: dict[str, Any]) -> dict[str, Any] | None:
    return status if status["status"] == "stopped" else None


def until(look: Callable[[], Any], seconds: float = 10) -> Any:
    """What `look` returns once it is something."""
    alarm = time.monotonic() + seconds
    while time.monotonic() < alarm:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing after {seconds} s")


def place(api: Any, vmid: int) -> str:
    found = [row for row in api.cluster.resources.get(type="vm") if row["vmid"] == vmid]
    return str(found[0]["node"])
