# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One migration that the user names, as a piece of work. Private to the collection."""

from __future__ import annotations

from .._execution.work import Work
from .._model.errors import InputError
from .._model.plan import Cost, GuestRef, Migration
from .._model.policy import Limits, Policy
from .._model.snapshot import Guest, Host, Snapshot
from .._planning.rules import resolve
from .._platforms.errors import NotFound


def single(snapshot: Snapshot, wanted: str, target: str) -> Work:
    """The work of migrating one guest. The host may be filled as far as mending a rule may fill it."""
    guest = _find_guest(snapshot, wanted)
    host = _find_host(snapshot, target)
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
    rules, _unresolved = resolve(snapshot, Policy())
    limits = Limits(memory=Limits().memory_for_rules)
    return Work(cluster=snapshot.cluster, migrations=(migration,), rules=rules, limits=limits)


def _find_guest(snapshot: Snapshot, wanted: str) -> Guest:
    by_id = [guest for guest in snapshot.guests if guest.id == wanted]
    found = by_id or [guest for guest in snapshot.guests if guest.name == wanted]
    if not found:
        raise NotFound(f"there is no guest {wanted!r} in cluster {snapshot.cluster.name!r}", where="guest")
    if len(found) > 1:
        ids = ", ".join(guest.id for guest in found)
        raise InputError("guest", wanted, "the name of one guest only", hint=f"Give an id, one of {ids}")
    return found[0]


def _find_host(snapshot: Snapshot, wanted: str) -> Host:
    for host in snapshot.hosts:
        if wanted in (host.id, host.name):
            return host
    names = ", ".join(sorted(host.name for host in snapshot.hosts))
    raise NotFound(f"there is no host {wanted!r}", where="target", hint=f"There are {names}")
