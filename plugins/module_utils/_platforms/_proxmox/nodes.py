# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a node itself tells: version, CPU, bridges and history. Private to the collection."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .answers import row, rows
from .history import History, timeframe
from .refusals import NodeSilent
from .session import Session


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Of one node; `history` is None where it was not asked for."""

    version: str | None
    cpu_model: str | None
    bridges: tuple[str, ...]
    history: History | None


def read_node(session: Session, node: str, window_seconds: int, since: float) -> NodeFacts | None:
    """None for a node that does not answer. What its history holds from before `since` does not count."""
    status_path, network_path = f"nodes/{node}/status", f"nodes/{node}/network"
    try:
        status = row(session.get(status_path), status_path)
        network = rows(session.get(network_path, type="any_bridge"), network_path)
        # The kernel's pressure figures are in the history of 9.x and nowhere else.
        wanted = window_seconds or session.major >= 9
        history = read_history(session, f"nodes/{node}", window_seconds, since) if wanted else None
    except NodeSilent:
        return None
    version = re.match(r"pve-manager/([^/]+)", str(status.get("pveversion", "")))
    cpu = status.get("cpuinfo")
    model = str(cpu.get("model") or "") if isinstance(cpu, dict) else ""
    return NodeFacts(
        version=version[1] if version else None,
        cpu_model=model or None,
        bridges=tuple(sorted(str(entry["iface"]) for entry in network if entry.get("iface"))),
        history=history,
    )


def read_history(session: Session, of: str, window_seconds: int, since: float = 0.0) -> History:
    """`of` is the path of a node or guest."""
    path = f"{of}/rrddata"
    points = rows(session.get(path, timeframe=timeframe(window_seconds), cf="AVERAGE"), path)
    return History(points, window_seconds, since)
