# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on which migrations only seem to happen: check mode runs the same executor over it.

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .._model.snapshot import Snapshot
from .._platforms.protocol import (
    Capacities,
    ClusterNow,
    HostNow,
    MigrationRequest,
    MigrationState,
    Platform,
)
from .clock import SystemClock


class DryRun:
    """The Platform protocol over another platform that is only read; `memory` gives the bytes of each guest,
    by id.
    """

    def __init__(self, platform: Platform, memory: Mapping[str, int]) -> None:
        self._platform = platform
        self._memory = memory
        self._places: dict[str, str] = {}
        self._gained: dict[str, int] = {}

    @property
    def capacities(self) -> Capacities:
        return self._platform.capacities

    @property
    def notices(self) -> Sequence[str]:
        return self._platform.notices

    def read(self) -> Snapshot:
        return self._platform.read()

    def look(self, guests: Collection[str]) -> ClusterNow:
        now = self._platform.look(guests)
        return ClusterNow(
            cluster=now.cluster,
            guests={
                guest: replace(state, host=self._places.get(guest, state.host))
                for guest, state in now.guests.items()
            },
            hosts={host: self._with_gain(host, state) for host, state in now.hosts.items()},
        )

    def _with_gain(self, host: str, state: HostNow) -> HostNow:
        if state.memory_used is None:
            return state
        return replace(state, memory_used=state.memory_used + self._gained.get(host, 0))

    def check(self, request: MigrationRequest) -> str | None:
        # Where something has seemed to move, the platform would judge by a host that is not the one in
        # question.
        if request.target in self._gained or request.guest in self._places:
            return None
        return self._platform.check(request)

    def start(self, request: MigrationRequest) -> str:
        memory = self._memory.get(request.guest, 0)
        self._places[request.guest] = request.target
        self._gained[request.source] = self._gained.get(request.source, 0) - memory
        self._gained[request.target] = self._gained.get(request.target, 0) + memory
        return f"dry-run:{request.guest}:{request.target}"

    def find(self, request: MigrationRequest) -> str | None:
        return self._platform.find(request)

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return {task: MigrationState(state="migrated", percent=100) for task in tasks}

    def cancel(self, task: str) -> None:
        """Nothing runs that could be stopped."""

    def close(self) -> None:
        self._platform.close()


class DryRunClock(SystemClock):
    """What only seems to happen takes no time, though it seems to."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds
