# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which departures free the capacity that an arrival takes: what `after` is made of.

Every arrival takes what is free at the start, or what earlier departures released; those departures become
its `after`. Each release is spent once, so whatever runs at the same time, no host exceeds its ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..tolerances import AMOUNT


@dataclass(slots=True)
class Release:
    """The rest of the capacity that a departure released; `departure` is its position in the order."""

    departure: int
    left: float


class CapacityLedger:
    """By host and need. free: below the ceiling before anything moves; negative where the host is above it.

    To a host that is above its ceiling nothing comes before it is below. So the first arrival pays for that
    as well, and everyone comes after the departures that it took.
    """

    def __init__(self, free: list[list[float]]) -> None:
        self.free = free
        self._releases: dict[tuple[int, int], list[Release]] = {}
        self._brought_down: dict[tuple[int, int], set[int]] = {}

    def suffices(self, host: int, wanted: Sequence[float]) -> bool:
        """Whether the free capacity covers the amount of each need."""
        return all(
            not amount
            or amount <= free + sum(release.left for release in self._releases.get((host, need), ()))
            for need, (amount, free) in enumerate(zip(wanted, self.free[host], strict=True))
        )

    def reserve(self, host: int, wanted: Sequence[float]) -> set[int]:
        """Spend what is free first, then what departures released, the earliest first; returns those
        departures.
        """
        after: set[int] = set()
        for need, amount in enumerate(wanted):
            if not amount:
                continue
            free = self.free[host][need]
            if free < 0:
                self._brought_down[host, need] = self._spend(host, need, -free)
            taken = min(amount, max(0.0, free))
            self.free[host][need] = max(0.0, free) - taken
            after |= self._spend(host, need, amount - taken) | self._brought_down.get((host, need), set())
        return after

    def release(self, host: int, departure: int, amounts: Sequence[float]) -> None:
        """Release the needs of a guest that has left. departure: its position in the order."""
        for need, amount in enumerate(amounts):
            if amount > AMOUNT:
                self._releases.setdefault((host, need), []).append(Release(departure, amount))

    def _spend(self, host: int, need: int, wanted: float) -> set[int]:
        releases, spent = self._releases.get((host, need), []), set()
        for release in releases:
            if wanted <= AMOUNT:
                break
            part = min(wanted, release.left)
            release.left -= part
            wanted -= part
            if part > AMOUNT:
                spent.add(release.departure)
        if spent:
            self._releases[host, need] = [release for release in releases if release.left > AMOUNT]
        return spent
