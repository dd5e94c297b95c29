# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that only a node itself reports: version, CPU, bridges and history."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...values import Row
from ..api.batch import Getter, Reading
from ..api.errors import NodeUnresponsive
from ..api.notices import ONE_CALL, ReadFailures
from ..api.values import row, rows
from .cpu import features_of
from .load_series import LoadSeries, timeframe


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Of one node. `history` is None where it was not asked for or can't be read, `bridges` where they can't;
    `cpu_features` where the node does not say.
    """

    version: str | None
    cpu_model: str | None
    bridges: tuple[str, ...] | None
    history: LoadSeries | None
    cpu_features: frozenset[str] | None = None


NETWORK = Reading("network", {"type": "any_bridge"})


def history_of(path: str, window_seconds: int) -> Reading:
    """The measured history of a guest, or with "" of its node."""
    return Reading(f"{path}/rrddata".lstrip("/"), {"timeframe": timeframe(window_seconds), "cf": "AVERAGE"})


def wants_history(window_seconds: int, major: int) -> bool:
    """The kernel's pressure figures are in the history of a node of 9.x and nowhere else."""
    return bool(window_seconds) or major >= 9


def read_node(
    session: Getter, node: str, window_seconds: int, since: float, gaps: ReadFailures
) -> NodeFacts | None:
    """None for a node that does not answer. What its history holds from before `since` does not count."""
    try:
        status = _status(session, f"nodes/{node}/status", node, gaps)
        network = _network(session, f"nodes/{node}/{NETWORK.path}", node, gaps)
    except NodeUnresponsive as error:
        gaps.add(
            f"node {node} does not answer, though the cluster has it online ({error.what}): its guests stay "
            "where they are. Look whether pveproxy and pvedaemon run there, and whether a storage hangs",
            hosts=(node,),
        )
        return None
    history = (
        gaps.attempt(
            lambda: read_history(session, f"nodes/{node}", "", window_seconds, since),
            "the measured history",
            host=node,
            hides=("loads",),
        )
        if wants_history(window_seconds, session.major)
        else None
    )
    version = re.match(r"pve-manager/([^/]+)", str(status.get("pveversion", "")))
    cpu = status.get("cpuinfo")
    info = cpu if isinstance(cpu, dict) else {}
    model = str(info.get("model") or "") or None
    return NodeFacts(
        version=version[1] if version else None,
        cpu_model=model,
        bridges=network,
        history=history,
        cpu_features=features_of(str(info.get("flags") or ""), model),
    )


def _status(session: Getter, path: str, node: str, gaps: ReadFailures) -> Row:
    try:
        return row(session.get(path), path)
    except NodeUnresponsive:
        raise
    except ONE_CALL as error:
        gaps.missing("the version and CPU", error, host=node)
        return {}


def _network(session: Getter, path: str, node: str, gaps: ReadFailures) -> tuple[str, ...] | None:
    try:
        entries = rows(session.get(path, **NETWORK.params), path)
    except NodeUnresponsive:
        raise
    except ONE_CALL as error:
        gaps.missing("the bridges", error, host=node, hides=("networks",))
        return None
    return tuple(sorted(str(entry["iface"]) for entry in entries if entry.get("iface")))


def read_history(
    session: Getter, node_path: str, guest_path: str, window_seconds: int, since: float = 0.0
) -> LoadSeries:
    """Of a guest by its path below that of its node, or of the node itself."""
    reading = history_of(guest_path, window_seconds)
    path = f"{node_path}/{reading.path}"
    points = rows(session.get(path, **reading.params), path)
    return LoadSeries(points, window_seconds, since)
