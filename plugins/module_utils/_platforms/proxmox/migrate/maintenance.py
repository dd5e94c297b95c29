# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode of a node, which the API shows and has no call to switch; and guests that are shut down
before it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ...errors import NotFound, PlatformError, Refused, UnexpectedAnswer
from ...values import Row
from ..api.session import Session
from ..api.task_log import last_lines, reason
from ..api.values import Upid, row, rows, succeeded
from ..read.guests import id_of, path_of, power_of
from ..read.ha import NodeStates
from .co_migration import label
from .precheck import is_ha_managed

# The HA manager takes commands up in rounds of about ten seconds.
INTERVAL = 2.0
MAINTENANCE = "maintenance"
# For how long after its own time-out a shutdown may go on before it is given up on.
SHUTDOWN_GRACE = 15.0


def in_maintenance(session: Session, node: str) -> bool:
    """As the HA manager has it; a request that it has not taken up does not count."""
    return NodeStates.read(session).states.get(node) == MAINTENANCE


def demand_maintenance(session: Session, node: str) -> None:
    """Raises NotFound for a node that is not there, Refused where HA would ignore the command."""
    path = "cluster/status"
    known = [str(entry.get("name")) for entry in rows(session.get(path), path) if entry.get("type") == "node"]
    if node not in known:
        raise NotFound(
            f"there is no node {node} in this cluster",
            where=f"GET {path}",
            hint=f"The nodes are: {', '.join(known)}",
        )
    _demand_armed(NodeStates.read(session), node)


def _demand_armed(states: NodeStates, node: str) -> None:
    if states.disarmed:
        raise Refused(
            f"HA is disarmed ({states.disarmed}), and ignores commands for maintenance mode meanwhile",
            where=f"node {node}",
            hint="Arm it again first (POST cluster/ha/status/arm-ha)",
        )


def await_maintenance(
    session: Session,
    node: str,
    *,
    on: bool,
    timeout: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> None:
    """Wait until the HA manager shows what was asked for on a node."""
    deadline = monotonic() + timeout
    while True:
        states = NodeStates.read(session)
        if (states.states.get(node) == MAINTENANCE) == on:
            return
        _demand_armed(states, node)
        if monotonic() >= deadline:
            verb = "enable" if on else "disable"
            raise Refused(
                f"the HA manager does not show it {'in' if on else 'out of'} maintenance after {timeout:g} s",
                where=f"node {node}",
                hint="The API has no call for it: on a node, run"
                f" `ha-manager crm-command node-maintenance {verb} {node}`. An HA manager without guests"
                " wakes up for it within half a minute",
            )
        sleep(min(INTERVAL, max(0.0, deadline - monotonic())))


def shut_down(
    session: Session,
    entry: Row,
    states: NodeStates,
    *,
    timeout: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> None:
    """Ask the guest's operating system to shut down, and wait for it. Its power is never cut."""
    where = f"guest {label(entry)}"
    if power_of(entry) in ("stopped", "suspended"):
        return
    if is_ha_managed(entry, states):
        kind = "vm" if entry.get("type") == "qemu" else "ct"
        raise Refused(
            "HA manages it, and would start it again",
            where=where,
            hint=f"On a node, run `ha-manager set {kind}:{id_of(entry)} --state stopped`; HA then shuts it"
            " down. Set it to started afterwards",
        )
    deadline = monotonic() + timeout
    path = f"{path_of(entry)}/status/shutdown"
    task = session.post(path, {"timeout": max(1, round(timeout))})
    if not isinstance(task, str):
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    status_path = f"nodes/{Upid.parse(task).node}/tasks/{task}/status"
    while (status := row(session.get(status_path), status_path)).get("status") == "running":
        # The task itself gives up at its own time-out; what it has asked for may still come.
        if monotonic() >= deadline + SHUTDOWN_GRACE:
            break
        sleep(INTERVAL)
    if _is_off(session, entry):
        return
    end = str(status.get("exitstatus") or "it has not ended")
    why = reason(last_lines(session, task)) or end
    if succeeded(end):
        why = "the task ended, but the guest is still on"
    raise Refused(
        f"it is still on {timeout:g} s after it was asked to shut down: {why}",
        where=where,
        hint="Shut it down from inside, or migrate it. Its power was not cut",
    )


def _is_off(session: Session, entry: Row) -> bool:
    path = f"{path_of(entry)}/status/current"
    with suppress(PlatformError):
        return row(session.get(path), path).get("status") == "stopped"
    return False
