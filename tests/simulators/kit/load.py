# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How busy a guest or host is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SnapshotError

SCHEMAS = ("evenkeel.cluster/snapshot/1", "evenkeel.cluster/snapshot/2")


def demand_schema(snapshot: Mapping[str, Any]) -> None:
    """Raises SnapshotError for what is no snapshot."""
    if snapshot.get("schema") not in SCHEMAS:
        raise SnapshotError(f"schema {snapshot.get('schema')!r}: expected {SCHEMAS[-1]!r}")


@dataclass(frozen=True, slots=True)
class Load:
    """cpu in cores, memory in bytes, I/O in bytes per second; None is not known."""

    cpu: float | None = None
    memory: int | None = None
    network_io: float | None = None
    disk_io: float | None = None

    @classmethod
    def of(cls, used: Mapping[str, Any]) -> Load:
        """From the `used` of a snapshot."""
        return cls(used.get("cpu"), used.get("memory"), used.get("network_io"), used.get("disk_io"))

    def plus(self, other: Load) -> Load:
        """The sum; what is unknown in `self` stays unknown, what is unknown in `other` adds nothing."""
        return Load(
            None if self.cpu is None else self.cpu + (other.cpu or 0.0),
            None if self.memory is None else self.memory + (other.memory or 0),
            None if self.network_io is None else self.network_io + (other.network_io or 0.0),
            None if self.disk_io is None else self.disk_io + (other.disk_io or 0.0),
        )

    def minus(self, other: Load) -> Load:
        return self.plus(
            Load(
                -(other.cpu or 0.0), -(other.memory or 0), -(other.network_io or 0.0), -(other.disk_io or 0.0)
            )
        )

    def at_least_nothing(self) -> Load:
        return Load(
            None if self.cpu is None else max(round(self.cpu, 9), 0.0),
            None if self.memory is None else max(self.memory, 0),
            None if self.network_io is None else max(self.network_io, 0.0),
            None if self.disk_io is None else max(self.disk_io, 0.0),
        )


NOTHING = Load(0.0, 0, 0.0, 0.0)
