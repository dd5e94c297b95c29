# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations that take disks to other datastores: what is looked at before and after each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.disk_moves import estimated_shares, freed_by, taken_on
from ..._model.outcome import MigrationOutcome
from ..._model.plan import DiskMove, Migration, Plan
from ..._model.snapshot import Datastore, Disk, Guest, Snapshot, StorageRule
from ..._platforms.errors import PlatformError
from ..._platforms.storage_protocol import DiskMoveRequest, DisksNow, StoragePlatform
from ..preflight import GO, PreflightResult
from ..step_tracker import SUCCESSFUL
from .job import MAX_SETTLING_SECONDS, DiskMoveJob, request_for
from .policy_check import policies_kept, policy_breach
from .preflight import disk_preflight
from .rule_check import DiskRuleCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The disks and the datastores of a cluster before a run; `shares` as in estimated_shares. `growth` is
    the percentage of what a thin disk has not taken yet that counts as in use.
    """

    guests: Mapping[str, Guest]
    ids: Mapping[tuple[str, str], str]
    places: Mapping[str, Datastore]
    shares: Mapping[str, float]
    growth: float = 0.0

    @classmethod
    def of(cls, snapshot: Snapshot, growth: float) -> Layout:
        return cls(
            guests={guest.id: guest for guest in snapshot.guests},
            ids=datastore_ids(snapshot),
            places={place.id: place for place in datastores_of(snapshot)},
            shares=estimated_shares(snapshot),
            growth=growth,
        )

    def moves(self, migration: Migration) -> list[DiskMove]:
        """What a migration does to datastores, as moves of disks."""
        guest = self.guests.get(migration.guest.id)
        lots: dict[tuple[str, str], list[Disk]] = {}
        for disk in guest.disks if guest is not None and migration.cost.disks else ():
            for name, goal in migration.storage.items():
                # On the way back disks are, before the run, where they go to.
                here = name if guest is not None and guest.host == migration.source else goal
                source = self.ids.get((migration.source, name))
                target = self.ids.get((migration.target, goal))
                if disk.id is None or disk.datastore != here or source is None or target is None:
                    continue
                lots.setdefault((source, target), []).append(disk)
        return [
            DiskMove(
                step=migration.step,
                wave=migration.wave,
                guest=migration.guest,
                host=migration.source,
                disks=tuple(disk.id or "" for disk in disks),
                source=source,
                target=target,
                kind="rollback" if migration.kind == "rollback" else "evacuate",
                why=migration.why,
                after=migration.after,
                bytes=sum(freed_by(disk, self.shares.get(source, 1.0)) for disk in disks),
                room=sum(self._room(disk, self.places[target]) for disk in disks),
                seconds=migration.cost.seconds,
            )
            for (source, target), disks in lots.items()
        ]

    def _room(self, disk: Disk, target: Datastore) -> int:
        taken = taken_on(disk, target, migrated=True)
        rest = 0 if disk.thin is False else max(0, (disk.size or 0) - taken)
        return taken + math.ceil(rest * self.growth / 100)


@dataclass(slots=True, kw_only=True)
class RelocationCheck:
    """Looks at the disks of migrations of one run. `limits` says how full a datastore may get, with the rules
    for disks. `settling_seconds` as in DisksAlong. In `check_mode` nothing has really arrived.
    """

    platform: StoragePlatform
    layout: Layout
    limits: DiskMoveJob
    check_mode: bool = False
    _seen: set[tuple[int, str, str]] = field(default_factory=set)

    @property
    def settling_seconds(self) -> float:
        """As DisksAlong says."""
        return math.inf if self.check_mode else MAX_SETTLING_SECONDS

    def preflight(self, migration: Migration, taking_room: Sequence[Migration]) -> PreflightResult:
        """As DisksAlong says."""
        moves = self.layout.moves(migration)
        if not moves:
            return PreflightResult("drop", "no disk of it is on a datastore that it was to leave")
        rules = DiskRuleCheck(self.limits.rules, self.limits.ignored)
        members = {migration.guest.id}.union(*(rules.members(move) for move in moves))
        try:
            now = self.platform.look_at_storage(members)
        except PlatformError as error:
            return PreflightResult("busy", str(error))
        arriving = [move for other in taking_room for move in self.layout.moves(other)]
        coming: list[DiskMove] = []
        for move in moves:
            judged = disk_preflight(move, now, self.limits, [*arriving, *coming])
            if judged.answer == "there":
                return PreflightResult("drop", f"disk {move.disks[0]} is on {move.target} already")
            settles = not self.check_mode and any(_touches(move, other) for other in arriving)
            if judged.answer == "wait" and not settles:
                return PreflightResult("drop", judged.why)
            if judged.answer != "go":
                return judged
            if migration.kind != "rollback":
                conflict = rules.with_move(move, now.guests, [*arriving, *coming], ())
                if conflict is not None:
                    return PreflightResult("drop", conflict)
                try:
                    request = request_for(move, migration.target)
                    broken = policy_breach(self.platform, request, self.limits.policies)
                except PlatformError as error:
                    return PreflightResult("busy", str(error))
                if broken is not None:
                    return PreflightResult("drop", broken)
            coming.append(move)
        return GO

    def revised(
        self, ended: Sequence[MigrationOutcome], migrations: Sequence[Migration]
    ) -> list[MigrationOutcome]:
        """As DisksAlong says. Raises PlatformError."""
        known = {migration.step: migration for migration in migrations}
        last = {one.guest.id: one.step for one in ended if one.result in SUCCESSFUL}
        wanted = [
            one
            for one in ended
            if (one.step, one.result, one.why) not in self._seen
            and one.step in known
            and (one.result in SUCCESSFUL or one.task is not None)
            and self.layout.moves(known[one.step])
        ]
        if not wanted or self.check_mode:
            return []
        now = self.platform.look_at_storage({one.guest.id for one in wanted})
        found = []
        for one in wanted:
            guest = now.guests.get(one.guest.id)
            if guest is None or guest.busy is not None:
                continue
            is_last = last.get(one.guest.id, one.step) == one.step
            revised = self._revised(one, known[one.step], guest, is_last=is_last)
            # A guest that is on its target may be called migrated again afterwards, and is looked at again.
            self._seen |= {(end.step, end.result, end.why) for end in (one, revised)}
            if revised != one:
                found.append(revised)
        return found

    def _revised(
        self, outcome: MigrationOutcome, migration: Migration, guest: DisksNow, *, is_last: bool
    ) -> MigrationOutcome:
        moves = self.layout.moves(migration)
        if outcome.result in SUCCESSFUL:
            wrong = [
                f"{disk} is on {guest.disks[disk]}"
                for move in moves
                for disk in move.disks
                if is_last and guest.disks.get(disk, move.target) != move.target
            ]
            if wrong:
                outcome = replace(outcome, result="failed", why=f"after it, {', '.join(wrong)}")
        if outcome.result == "already_there":
            return outcome
        # The copies that count are where the guest is: the others are on the other host.
        left: list[str] = []
        for move in moves:
            if guest.host == migration.target:
                left += self._copies_left(move, migration.source, move.source)
            elif guest.host == migration.source:
                left += self._copies_left(move, migration.target, move.target)
        return replace(outcome, left_behind=tuple(dict.fromkeys((*outcome.left_behind, *left))))

    def _copies_left(self, move: DiskMove, host: str, datastore: str) -> Sequence[str]:
        request = DiskMoveRequest(
            guest=move.guest.id, host=host, disks=move.disks, source=datastore, target=datastore
        )
        return self.platform.copies_left(request)


def _touches(move: DiskMove, other: DiskMove) -> bool:
    return move.target in (other.source, other.target)


def relocation_check(
    plan: Plan,
    snapshot: Snapshot,
    platform: StoragePlatform,
    rules: Sequence[StorageRule],
    *,
    check_mode: bool,
) -> RelocationCheck | None:
    """What looks at the disks of a plan's migrations; None where none takes disks to other datastores.
    `rules` are those of the cluster as it is now.
    """
    if not takes_disks_along(plan.migrations):
        return None
    policy = plan.policy.storage
    return RelocationCheck(
        platform=platform,
        layout=Layout.of(snapshot, 0.0 if policy is None else policy.growth),
        limits=DiskMoveJob(
            cluster=plan.cluster,
            moves=(),
            utilisation=100.0 if policy is None else policy.utilisation,
            reserve=0 if policy is None else policy.reserve,
            rules=rules,
            ignored=frozenset(
                (guest.id, disk.id)
                for guest in snapshot.guests
                for disk in guest.disks
                if disk.id is not None and "cdrom" in disk.blockers
            ),
            policies=policies_kept(policy),
        ),
        check_mode=check_mode,
    )


def takes_disks_along(migrations: Iterable[Migration]) -> bool:
    """Whether any of them is there for disks that leave a datastore."""
    return any(migration.cost.disks for migration in migrations)
