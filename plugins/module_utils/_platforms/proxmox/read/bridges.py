# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node has the bridges of a guest, which Proxmox VE itself finds out only on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..api.session import Session
from ..api.values import rows

# Bridges change seldom, and migrations start in bursts.
_SECONDS = 30.0


class Bridges:
    """The bridges of nodes, as they were a moment ago."""

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
        if node not in self._seen or now - at > _SECONDS:
            path = f"nodes/{node}/network"
            listed = rows(self._session.get(path, type="any_bridge"), path)
            bridges = frozenset(str(entry["iface"]) for entry in listed if entry.get("iface"))
            self._seen[node] = now, bridges
        return bridges
