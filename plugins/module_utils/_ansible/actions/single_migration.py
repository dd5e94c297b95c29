# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One migration that the user names, as a piece of work."""

from __future__ import annotations

from ..._execution.job import MigrationJob, names_of
from ..._model.lookup import find_one
from ..._model.plan import Cost, GuestRef, Migration
from ..._model.policy.policy import Limits, Policy
from ..._model.snapshot import Snapshot
from ..._planning.model.rules import resolve_rules


def single_migration(snapshot: Snapshot, wanted: str, target: str) -> MigrationJob:
    """The work of migrating one guest. The host may be filled as far as mending a rule may fill it."""
    guest = find_one(snapshot.guests, "guest", wanted, "guest")
    host = find_one(snapshot.hosts, "host", target, "target")
    migration = Migration(
        step=1,
        wave=1,
        guest=GuestRef(id=guest.id, name=guest.name),
        source=guest.host,
        target=host.id,
        kind="manual",
        why="asked for",
        after=(),
        cost=Cost(memory=int(guest.used.get("memory") or guest.assigned.get("memory") or 0), seconds=0),
    )
    rules, _unresolved = resolve_rules(snapshot, Policy())
    limits = Limits(memory=Limits().memory_for_rules)
    return MigrationJob(
        cluster=snapshot.cluster,
        migrations=(migration,),
        rules=rules,
        limits=limits,
        names=names_of(snapshot),
    )
