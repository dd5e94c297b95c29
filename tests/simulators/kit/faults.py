# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults and delays, on demand: what a test switches on to see a client survive it."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .errors import SnapshotError


@dataclass(slots=True)
class CallFault:
    """Fail a call. `call` is "GET /path/{pattern}" or a shell pattern over the real path."""

    call: str
    object: str | None = None
    error: int = 500
    message: str = "simulated failure"
    skip: int = 0
    count: int | None = None
    probability: float = 1.0


@dataclass(slots=True)
class SlowCall:
    """Let a call wait before it is carried out, so many times; the others go on."""

    call: str
    object: str | None = None
    seconds: float = 1.0
    count: int | None = None


@dataclass(slots=True)
class Drop:
    """Close the connection without an answer, `when` before or after the call was carried out."""

    call: str
    count: int | None = 1
    when: str = "before"


@dataclass(slots=True)
class MigrationFault:
    """Let a migration fail when it is `at_percent` done. `error` is the task's exit status."""

    guest: str = "*"
    at_percent: float = 50
    error: str | None = None
    count: int | None = None


_LISTS = {
    "fail_calls": CallFault,
    "slow_calls": SlowCall,
    "drop_connection": Drop,
    "fail_migrations": MigrationFault,
}


class Faults:
    """The switches that every platform has, by their names; `merge` takes the JSON of the command line or of
    the control path. A platform adds its own.
    """

    def __init__(self, migration_seconds: float = 0.2) -> None:
        self.migration_seconds = migration_seconds
        self.latency_seconds = 0.0
        self.seed = 1
        self.fail_calls: list[CallFault] = []
        self.slow_calls: list[SlowCall] = []
        self.drop_connection: list[Drop] = []
        self.fail_migrations: list[MigrationFault] = []
        self.late_cancels = False
        self.random = random.Random(self.seed)

    def merge(self, changes: Mapping[str, Any]) -> None:
        """Set the named switches. A list replaces the old list. Raises SnapshotError for an unknown name."""
        known = {name for name in vars(self) if name != "random"}
        for name, value in changes.items():
            if name not in known:
                raise SnapshotError(f"unknown switch {name!r}; known are: {', '.join(sorted(known))}")
            kind = _LISTS.get(name)
            setattr(self, name, value if kind is None else [_entry(name, kind, item) for item in value])
        if "seed" in changes:
            self.random = random.Random(self.seed)

    def to_fail(self, template: str, path: str, objects: Sequence[str]) -> CallFault | None:
        """The fault that this call meets, used up by one."""
        for fault in self.fail_calls:
            if not _same_call(fault.call, template, path) or (
                fault.object is not None and str(fault.object) not in objects
            ):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.count == 0 or (fault.probability < 1 and self.random.random() >= fault.probability):
                continue
            if fault.count is not None:
                fault.count -= 1
            return fault
        return None

    def pause_before(self, template: str, path: str, objects: Sequence[str]) -> float:
        """How many seconds this call waits."""
        for slow in self.slow_calls:
            if (
                slow.count != 0
                and _same_call(slow.call, template, path)
                and (slow.object is None or str(slow.object) in objects)
            ):
                if slow.count is not None:
                    slow.count -= 1
                return slow.seconds
        return 0.0

    def to_drop(self, template: str, path: str) -> Drop | None:
        for drop in self.drop_connection:
            if drop.count != 0 and _same_call(drop.call, template, path):
                if drop.count is not None:
                    drop.count -= 1
                return drop
        return None

    def migration_fault(self, guest: str) -> MigrationFault | None:
        for fault in self.fail_migrations:
            if fault.count != 0 and str(fault.guest) in ("*", guest):
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None


def _same_call(wanted: str, template: str, path: str) -> bool:
    return wanted in ("*", template, path) or fnmatch.fnmatchcase(path, wanted)


def _entry(name: str, kind: type, item: Mapping[str, Any]) -> Any:
    unknown = set(item) - {entry.name for entry in fields(kind)}
    if unknown:
        raise SnapshotError(f"switch {name!r}: unknown key {sorted(unknown)[0]!r}")
    return kind(**item)
