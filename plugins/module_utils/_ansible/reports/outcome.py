# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of a run for people: every migration with its result and duration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.outcome import DiskMoveOutcome, MigrationOutcome, Outcome
from ..._model.plan import ClusterState, DatastoreState, StorageState
from ..._model.snapshot import Snapshot
from ..._model.text.wording import readable
from .plan import GIB, datastores_table, host_name, hosts_table, table

_WELL = ("migrated", "already_there", "planned")
_COPIED = ("migrated", "planned")


def memory_moved(outcome: Outcome, memory: Mapping[str, int]) -> int:
    """Bytes of what was migrated, or would be, with what the platform took along; `memory` by guest."""
    own = sum(
        memory.get(migration.guest.id, 0)
        for migration in outcome.migrations
        if migration.result in ("migrated", "planned")
    )
    return own + sum(moved.memory for migration in outcome.migrations for moved in migration.along)


def storage_state(snapshot: Snapshot) -> StorageState:
    """The datastores as they are."""
    ids = datastore_ids(snapshot)
    disks: dict[str, int] = {}
    for guest in snapshot.guests:
        for disk in guest.disks:
            place = ids.get((guest.host, disk.datastore), "")
            disks[place] = disks.get(place, 0) + 1
    found = {}
    for one in datastores_of(snapshot):
        used = None if one.capacity is None or one.free is None else one.capacity - one.free
        found[one.id] = DatastoreState(
            name=one.name,
            capacity=one.capacity,
            used=used,
            percent=100 * used / one.capacity if used is not None and one.capacity else None,
            latency=one.latency,
            disks=disks.get(one.id, 0),
        )
    return StorageState(datastores=found)


def percents(state: StorageState) -> dict[str, float | None]:
    """Percent in use of each datastore, by id."""
    return {
        place: None if one.percent is None else round(one.percent, 3)
        for place, one in state.datastores.items()
    }


def bytes_copied(outcome: Outcome, sizes: Mapping[int, int]) -> int:
    """Bytes of the disks that were moved, or would be, with their guest or without; `sizes` by step of the
    plan. A step that no plan has is one of a rollback: the same disks are copied once more.
    """
    planned = {(one.guest.id, one.disks): sizes[one.step] for one in outcome.disk_moves if one.step in sizes}
    migrated = sum(sizes.get(one.step, 0) for one in outcome.migrations if one.result in _COPIED)
    return migrated + sum(
        sizes[one.step] if one.step in sizes else planned.get((one.guest.id, one.disks), 0)
        for one in outcome.disk_moves
        if one.result in _COPIED
    )


def results_by_kind(outcome: Outcome, kinds: Mapping[int, str]) -> dict[str, dict[str, int]]:
    """How many migrations of each kind ended in each way; `kinds` by step. A step that no plan has is one of
    a rollback.
    """
    return _by_kind(((one.step, one.result) for one in outcome.migrations), kinds)


def disk_results_by_kind(outcome: Outcome, kinds: Mapping[int, str]) -> dict[str, dict[str, int]]:
    """The same of moves of disks."""
    return _by_kind(((one.step, one.result) for one in outcome.disk_moves), kinds)


def _by_kind(ends: Iterable[tuple[int, str]], kinds: Mapping[int, str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for step, result in ends:
        counts = found.setdefault(kinds.get(step, "rollback"), {})
        counts[result] = counts.get(result, 0) + 1
    return found


def outcome_report(
    outcome: Outcome,
    memory: Mapping[str, int],
    before: ClusterState,
    after: ClusterState,
    *,
    briefly: bool = False,
    left: Sequence[str] = (),
    copied: Mapping[int, int] = MappingProxyType({}),
    datastores: tuple[StorageState, StorageState] | None = None,
) -> list[str]:
    """The lines of the report; `briefly` leaves out the migrations that ended well, and `left` is what the
    cluster does not meet. `copied` are the bytes of moves of disks, by step, and `datastores` those before
    and after them.
    """
    migrations = outcome.migrations
    done = sum(migration.result in _WELL for migration in migrations)
    moved = memory_moved(outcome, memory)
    head = f"cluster {outcome.cluster.name}: {outcome.status.replace('_', ' ')} in {outcome.seconds:.0f} s"
    if migrations or not outcome.disk_moves:
        head += f", {done} of {len(migrations)} migrations, {moved / GIB:.1f} GiB of memory"
    disks = outcome.disk_moves
    if disks:
        well = sum(move.result in _WELL for move in disks)
        head += f", {well} of {len(disks)} moves of disks"
    total = bytes_copied(outcome, copied)
    if disks or total:
        head += f", {total / GIB:.1f} GiB copied"
    shown = [
        migration
        for migration in migrations
        if not briefly or migration.result not in _WELL or migration.left_behind
    ]
    lines = [head]
    if before.spread and outcome.status != "planned":
        lines += ["", "measured before and after", *hosts_table(before, after)]
    if datastores is not None and outcome.status != "planned":
        lines += ["", "datastores before and after", *datastores_table(*datastores)]
    if shown:
        lines += ["", "migrations", *table([_row(migration, before) for migration in shown])]
    shown_disks = [
        move for move in disks if not briefly or move.result not in _WELL or move.left_behind or move.why
    ]
    if shown_disks:
        lines += ["", "moves of disks", *table([_disk_row(move) for move in shown_disks])]
    if left:
        lines += ["", "not done", *(f"  {entry}" for entry in left)]
    return [readable(line) for line in lines]


def _left(one: MigrationOutcome | DiskMoveOutcome) -> str:
    return f"left behind: {', '.join(one.left_behind)}" if one.left_behind else ""


def _disk_row(move: DiskMoveOutcome) -> Sequence[str]:
    return (
        f"{move.step}",
        f"{move.guest.name} ({move.guest.id})",
        ", ".join(move.disks),
        f"{move.source} → {move.target}",
        move.result.replace("_", " "),
        "" if move.seconds is None else f"{move.seconds:.1f} s",
        "; ".join(text for text in (move.why, _left(move)) if text),
    )


def _row(migration: MigrationOutcome, hosts: ClusterState) -> Sequence[str]:
    return (
        f"{migration.step}",
        f"{migration.guest.name} ({migration.guest.id})",
        f"{host_name(hosts, migration.source)} → {host_name(hosts, migration.target)}",
        migration.result.replace("_", " "),
        "" if migration.seconds is None else f"{migration.seconds:.1f} s",
        "; ".join(text for text in (migration.why, _along(migration, hosts), _left(migration)) if text),
    )


def _along(migration: MigrationOutcome, hosts: ClusterState) -> str:
    names = [
        f"{moved.guest.name} ({moved.guest.id}) from {host_name(hosts, moved.source)}"
        for moved in migration.along
    ]
    return f"the platform moved along {', '.join(names)}" if names else ""
