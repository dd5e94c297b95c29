# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choices of a person about single migrations and moves of disks: what is left out of a plan, and what is
insisted on.

A guest that is pinned is under a strict rule of its own, over one host. What is left out narrows the hosts of
a guest, or leaves it where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..._model.datastores import datastores_of
from ..._model.lookup import Directory
from ..._model.policy.choices import Choices, DisksLeftOut, LeftOut, Pinned
from ..._model.policy.policy import Policy
from ..._model.selector import Selector
from ..._model.snapshot import Rule, Snapshot
from ..errors import PlanningError

# The source of the rules that stand for pinned guests.
CHOICE: Final = "choice"
LEFT_OUT: Final = "its migration is left out by choice"


def only_pinned(policy: Policy, choices: Choices) -> Policy:
    """The policy by which no guest is migrated but those that the choices pin, and no disk is moved."""
    return replace(
        policy,
        goal="evacuate",
        evacuate=Selector(),
        relieve=None,
        consolidate=None,
        max_migrations=None,
        storage=None,
        choices=choices,
    )


def with_choices_by_id(snapshot: Snapshot, policy: Policy) -> Policy:
    """The policy whose choices name guests, hosts and datastores by id.

    Raises UnknownName and AmbiguousName for one that none or several have, and PlanningError for a disk that
    the guest does not have, and for choices that contradict each other.
    """
    choices = policy.choices
    if not choices:
        return policy
    guests, hosts = Directory(snapshot.guests, "guest"), Directory(snapshot.hosts, "host")
    left_out = tuple(
        LeftOut(
            guest=guests.one(one.guest, f"policy.choices.left_out[{index}].guest"),
            host=None if one.host is None else hosts.one(one.host, f"policy.choices.left_out[{index}].host"),
        )
        for index, one in enumerate(choices.left_out)
    )
    pinned = tuple(
        Pinned(
            guest=guests.one(one.guest, f"policy.choices.pinned[{index}].guest"),
            host=hosts.one(one.host, f"policy.choices.pinned[{index}].host"),
        )
        for index, one in enumerate(choices.pinned)
    )
    _refuse_contradictions(left_out, pinned, choices)
    disks = _disks_by_id(snapshot, choices.disks_left_out, guests)
    return replace(policy, choices=Choices(left_out=left_out, pinned=pinned, disks_left_out=disks))


def _disks_by_id(
    snapshot: Snapshot, given: tuple[DisksLeftOut, ...], guests: Directory
) -> tuple[DisksLeftOut, ...]:
    """Each with all the disks that it is about."""
    if not given:
        return ()
    datastores = Directory(datastores_of(snapshot), "datastore")
    known = {guest.id: tuple(filter(None, (disk.id for disk in guest.disks))) for guest in snapshot.guests}
    found = []
    for index, one in enumerate(given):
        field = f"policy.choices.disks_left_out[{index}]"
        guest = guests.one(one.guest, f"{field}.guest")
        for disk in one.disks:
            if disk not in known[guest]:
                raise PlanningError(
                    f"guest {one.guest!r} has no disk {disk!r}",
                    where=f"{field}.disks",
                    hint=f"Its disks: {', '.join(known[guest]) or 'none with an id'}",
                )
        place = None if one.datastore is None else datastores.one(one.datastore, f"{field}.datastore")
        found.append(DisksLeftOut(guest=guest, disks=one.disks or known[guest], datastore=place))
    return tuple(found)


def _refuse_contradictions(left_out: tuple[LeftOut, ...], pinned: tuple[Pinned, ...], given: Choices) -> None:
    stay = {one.guest for one in left_out if one.host is None}
    not_there = {(one.guest, one.host) for one in left_out}
    first: dict[str, str] = {}
    for index, one in enumerate(pinned):
        field, name = f"policy.choices.pinned[{index}]", given.pinned[index].guest
        if first.setdefault(one.guest, one.host) != one.host:
            raise PlanningError(
                f"guest {name!r} is pinned to two hosts", where=field, hint="Pin it to one of them"
            )
        if one.guest in stay or (one.guest, one.host) in not_there:
            raise PlanningError(
                f"guest {name!r} is pinned, and its migration is left out",
                where=field,
                hint="Remove it from pinned or from left_out",
            )


def pins(snapshot: Snapshot, policy: Policy) -> list[Rule]:
    """A strict rule for each pinned guest that there is; those that are gone count no more."""
    if not policy.choices.pinned:
        return []
    guests, hosts = Directory(snapshot.guests, "guest"), Directory(snapshot.hosts, "host")
    names = {host.id: host.name for host in snapshot.hosts}
    titles = {guest.id: guest.name for guest in snapshot.guests}
    found = []
    for index, one in enumerate(policy.choices.pinned):
        guest = guests.find(one.guest, f"policy.choices.pinned[{index}].guest")
        host = hosts.find(one.host, f"policy.choices.pinned[{index}].host")
        if guest is not None and host is not None:
            found.append(
                Rule(
                    name=f"{titles[guest]} on {names[host]} by choice",
                    kind="host_affinity",
                    guests=(guest,),
                    hosts=(host,),
                    strict=True,
                    source=CHOICE,
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class LeftOutIds:
    """By id: guests that stay where they are, and by guest the hosts to which it is not migrated."""

    stay: frozenset[str]
    hosts: Mapping[str, frozenset[str]]


def left_out_of(snapshot: Snapshot, policy: Policy) -> LeftOutIds:
    """What is left out; guests and hosts that are gone count no more."""
    if not policy.choices.left_out:
        return LeftOutIds(frozenset(), {})
    guests, hosts = Directory(snapshot.guests, "guest"), Directory(snapshot.hosts, "host")
    stay: set[str] = set()
    shut: dict[str, frozenset[str]] = {}
    for index, one in enumerate(policy.choices.left_out):
        field = f"policy.choices.left_out[{index}]"
        guest = guests.find(one.guest, f"{field}.guest")
        if guest is None:
            continue
        if one.host is None:
            stay.add(guest)
        elif (host := hosts.find(one.host, f"{field}.host")) is not None:
            shut[guest] = shut.get(guest, frozenset()) | {host}
    return LeftOutIds(frozenset(stay), shut)
