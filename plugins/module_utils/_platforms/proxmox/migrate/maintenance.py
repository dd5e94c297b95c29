# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode of a node, which the API shows and has no call to switch; and guests that are shut down
before it.
"""

from __future__ import annotations

from contextlib import suppress

from ...errors import NotFound, PlatformError, Refused, UnexpectedAnswer
from ...values import Row
from ...waiting import WaitLimits
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


def require_maintenance(session: Session, node: str) -> None:
    """Raises NotFound for a node that is not there, Refused where HA would ignore the command."""
    path = "cluster/status"
    known = [str(entry.get("name")) for entry in rows(session.get(path), path) if entry.get("type") == "node"]
    if node not in known:
        raise NotFound(
            f"there is no node {node} in this cluster",
            where=f"GET {path}",
            hint=f"The nodes are: {', '.join(known)}",
        )
    _require_ha_armed(NodeStates.read(session), node)


def _require_ha_armed(states: NodeStates, node: str) -> None:
    if states.disarmed:
        raise Refused(
            f"HA is disarmed ({states.disarmed}), and ignores commands for maintenance mode meanwhile",
            where=f"node {node}",
            hint="Arm it again first (POST cluster/ha/status/arm-ha)",
        )


def await_maintenance(session: Session, node: str, limits: WaitLimits, *, on: bool) -> None:
    """Wait until the HA manager shows what was asked for on a node."""
    for expired in limits.rounds(INTERVAL, INTERVAL):
        states = NodeStates.read(session)
        if (states.states.get(node) == MAINTENANCE) == on:
            return
        _require_ha_armed(states, node)
        if expired:
            verb = "enable" if on else "disable"
            raise Refused(
                f"the node is {'not' if on else 'still'} in maintenance mode after {limits.seconds:g} s",
                where=f"node {node}",
                hint="The API of Proxmox VE cannot switch maintenance mode. On a node, run"
                f" `ha-manager crm-command node-maintenance {verb} {node}`. Without guests under HA,"
                " the HA manager reacts within half a minute",
            )


def shut_down(session: Session, entry: Row, states: NodeStates, limits: WaitLimits) -> None:
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
    path = f"{path_of(entry)}/status/shutdown"
    task = session.post(path, {"timeout": max(1, round(limits.seconds))})
    if not isinstance(task, str):
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    status_path = f"nodes/{Upid.parse(task).node}/tasks/{task}/status"
    status: Row = {}
    # The task itself gives up at its own time-out; what it has asked for may still come.
    for expired in limits.rounds(INTERVAL, INTERVAL, SHUTDOWN_GRACE):
        status = row(session.get(status_path), status_path)
        if status.get("status") != "running" or expired:
            break
    if _is_off(session, entry):
        return
    end = str(status.get("exitstatus") or "it has not ended")
    why = reason(last_lines(session, task)) or end
    if succeeded(end):
        why = "the task ended, but the guest is still on"
    raise Refused(
        f"it is still on {limits.seconds:g} s after it was asked to shut down: {why}",
        where=where,
        hint="Shut it down from inside, or migrate it. Its power was not cut",
    )


def _is_off(session: Session, entry: Row) -> bool:
    path = f"{path_of(entry)}/status/current"
    with suppress(PlatformError):
        return row(session.get(path), path).get("status") == "stopped"
    return False
