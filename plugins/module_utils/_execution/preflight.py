# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking again: whether a planned migration still makes sense in the cluster as it is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from .._model.outcome import MigrationOutcome
from .._model.plan import RULE_RESTORING, Migration
from .._model.policy.policy import Limits
from .._platforms.protocol import ClusterNow

MIB = 1024**2
NAMELESS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """`go`, `there` (nothing to do), `busy`, `wait` for a migration under way, or `drop` it; the last three
    with the reason.
    """

    answer: Literal["go", "there", "busy", "wait", "drop"]
    why: str = ""


GO = PreflightResult("go")
THERE = PreflightResult("there")


class DisksAlong(Protocol):
    """What has to be looked at of migrations that take disks to other datastores."""

    @property
    def settling_seconds(self) -> float:
        """For how long after a migration the platform may show the space of before it."""

    def preflight(self, migration: Migration, taking_room: Sequence[Migration]) -> PreflightResult:
        """Whether the disks are where they were planned, and their targets take them and have room for them;
        `taking_room` are migrations under way, and those that have ended so recently that the space may be
        that of before them.
        """

    def revised(
        self, ended: Sequence[MigrationOutcome], migrations: Sequence[Migration]
    ) -> list[MigrationOutcome]:
        """The ends that turn out otherwise when the disks are looked at, with the copies left behind."""


def preflight(
    migration: Migration,
    now: ClusterNow,
    underway: Sequence[Migration],
    limits: Limits,
    later: Collection[str] = (),
    rule_targets: Collection[str] = (),
    names: Mapping[str, str] = NAMELESS,
) -> PreflightResult:
    """The decision about a migration that may start now. `underway` are the running migrations, `later` the
    hosts that later steps take the same guest to, `rule_targets` the hosts that may be filled up to
    `memory_for_rules`, because a migration of the plan restores a rule there. `names` are those of hosts, by
    id.
    """
    guest = now.guests.get(migration.guest.id)
    if guest is None:
        return PreflightResult("drop", "the guest no longer exists")
    if guest.host == migration.target and guest.busy is None:
        return THERE
    if guest.busy is not None:
        return PreflightResult("busy", f"the guest is busy: {guest.busy}")
    if guest.host != migration.source and guest.host in later:
        return THERE
    if guest.host != migration.source:
        here, planned = names.get(guest.host, guest.host), names.get(migration.source, migration.source)
        return PreflightResult("drop", f"the guest is on {here}, not on {planned} as planned")
    # One that is migrated for its disks alone was off when that was planned, and holds no memory.
    planned = "stopped" if migration.cost.disks and not migration.cost.memory else "running"
    if guest.power != planned:
        return PreflightResult("drop", f"the guest is {guest.power}")
    target = now.hosts.get(migration.target)
    if target is None:
        return PreflightResult(
            "drop", f"there is no host {names.get(migration.target, migration.target)} any more"
        )
    if not target.active:
        return PreflightResult(
            "drop", f"{names.get(migration.target, migration.target)} does not accept guests now"
        )
    return free_capacity([migration], now, underway, limits, rule_targets, names)


def free_capacity(
    coming: Sequence[Migration],
    now: ClusterNow,
    underway: Sequence[Migration],
    limits: Limits,
    rule_targets: Collection[str] = (),
    names: Mapping[str, str] = NAMELESS,
) -> PreflightResult:
    """Whether the target's memory, as measured, with all that is on its way to it, still has room for a
    migration, which is the first of `coming`, and for those that the platform takes along with it.

    What is on its way counts in full though some of it is measured already: rather wait than fill a host.
    """
    migration, *along = coming
    generous = migration.kind in RULE_RESTORING or migration.target in rule_targets
    percent = limits.memory_for_rules if generous else limits.memory
    target = now.hosts[migration.target]
    if target.memory_capacity is None or target.memory_used is None:
        return GO
    ceiling = target.memory_capacity * percent / 100 - limits.memory_reserve
    arriving = sum(other.cost.memory for other in underway if other.target == migration.target)
    memory = sum(other.cost.memory for other in coming)
    if target.memory_used + arriving + memory <= ceiling:
        return GO
    partners = ", ".join(f"{other.guest.name} ({other.guest.id})" for other in along)
    touching = any(migration.target in (other.source, other.target) for other in underway)
    return PreflightResult(
        "wait" if touching else "drop",
        f"{names.get(migration.target, migration.target)} has too little free memory:"
        f" {(target.memory_used + arriving) / MIB:.0f} MiB in use or arriving,"
        f" {memory / MIB:.0f} MiB needed"
        f"{f' with {partners}, which the platform migrates with it' * bool(along)},"
        f" {ceiling / MIB:.0f} MiB allowed",
    )
