# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of a plan, by migration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, get_args

from .codec import Bounds, decode, demand_schema, encode
from .plan import GuestRef, Step
from .snapshot import ClusterRef, Id, Moment

OUTCOME_SCHEMA: Final = "evenkeel.cluster/outcome/1"

Result = Literal["migrated", "already_there", "planned", "skipped", "refused", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoMigrated:
    """A guest that the platform takes along when another one is migrated, such as a partner under HA."""

    guest: GuestRef
    source: Id = field(metadata={"json": "from"})
    memory: Annotated[int, Bounds(least=0), "bytes of memory that it was using"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOutcome:
    """The end of one migration. `planned` is check mode's word for what would have been started; `refused`:
    the platform's own check says that this guest can't go to this host.
    """

    step: Step
    guest: GuestRef
    source: Id = field(metadata={"json": "from"})
    target: Id = field(metadata={"json": "to"})
    result: Result
    why: Annotated[str, "why it was skipped, refused, failed or cancelled; empty otherwise"] = ""
    task: Annotated[str | None, "the platform's own name of the task"] = None
    started_at: Moment | None = None
    ended_at: Annotated[Moment | None, "when its end was seen"] = None
    seconds: Annotated[float, Bounds(least=0)] | None = None
    along: Annotated[
        tuple[CoMigrated, ...], "guests of no step of the plan that the platform took along to the same host"
    ] = field(default=(), metadata={"omit": True})
    left_behind: Annotated[
        tuple[str, ...],
        "kind storage: copies of its disks that the guest does not use any more, in the platform's words",
    ] = field(default=(), metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMoveOutcome:
    """The end of one move of disks. `migrated`: each of them was seen on the target, and its old copy is gone
    or named in `left_behind`.
    """

    step: Step
    guest: GuestRef
    disks: tuple[Id, ...]
    source: Id = field(metadata={"json": "from"})
    target: Id = field(metadata={"json": "to"})
    result: Result
    why: Annotated[str, "why it was skipped, refused, failed or cancelled; empty otherwise"] = ""
    moved: Annotated[tuple[Id, ...], "those of the disks that are on the target, whatever the result"] = ()
    left_behind: Annotated[
        tuple[str, ...],
        "copies that no guest uses any more, in the platform's words, such as unused0",
    ] = ()
    tasks: Annotated[tuple[str, ...], "the platform's own names of the tasks"] = ()
    started_at: Moment | None = None
    ended_at: Moment | None = None
    seconds: Annotated[float, Bounds(least=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of running a plan. `done`: every guest and disk is where the plan wants it; `partial`:
    some are not; `planned`: check mode; `stopped`: nothing new was started from some moment on;
    `rolled_back`: what was done is undone.
    """

    schema: Literal["evenkeel.cluster/outcome/1"] = OUTCOME_SCHEMA
    cluster: ClusterRef
    status: Literal["done", "partial", "planned", "stopped", "rolled_back"]
    started_at: Moment
    seconds: Annotated[float, Bounds(least=0)]
    migrations: tuple[MigrationOutcome, ...]
    disk_moves: tuple[DiskMoveOutcome, ...] = field(default=(), metadata={"omit": True})

    @classmethod
    def from_json(cls, value: object) -> Outcome:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        demand_schema(value, OUTCOME_SCHEMA, "outcome")
        return decode(cls, value, "outcome")

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def as_planned(self) -> Outcome:
        """The same in check mode: what seemed to be migrated is only planned."""
        migrations = tuple(
            replace(migration, result="planned", task=None, started_at=None, ended_at=None, seconds=None)
            if migration.result == "migrated"
            else migration
            for migration in self.migrations
        )
        disk_moves = tuple(
            replace(move, result="planned", moved=(), tasks=(), started_at=None, ended_at=None, seconds=None)
            if move.result == "migrated"
            else move
            for move in self.disk_moves
        )
        return replace(
            self,
            status="planned" if self.status == "done" else self.status,
            migrations=migrations,
            disk_moves=disk_moves,
        )

    def counts(self) -> dict[str, int]:
        """How many migrations ended in each way."""
        return {result: self.count(result) for result in get_args(Result)}

    def disk_counts(self) -> dict[str, int]:
        """How many moves of disks ended in each way."""
        return {result: sum(move.result == result for move in self.disk_moves) for result in get_args(Result)}

    @property
    def moved_anything(self) -> bool:
        """Whether any guest was migrated or any disk was moved, or would be: also when the platform only
        moved a guest along.
        """
        return any(
            migration.result in ("migrated", "planned") or migration.along for migration in self.migrations
        ) or any(
            move.result in ("migrated", "planned") or (move.result in ("failed", "cancelled") and move.moved)
            for move in self.disk_moves
        )

    def count(self, result: Result) -> int:
        return sum(1 for migration in self.migrations if migration.result == result)
