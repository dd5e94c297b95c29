# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI devices that the cluster maps under one name for all nodes, and which of them migrate live."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from ...values import Row
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.values import flag, options, rows

PATH = "cluster/mapping/pci"


class PciMappings:
    """Asked for when the first guest with such a device is read."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._nodes: Mapping[str, frozenset[str]] | None = None

    def live(self, name: str) -> frozenset[str] | None:
        """The nodes that have the device, where a running machine can be migrated with it; else None, also
        where the account does not see the mapping.
        """
        with self._lock:
            if self._nodes is None:
                self._nodes = self._read()
            return self._nodes.get(name)

    def _read(self) -> Mapping[str, frozenset[str]]:
        try:
            return live_mappings(rows(self._session.get(PATH), PATH))
        except ONE_CALL:
            # It only takes the device for one that can't be migrated.
            return {}


def live_mappings(entries: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Name to nodes, of those that can be migrated live."""
    return {
        str(entry.get("id")): frozenset(
            node for part in entry.get("map") or () if (node := options(part).get("node"))
        )
        for entry in entries
        if flag(entry.get("live-migration-capable"))
    }
