# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform over another platform, which passes every call on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .._model.snapshot import Snapshot
from .._platforms.protocol import (
    Capacities,
    ClusterNow,
    MigrationRequest,
    MigrationState,
    Platform,
    Prepared,
)


class PlatformWrapper:
    """The Platform protocol over `platform`. Derived classes override what they change."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def capacities(self) -> Capacities:
        return self._platform.capacities

    def read(self) -> Snapshot:
        return self._platform.read()

    def look(self, guests: Collection[str]) -> ClusterNow:
        return self._platform.look(guests)

    def prepare(self, request: MigrationRequest) -> Prepared:
        return self._platform.prepare(request)

    def start(self, prepared: Prepared) -> str:
        return self._platform.start(prepared)

    def find(self, request: MigrationRequest) -> str | None:
        return self._platform.find(request)

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return self._platform.poll(tasks)

    def cancel(self, task: str) -> None:
        self._platform.cancel(task)

    def close(self) -> None:
        self._platform.close()
