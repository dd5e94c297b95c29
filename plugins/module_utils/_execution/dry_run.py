# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on which migrations only seem to happen: check mode runs the same executor over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .._model.outcome import CoMigrated
from .._model.snapshot import Snapshot
from .._platforms.protocol import (
    Capacities,
    ClusterNow,
    HostNow,
    MigrationRequest,
    MigrationState,
    Objection,
    Platform,
)
from .clock import SystemClock


class DryRunPlatform:
    """The Platform protocol over another platform that is only read; `memory` gives the bytes of each guest,
    by id.
    """

    def __init__(self, platform: Platform, memory: Mapping[str, int]) -> None:
        self._platform = platform
        self._memory = memory
        self._places: dict[str, str] = {}
        self._gained: dict[str, int] = {}
        self._left: set[str] = set()
        self._partners: dict[str, CoMigrated] = {}
        self._objections: dict[tuple[str, str], Objection | None] = {}

    @property
    def capacities(self) -> Capacities:
        return self._platform.capacities

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

    def check(self, request: MigrationRequest) -> Objection | None:
        # Of a guest that has seemed to move, and of a host that guests have seemed to leave, the platform
        # would judge as if nothing had.
        if request.target in self._left or request.guest in self._places:
            return None
        # Here no time passes: what is asked again would be answered the same.
        key = request.guest, request.target
        if key not in self._objections:
            self._objections[key] = self._platform.check(request)
        return self._objections[key]

    def partners(self, request: MigrationRequest) -> Sequence[CoMigrated]:
        """Without those that have seemed to go there already."""
        found = [
            replace(moved, source=self._places.get(moved.guest.id, moved.source))
            for moved in self._platform.partners(request)
        ]
        self._partners = {moved.guest.id: moved for moved in found if moved.source != request.target}
        return tuple(self._partners.values())

    def start(self, request: MigrationRequest) -> str:
        self._seem_to_move(request.guest, request.source, request.target, self._memory.get(request.guest, 0))
        for guest in request.along:
            moved = self._partners[guest]
            self._seem_to_move(guest, moved.source, request.target, moved.memory)
        return f"dry-run:{request.guest}:{request.target}"

    def _seem_to_move(self, guest: str, source: str, target: str, memory: int) -> None:
        self._places[guest] = target
        self._left.add(source)
        self._gained[source] = self._gained.get(source, 0) - memory
        self._gained[target] = self._gained.get(target, 0) + memory

    def find(self, request: MigrationRequest) -> str | None:
        return self._platform.find(request)

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return {
            task: MigrationState(state="migrated", percent=100, along=request.along)
            for task, request in tasks.items()
        }

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
