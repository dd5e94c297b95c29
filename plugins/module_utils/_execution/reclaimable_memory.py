# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that calls hosts fuller than they are, seen as the hosts see themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .._model.plan import HostMemory, Migration
from .._platforms.protocol import (
    ClusterNow,
    HostNow,
    MigrationRequest,
    Platform,
    Prepared,
)
from .platform_wrapper import PlatformWrapper


class ReclaimableMemoryPlatform(PlatformWrapper):
    """A platform whose hosts' memory is seen without caches. `memory` is, by host, what was in use when the
    plan was made and what the platform counted besides; `migrations` are those of the plan.

    A cache shrinks as guests arrive, while the platform goes on to call the host as full as before. So a host
    is never taken to be emptier than it was then, with the guests of the plan that have come or left since.
    """

    def __init__(
        self, platform: Platform, memory: Mapping[str, HostMemory], migrations: Sequence[Migration]
    ) -> None:
        super().__init__(platform)
        self._memory = memory
        # A guest may migrate more than once: it was where its first migration starts.
        self._homes = {migration.guest.id: migration.source for migration in reversed(migrations)}
        self._sizes = {migration.guest.id: migration.cost.memory for migration in migrations}

    def look(self, guests: Collection[str]) -> ClusterNow:
        now = self._platform.look({*guests, *self._homes})
        gained: dict[str, int] = {}
        for guest, home in self._homes.items():
            present = now.guests.get(guest)
            if present is not None and present.host != home:
                gained[home] = gained.get(home, 0) - self._sizes[guest]
                gained[present.host] = gained.get(present.host, 0) + self._sizes[guest]
        wanted = set(guests)
        return replace(
            now,
            guests={guest: state for guest, state in now.guests.items() if guest in wanted},
            hosts={host: self._as_it_is(host, state, gained) for host, state in now.hosts.items()},
        )

    def _as_it_is(self, host: str, state: HostNow, gained: Mapping[str, int]) -> HostNow:
        memory = self._memory.get(host)
        if memory is None or state.memory_used is None:
            return state
        least = memory.used + gained.get(host, 0)
        return replace(state, memory_used=max(state.memory_used - memory.reclaimable, least, 0))

    def prepare(self, request: MigrationRequest) -> Prepared:
        found = self._platform.prepare(request)
        for partner in found.partners:
            # Once they have come, they count like those of the plan.
            self._homes.setdefault(partner.guest.id, partner.source)
            self._sizes.setdefault(partner.guest.id, partner.memory)
        return found
