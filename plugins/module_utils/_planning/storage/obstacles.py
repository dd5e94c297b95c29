# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why disks stay where they are, in words."""

from __future__ import annotations

from ..._model.plan import (
    GuestRef,
    ImmovableDisk,
)
from ..._model.snapshot import Datastore, Guest
from ..._model.text.wording import counted, listed
from .problem import Place, Problem, Unit
from .state import State
from .storage_policies import violated
from .targets import CONTENT, moves_of

MAX_NAMES = 5
MAX_REASONS = 8


def stays(state: State, unit: int) -> bool:
    """Whether a unit is where it was at first."""
    return state.where[unit] == state.problem.units[unit].home


def who_stays(state: State, place: int) -> str:
    """Why what is on a datastore stays, the most frequent reason first, and of which guests."""
    problem = state.problem
    reasons: dict[str, dict[str, None]] = {}
    for unit in sorted(state.at[place]):
        if stays(state, unit):
            names = reasons.setdefault(why_stays(state, unit), {})
            names.update((problem.guests[part.guest].name, None) for part in problem.units[unit].parts)
    if not reasons:
        return ""
    # Disks with the same reason are told once.
    texts = [
        f"{listed(names, MAX_NAMES)}: {why}"
        for why, names in sorted(reasons.items(), key=lambda entry: -len(entry[1]))
    ]
    return f": {listed(texts, MAX_REASONS, '; ')}"


def why_stays(state: State, number: int) -> str:
    """Why a unit stays: it can't be moved, no datastore takes it or has room for it, or nothing is better."""
    problem = state.problem
    unit = problem.units[number]
    if unit.fixed:
        return unit.fixed
    if not unit.targets:
        return "no other datastore may take it: " + listed(_obstacles(problem, unit), MAX_NAMES, "; ")
    if all(state.size(number, t) > state.limit[t] for t in unit.targets):
        return "it is larger than the limit of each datastore that may take it"
    if all(state.load[t] + state.size(number, t) > state.limit[t] for t in unit.targets):
        return "no datastore that may take it has room for it within its limit"
    return "no move of it that is allowed is better"


def _obstacles(problem: Problem, unit: Unit) -> list[str]:
    """What is in the way of a unit, datastore by datastore."""
    guest = problem.guests[unit.parts[0].guest]
    source = problem.places[unit.home].datastore
    found = [
        f"{place.datastore.name}: "
        + (
            _shut(problem, place, guest)
            or _not_complying(problem, place, unit)
            or _barred(problem, place, unit)
            or _unlike(problem, place, guest, source, anywhere=bool(unit.violated))
        )
        for number, place in enumerate(problem.places)
        if number != unit.home
    ]
    return found or ["there is no other"]


def _shut(problem: Problem, place: Place, guest: Guest) -> str:
    """Why a datastore takes no disk at all of a guest."""
    store = place.datastore
    if guest.host not in store.hosts:
        return f"host {guest.host} does not have it"
    if place.alone:
        return "it is left alone"
    if place.leaves:
        return "it is to be emptied"
    if store.closed_because is not None:
        return store.closed_because
    if store.id in problem.barred.targets:
        return "storage.exclude.targets selects it"
    if store.content is not None and CONTENT[guest.kind] not in store.content:
        return f"it may not hold {CONTENT[guest.kind]}"
    return ""


def _not_complying(problem: Problem, place: Place, unit: Unit) -> str:
    """The storage policies of a unit that a datastore does not comply with."""
    disks = (
        disk for part in unit.parts for disk in problem.guests[part.guest].disks if disk.id in part.disks
    )
    policies = violated(disks, place.datastore.id)
    return f"it does not comply with {policies}" if policies else ""


def _barred(problem: Problem, place: Place, unit: Unit) -> str:
    """That a move of a unit to a datastore is left out by choice, or that the platform has refused it."""
    for move in moves_of(unit, problem.guests, place.datastore.id):
        if move in problem.barred.kept_from:
            return "its move there is left out by choice"
        if move in problem.barred.refused:
            return f"the platform has refused it: {problem.barred.refused[move].why}"
    return ""


def _unlike(problem: Problem, place: Place, guest: Guest, source: Datastore, *, anywhere: bool) -> str:
    """Why a datastore that is open is none for disks of a guest on another one. anywhere: whether class and
    cluster of datastores do not count.
    """
    store, allowed = place.datastore, problem.allowed.get(guest.id)
    if allowed is not None and store.id not in allowed:
        return "storage.placement does not allow it"
    if allowed is None and store.kind != source.kind and not anywhere:
        return f"its class is {store.kind or 'none'}, not {source.kind or 'none'}"
    if allowed is None and store.cluster != source.cluster and not anywhere:
        return f"it is not in the same cluster of datastores as {source.name}"
    if allowed is None and source.shared and not store.shared:
        return "it is not shared"
    return "its use is too near to that of the source (storage.min_difference)"


def disks_of(problem: Problem, unit: Unit) -> str:
    """A unit as people know it: the ids of its disks, and the name of its guest."""
    part = unit.parts[0]
    more = f" and {counted(len(unit.parts) - 1, 'other guest')}" if len(unit.parts) > 1 else ""
    ids = listed((disk or "a disk without an id" for disk in part.disks), MAX_NAMES)
    return f"{ids} of {problem.guests[part.guest].name}{more}"


def immovable(state: State) -> tuple[ImmovableDisk, ...]:
    """Disks on datastores that are too full, too slow or to be emptied, and misplaced ones, that can't be
    moved.
    """
    problem = state.problem
    wrong = {
        number
        for number, place in enumerate(problem.places)
        if (place.leaves and state.at[number])
        or (place.judged and (state.load[number] > place.limit or state.io[number] > place.io_limit))
    }
    found = []
    for number, unit in enumerate(problem.units):
        if not stays(state, number) or not (unit.home in wrong or unit.in_breach):
            continue
        if unit.fixed or not unit.targets:
            why = why_stays(state, number)
            found += [
                ImmovableDisk(
                    guest=ref(problem, part.guest),
                    disks=tuple(disk for disk in part.disks if disk),
                    datastore=problem.places[unit.home].datastore.id,
                    why=why,
                )
                for part in unit.parts
            ]
    return tuple(found)


def ref(problem: Problem, guest: int) -> GuestRef:
    """A guest by its number, as plans have it."""
    return GuestRef(id=problem.guests[guest].id, name=problem.guests[guest].name)
