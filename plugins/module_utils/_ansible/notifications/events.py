# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth a message about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Event = Literal["failed", "unresolved", "out_of_band", "lock_taken_over", "changed", "would_change"]
# The worst first.
EVENTS: tuple[Event, ...] = get_args(Event)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run on one cluster: the summaries of balance_plan and vm_migrate, as far as the run came, what is
    left, the lines of its report, why it failed, the process whose lock it took over, and its page: the file,
    and where people find it.
    """

    cluster: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    unresolved: Sequence[str] = ()
    report: Sequence[str] = ()
    error: str = ""
    lock_taken_over: str = ""
    page: str = ""
    page_url: str = ""

    @property
    def migrated(self) -> int:
        return int(self.outcome.get("migrated") or 0)

    @property
    def planned(self) -> int:
        """Migrations that are planned and were not started."""
        if "planned" in self.outcome:
            return int(self.outcome["planned"])
        return int(self.plan.get("migrations") or 0)

    @property
    def not_migrated(self) -> int:
        """Migrations that failed or were cancelled."""
        return sum(int(self.outcome.get(result) or 0) for result in ("failed", "cancelled"))

    @property
    def disks_moved(self) -> int:
        """Moves of disks that ended well."""
        return self._disk_moves("migrated")

    @property
    def disks_planned(self) -> int:
        """Moves of disks that are planned and were not started."""
        if self.outcome:
            return self._disk_moves("planned")
        storage = self.plan.get("storage")
        return int(storage.get("moves") or 0) if isinstance(storage, Mapping) else 0

    @property
    def disks_not_moved(self) -> int:
        """Moves of disks that failed or were cancelled."""
        return self._disk_moves("failed", "cancelled")

    @property
    def copied(self) -> int:
        """Bytes of the disks that were moved."""
        return int(self.outcome.get("bytes_copied") or 0)

    @property
    def left_behind(self) -> int:
        """Copies of disks that no guest uses any more."""
        return int(self.outcome.get("left_behind") or 0)

    def _disk_moves(self, *results: str) -> int:
        counts = self.outcome.get("disk_moves")
        if not isinstance(counts, Mapping):
            return 0
        return sum(int(counts.get(result) or 0) for result in results)

    @property
    def is_left(self) -> bool:
        """Whether something is not resolved; what only waits for further readings does not count."""
        numbers = self.outcome if "unresolved" in self.outcome else self.plan
        if "unresolved" in numbers:
            return int(numbers["unresolved"]) > int(numbers.get("waiting") or 0)
        return bool(self.unresolved) or self.outcome.get("in_band") is False


def events_of(run: Run, *, check_mode: bool) -> tuple[Event, ...]:
    """What happened, the worst first."""
    found: dict[Event, bool] = {
        "failed": bool(run.error) or run.not_migrated > 0 or run.disks_not_moved > 0,
        # A copy that is left behind takes space until somebody has deleted it.
        "unresolved": run.is_left or run.left_behind > 0,
        "out_of_band": run.outcome.get("in_band") is False and run.is_left,
        "lock_taken_over": bool(run.lock_taken_over),
        "changed": run.migrated > 0 or run.disks_moved > 0,
        # Also of a run that only plans.
        "would_change": run.planned + run.disks_planned > 0 and (check_mode or not run.outcome),
    }
    return tuple(event for event in EVENTS if found[event])


def worth_a_message(
    events: Sequence[Event], wanted: Sequence[Event], *, check_mode: bool
) -> tuple[Event, ...]:
    """Those of the events that are to be sent: in check mode none, unless would_change is among what is
    wanted.
    """
    if check_mode and "would_change" not in wanted:
        return ()
    return tuple(event for event in events if event in wanted)
