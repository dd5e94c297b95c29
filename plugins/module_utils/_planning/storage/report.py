# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for datastores in words and figures: states, reasons, what is left undone, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..._model.plan import (
    DatastoreState,
    DiskMoveKind,
    GuestRef,
    ImmovableDisk,
    StorageState,
    Unresolved,
    Violation,
)
from ..._model.snapshot import Datastore, Guest
from ..._model.text.wording import counted, listed
from .builder import CONTENT
from .problem import Place, Problem, Unit
from .state import FINE, State

MAX_NAMES = 5
MAX_REASONS = 8


def storage_state(state: State, touched: Collection[int] = ()) -> StorageState:
    """The datastores with the units where the state has them; the latency of those that are touched is not
    known any more.
    """
    disks = Counter(
        place
        for unit, place in enumerate(state.where)
        for part in state.problem.units[unit].parts
        for _disk in part.disks
    )
    return StorageState(
        datastores={
            place.datastore.id: DatastoreState(
                name=place.datastore.name,
                capacity=place.datastore.capacity,
                used=max(0, state.load[number]) if place.capacity else None,
                percent=place.percent(max(0, state.load[number])),
                latency=None if number in touched else place.datastore.latency,
                disks=disks[number],
            )
            for number, place in enumerate(state.problem.places)
        },
        violations=tuple(_violations(state)),
    )


def _violations(state: State) -> Iterator[Violation]:
    problem = state.problem
    for number, members in enumerate(problem.rules):
        if state.broken[number]:
            detail = "; ".join(_breaches(state, number))
            yield Violation(rule=members.rule.name, detail=detail, strict=members.rule.strict)
    wrong = [
        f"{_disks(problem, unit)} {_verb(unit)} on {problem.places[place].datastore.name}"
        for unit, place in zip(problem.units, state.where, strict=True)
        if unit.misplaced and place == unit.home
    ]
    if wrong:
        yield Violation(rule="storage.placement", detail=listed(wrong, 10, "; "))


def _breaches(state: State, rule: int) -> Iterator[str]:
    problem = state.problem
    members = problem.rules[rule].rule
    names = {guest.id: guest.name for guest in problem.guests}
    own = names.get(members.guests[0], "") if len(members.guests) == 1 else ""
    together = members.kind == "affinity"
    for place, owners in enumerate(state.owners[rule]):
        if len(owners) > 1 or (together and owners):
            who = listed((owner if own else names.get(owner, owner) for owner in owners), MAX_NAMES)
            of = f" of {own}" if own else ""
            verb = "is" if len(owners) == 1 else "are"
            yield f"{who}{of} {verb} on {problem.places[place].datastore.name}"


def _disks(problem: Problem, unit: Unit) -> str:
    part = unit.parts[0]
    more = f" and {counted(len(unit.parts) - 1, 'other guest')}" if len(unit.parts) > 1 else ""
    ids = listed((disk or "a disk without an id" for disk in part.disks), MAX_NAMES)
    return f"{ids} of {problem.guests[part.guest].name}{more}"


def _verb(unit: Unit) -> str:
    return "is" if sum(len(part.disks) for part in unit.parts) == 1 else "are"


def kind_of(problem: Problem, first: State, unit: int) -> DiskMoveKind:
    """What a unit moves for. first: the state before anything is moved."""
    one = problem.units[unit]
    if one.misplaced:
        return "placement"
    if one.must_leave:
        return "evacuate"
    if one.restoring:
        return "rule"
    if first.load[one.home] > first.limit[one.home]:
        return "space"
    if first.io[one.home] > problem.places[one.home].io_limit:
        return "latency"
    return "level"


class Reasons:
    """Why each unit moves, in words."""

    def __init__(self, problem: Problem, before: StorageState, after: StorageState) -> None:
        self.problem, self.before, self.after = problem, before, after
        self.broken = {violation.rule for violation in before.violations}

    def of(self, kind: DiskMoveKind, unit: int, target: int) -> str:
        one = self.problem.units[unit]
        source = self.problem.places[one.home]
        name = source.datastore.name
        if kind == "placement":
            return f"storage.placement does not allow it on {name}"
        if kind == "evacuate":
            return f"{name} is to be emptied: {source.leaves}"
        if kind == "rule":
            rules = [
                self.problem.rules[rule].rule.name
                for rule in self.problem.rules_of.get(unit, ())
                if self.problem.rules[rule].rule.name in self.broken
            ]
            return f"restores rule {listed(rules, 3)}"
        if kind == "parking":
            there = self.problem.places[target].datastore.name
            return f"moved to {there} temporarily until its target has room; frees space on {name}"
        if kind == "latency":
            latency = source.datastore.latency or 0
            return f"takes I/O off {name}, whose latency is {latency:g} ms"
        now = self.before.datastores[source.datastore.id].percent or 0.0
        then = self.after.datastores[source.datastore.id].percent or 0.0
        if then > now:
            return f"makes room on {name} for other disks"
        return f"takes {name} from {now:.1f} % to {then:.1f} %"


@dataclass(frozen=True)
class NoOrder:
    """Units without a safe order; and whether there are ends in order, but no safe way to any of them."""

    dropped: Collection[int] = ()
    has_no_way: bool = False


def unresolved(state: State, no_order: NoOrder) -> list[Unresolved]:
    """What is out of order with the units where the state has them."""
    problem = state.problem
    return [
        *problem.unresolved,
        *_broken_rules(state),
        *_misplaced(state),
        *_full(state),
        *_not_empty(state),
        *_slow(state),
        *_uneven(state),
        *_balanced_by_others(state),
        *_without_order(state, no_order),
    ]


def _broken_rules(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, members in enumerate(problem.rules):
        if not state.broken[number] or not members.rule.strict:
            continue
        impossible = _impossible(problem, number)
        yield Unresolved(
            what=f"rule {members.rule.name}",
            why=impossible or "; ".join([*_breaches(state, number), *_why_members_stay(state, number)]),
            code="rule_impossible" if impossible else "rule_broken",
            subject=members.rule.name,
        )


def _impossible(problem: Problem, number: int) -> str:
    """Why no placement can keep a rule, as far as that is plain; or an empty text."""
    members = problem.rules[number]
    rule = members.rule
    owners = {owner for names in members.units.values() for owner in names}
    if rule.kind == "anti_affinity":
        places = {problem.units[unit].home for unit in members.units}
        places |= {target for unit in members.units for target in problem.units[unit].targets}
        if len(owners) > len(places):
            return f"its {len(owners)} members can be on {counted(len(places), 'datastore')} only"
    for other in problem.rules:
        if other.rule.kind == rule.kind or not other.rule.strict:
            continue
        if rule.kind == "anti_affinity" and (len(rule.guests) == 1) != (len(other.rule.guests) == 1):
            continue
        shared = owners & {owner for names in other.units.values() for owner in names}
        if len(shared) > 1:
            return f"rule {other.rule.name} wants the opposite of {counted(len(shared), 'member')}"
    return ""


def _why_members_stay(state: State, number: int) -> Iterator[str]:
    problem = state.problem
    units = [unit for unit in problem.rules[number].units if _stays(state, unit)]
    whys = {_why_stays(state, unit) for unit in units}
    if whys:
        yield listed(sorted(whys), 3, "; ")


def _misplaced(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, unit in enumerate(problem.units):
        if unit.misplaced and state.where[number] == unit.home:
            name = problem.places[unit.home].datastore.name
            yield Unresolved(
                what=f"{_disks(problem, unit)} on {name}",
                why=f"storage.placement does not allow it there; {_why_stays(state, number)}",
                code="rule_broken",
                subject=problem.guests[unit.parts[0].guest].id,
            )


def _full(state: State) -> Iterator[Unresolved]:
    for number, place in enumerate(state.problem.places):
        if place.judged and state.load[number] > place.limit:
            percent = 100 * state.load[number] / place.capacity
            most = 100 * place.limit / place.capacity
            yield Unresolved(
                what=f"space of datastore {place.datastore.name}",
                why=f"it is at {percent:.1f} % and its limit is {most:.1f} %{_who_stays(state, number)}",
                code="datastore_full",
                subject=place.datastore.id,
            )


def _not_empty(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, place in enumerate(problem.places):
        left = state.at[number]
        if place.leaves and left:
            disks = sum(len(part.disks) for unit in left for part in problem.units[unit].parts)
            yield Unresolved(
                what=f"datastore {place.datastore.name} is not empty",
                why=f"{counted(disks, 'disk')} cannot leave it{_who_stays(state, number)}",
                code="datastore_not_empty",
                subject=place.datastore.id,
            )


def _slow(state: State) -> Iterator[Unresolved]:
    most = state.problem.policy.latency
    for number, place in enumerate(state.problem.places):
        latency = place.datastore.latency
        if most is None or latency is None or latency <= most or not place.judged:
            continue
        if state.io[number] <= place.io_limit and place.datastore.disk_io:
            continue
        known = any(state.io_of[unit] for unit in state.at[number])
        why = (
            f"not enough I/O can leave it{_who_stays(state, number)}"
            if known
            else "the I/O of its disks is not reported, so no disk was chosen"
        )
        yield Unresolved(
            what=f"latency of datastore {place.datastore.name}",
            why=f"it is {latency:g} ms and its limit is {most:g} ms; {why}",
            code="latency_exceeded",
            subject=place.datastore.id,
        )


def _uneven(state: State) -> Iterator[Unresolved]:
    for group in state.groups.values():
        spread = state.spread(group)
        if state.max_spread is not None and spread > state.max_spread:
            names = listed((state.problem.places[place].datastore.name for place in group), MAX_NAMES)
            yield Unresolved(
                what=f"space of datastores {names}",
                why=f"their use is {100 * spread / FINE:.1f} points apart, and max_spread is "
                f"{100 * state.max_spread / FINE:g}; no move that is allowed brings them nearer",
                code="spread_exceeded",
                subject=state.problem.places[group[0]].datastore.id,
            )


def _balanced_by_others(state: State) -> Iterator[Unresolved]:
    """Datastores that something else balances, where they are out of order or there are no others."""
    policy, places = state.problem.policy, state.problem.places
    if policy.other_balancers != "respect":
        return
    found = [place for place in places if place.datastore.balanced_by is not None]
    wrong = [
        place
        for place in found
        if place.load > place.limit
        or (policy.latency is not None and (place.datastore.latency or 0) > policy.latency)
    ]
    chosen = found if len(found) == len(places) else wrong
    for name in dict.fromkeys(str(place.datastore.balanced_by) for place in chosen):
        names = [place.datastore.name for place in chosen if place.datastore.balanced_by == name]
        yield Unresolved(
            what=f"{'datastore' if len(names) == 1 else 'datastores'} {listed(names, MAX_NAMES)}",
            why=f"{name} already balances {'it' if len(names) == 1 else 'them'}. Disable it, or set "
            "storage.other_balancers: ignore",
            code="other_balancer",
            subject=name,
        )


def _without_order(state: State, no_order: NoOrder) -> Iterator[Unresolved]:
    units = [unit for unit in sorted(no_order.dropped) if _stays(state, unit)]
    if not units and no_order.has_no_way and not state.is_in_order():
        yield Unresolved(
            what="order of disk moves",
            why="they could be in order, but there is no moment with room for all the moves that it takes",
            code="no_safe_order",
        )
    elif units:
        names = listed((_disks(state.problem, state.problem.units[unit]) for unit in units), MAX_NAMES)
        yield Unresolved(
            what="order of disk moves",
            why=f"at no moment there is room for them: {names}",
            code="no_safe_order",
        )


def _stays(state: State, unit: int) -> bool:
    return state.where[unit] == state.problem.units[unit].home


def _who_stays(state: State, place: int) -> str:
    """Why what is on a datastore stays, the most frequent reason first, and of which guests."""
    problem = state.problem
    reasons: dict[str, dict[str, None]] = {}
    for unit in sorted(state.at[place]):
        if _stays(state, unit):
            names = reasons.setdefault(_why_stays(state, unit), {})
            names.update((problem.guests[part.guest].name, None) for part in problem.units[unit].parts)
    if not reasons:
        return ""
    # Disks with the same reason are told once.
    texts = [
        f"{listed(names, MAX_NAMES)}: {why}"
        for why, names in sorted(reasons.items(), key=lambda entry: -len(entry[1]))
    ]
    return f": {listed(texts, MAX_REASONS, '; ')}"


def _why_stays(state: State, number: int) -> str:
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
        f"{place.datastore.name}: {_shut(problem, place, guest) or _unlike(problem, place, guest, source)}"
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


def _unlike(problem: Problem, place: Place, guest: Guest, source: Datastore) -> str:
    """Why a datastore that is open is none for disks of a guest on another one."""
    store, allowed = place.datastore, problem.allowed.get(guest.id)
    if allowed is not None and store.id not in allowed:
        return "storage.placement does not allow it"
    if allowed is None and store.kind != source.kind:
        return f"its class is {store.kind or 'none'}, not {source.kind or 'none'}"
    if allowed is None and store.cluster != source.cluster:
        return f"it is not in the same cluster of datastores as {source.name}"
    if allowed is None and source.shared and not store.shared:
        return "it is not shared"
    return "its use is too near to that of the source (storage.min_difference)"


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
        if not _stays(state, number) or not (unit.home in wrong or unit.misplaced):
            continue
        if unit.fixed or not unit.targets:
            why = _why_stays(state, number)
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
    return GuestRef(id=problem.guests[guest].id, name=problem.guests[guest].name)
