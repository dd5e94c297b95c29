# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on which migrations only seem to happen: check mode runs the same executor over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from .._platforms.protocol import (
    ClusterNow,
    HostNow,
    MigrationRequest,
    MigrationState,
    Platform,
    Prepared,
)
from .clock import SystemClock
from .platform_wrapper import PlatformWrapper


class DryRunPlatform(PlatformWrapper):
    """A platform that is only read. `memory` is the bytes of each guest, by id."""

    def __init__(self, platform: Platform, memory: Mapping[str, int]) -> None:
        super().__init__(platform)
        self._memory = memory
        self._places: dict[str, str] = {}
        self._gained: dict[str, int] = {}
        self._left: set[str] = set()
        self._prepared: dict[tuple[str, str], Prepared] = {}

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

    def prepare(self, request: MigrationRequest) -> Prepared:
        """The platform's answer, without partners that have seemed to go there already."""
        # Of a guest that has seemed to move, and of a host that guests have seemed to leave, the platform
        # would judge as if nothing had.
        if request.guest in self._places:
            return Prepared(request=request)
        # Here no time passes: what is asked again would be answered the same.
        key = request.guest, request.target
        if key not in self._prepared:
            self._prepared[key] = self._platform.prepare(request)
        found = self._prepared[key]
        partners = (
            replace(partner, source=self._places.get(partner.guest.id, partner.source))
            for partner in found.partners
        )
        return replace(
            found,
            objection=None if request.target in self._left else found.objection,
            partners=tuple(partner for partner in partners if partner.source != request.target),
        )

    def start(self, prepared: Prepared) -> str:
        request = prepared.request
        self._seem_to_move(request.guest, request.source, request.target, self._memory.get(request.guest, 0))
        for partner in prepared.partners:
            self._seem_to_move(partner.guest.id, partner.source, request.target, partner.memory)
        return f"dry-run:{request.guest}:{request.target}"

    def _seem_to_move(self, guest: str, source: str, target: str, memory: int) -> None:
        self._places[guest] = target
        self._left.add(source)
        self._gained[source] = self._gained.get(source, 0) - memory
        self._gained[target] = self._gained.get(target, 0) + memory

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return {
            task: MigrationState(state="migrated", percent=100, along=request.along)
            for task, request in tasks.items()
        }

    def cancel(self, task: str) -> None:
        """Do nothing: no migration is running."""


class DryRunClock(SystemClock):
    """A clock on which sleeping only seems to take time."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds
