# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much may be under way at the same time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .._model.plan import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimits:
    """Migrations at the same time in the whole cluster, into and out of one host together, into it and out of
    it (None: as many), and from or to one datastore of those that take disks along; and bytes of memory in
    flight (None: no limit). `local` are hosts with datastores that are others on every host, though they have
    the same name.
    """

    cluster: int
    per_host: int
    per_datastore: int
    memory: int | None = None
    into_host: int | None = None
    out_of_host: int | None = None
    local: frozenset[tuple[str, str]] = frozenset()

    @property
    def max_into(self) -> int:
        return self.into_host or self.per_host

    @property
    def max_out_of(self) -> int:
        return self.out_of_host or self.per_host

    def allows(self, migration: Migration, underway: Collection[Migration]) -> bool:
        """Whether a migration may start beside those under way."""
        if len(underway) >= self.cluster:
            return False
        for host in (migration.source, migration.target):
            if sum(host in (other.source, other.target) for other in underway) >= self.per_host:
                return False
        if sum(other.target == migration.target for other in underway) >= self.max_into:
            return False
        if sum(other.source == migration.source for other in underway) >= self.max_out_of:
            return False
        for datastore in self._datastores(migration):
            if sum(datastore in self._datastores(other) for other in underway) >= self.per_datastore:
                return False
        if self.memory is None or not underway:
            # A guest that is larger than the limit on its own must be able to go alone.
            return True
        return sum(other.cost.memory for other in underway) + migration.cost.memory <= self.memory

    def _datastores(self, migration: Migration) -> set[tuple[str, str]]:
        """Those that it copies disks from and to; one that hosts share has no host."""
        ends = [
            *((migration.source, name) for name in migration.storage),
            *((migration.target, name) for name in migration.storage.values()),
        ]
        return {(host if (host, name) in self.local else "", name) for host, name in ends}
