# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that only a node itself reports: version, CPU, bridges and history."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...values import Row
from ..api.batch import Getter, Reading
from ..api.errors import NodeUnresponsive
from ..api.notices import ONE_CALL, ReadFailures
from ..api.session import Session
from ..api.values import row, rows
from .cpu import features_of
from .load_series import LoadSeries, timeframe

# Bridges change seldom, and migrations start in bursts.
_BRIDGES_SECONDS = 30.0


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
            "where they are. Check whether pveproxy and pvedaemon run there, and whether a storage hangs",
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


class Bridges:
    """The bridges of nodes, as they were a moment ago. Proxmox VE itself finds only in the
    task that a node lacks one.
    """

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self._seen: dict[str, tuple[float, frozenset[str]]] = {}

    def lacking(self, wanted: Iterable[str], source: str, target: str) -> list[str]:
        """Those of the wanted that the source has and the target has not. One that is not even seen on the
        source is there all the same: the account may not see it anywhere.
        """
        wanted = sorted(wanted)
        if not wanted:
            return []
        missing = [bridge for bridge in wanted if bridge not in self._of(target)]
        return [bridge for bridge in missing if bridge in self._of(source)]

    def _of(self, node: str) -> frozenset[str]:
        now = self._monotonic()
        at, bridges = self._seen.get(node, (0.0, frozenset()))
        if node not in self._seen or now - at > _BRIDGES_SECONDS:
            path = f"nodes/{node}/network"
            listed = rows(self._session.get(path, type="any_bridge"), path)
            bridges = frozenset(str(entry["iface"]) for entry in listed if entry.get("iface"))
            self._seen[node] = now, bridges
        return bridges
