# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which migration to start first, of those that may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from .._model.plan import Migration
from .concurrency_limits import ConcurrencyLimits

FIRST: Final = ("rule", "evacuate", "manual")


def by_critical_path(
    pending: Sequence[Migration], underway: Sequence[Migration], concurrency: ConcurrencyLimits
) -> list[Migration]:
    """First what restores a rule or empties a host, and what such a migration waits for. Of these, and of the
    others, first what holds up the most: by the time of the longest chain that waits for it, or that its
    busiest host still needs with this many migrations at once. `pending` stands in the order of the plan.
    """
    into: Counter[str] = Counter()
    out_of: Counter[str] = Counter()
    for migration in [*pending, *underway]:
        into[migration.target] += round(migration.cost.seconds * 1000)
        out_of[migration.source] += round(migration.cost.seconds * 1000)

    def still_needed(host: str) -> float:
        return max(
            (into[host] + out_of[host]) / concurrency.per_host,
            into[host] / concurrency.max_into,
            out_of[host] / concurrency.max_out_of,
        )

    waiting: dict[int, float] = {}
    urgency: dict[int, tuple[bool, float, float]] = {}
    needed: set[int] = set()
    for migration in reversed(pending):
        chain = migration.cost.seconds + waiting.get(migration.step, 0.0)
        comes_first = migration.kind in FIRST or migration.step in needed
        for step in migration.after:
            needed.update([step] if comes_first else ())
            waiting[step] = max(waiting.get(step, 0.0), chain)
        hosts = max(still_needed(migration.source), still_needed(migration.target)) / 1000
        urgency[migration.step] = comes_first, max(chain, hosts), chain
    return sorted(pending, key=lambda migration: urgency[migration.step], reverse=True)
