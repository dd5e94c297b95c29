# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that a person asks for guest by guest: one guest to one host, and the way back from a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .._model.loads import is_unmeasured
from .._model.lookup import find_one
from .._model.outcome import Outcome
from .._model.plan import GuestRef, Migration, Plan, Unresolved
from .._model.policy.choices import Choices, LeftOut, Pinned
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .model.choices import only_pinned
from .model.eligibility import pinned_with_partners
from .model.rules import resolve_rules
from .planner import plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A guest that was moved from one host to another, in one or several steps."""

    guest: GuestRef
    source: str
    target: str


def plan_move(snapshot: Snapshot, guest: str, host: str, policy: Policy) -> Plan:
    """The plan that brings a guest, with those that move along with it, to a host, and does nothing else.

    It respects the rules, limits and exclusions of the policy; where they do not let the guest go there, the
    plan has no migrations and says why. Raises UnknownName and AmbiguousName, and PlanningError.
    """
    pinned = Pinned(
        guest=find_one(snapshot.guests, "guest", guest, "guest").id,
        host=find_one(snapshot.hosts, "host", host, "host").id,
    )
    return plan(snapshot, _nothing_else(policy, (pinned,)))


def plan_back(
    snapshot: Snapshot, moved: Iterable[Moved], policy: Policy, before: Snapshot | None = None
) -> Plan:
    """The plan that brings guests back to the hosts which they came from, and does nothing else. `before`:
    the cluster before they were moved, for the loads of guests that are not measured again yet.

    A guest that is not any more where it was moved to stays where it is, and so does one whose return would
    break a rule that holds or fill a host above its limits: both are unresolved, with the reason.
    """
    if before is not None:
        snapshot = _with_loads_of(before, snapshot)
    hosts = {host.id: host.name for host in snapshot.hosts}
    present = {guest.id: guest for guest in snapshot.guests}
    pinned, left = [], []
    for one in moved:
        guest = present.get(one.guest.id)
        if guest is None:
            left.append(_left(one, "it is not there any more"))
        elif guest.host == one.source:
            continue
        elif guest.host != one.target:
            here, there = hosts[guest.host], hosts.get(one.target, one.target)
            left.append(_left(one, f"it is on {here} now, and was moved to {there}"))
        elif one.source not in hosts:
            left.append(_left(one, f"there is no host {one.source} any more"))
        else:
            pinned.append(Pinned(guest=guest.id, host=one.source))
    wanted = _nothing_else(policy, tuple(pinned))
    # Not even a guest that a rule keeps beside one of these.
    rules, _unknown = resolve_rules(snapshot, wanted)
    beside = pinned_with_partners(rules) - {one.guest for one in pinned}
    left_out = tuple(LeftOut(guest=guest) for guest in sorted(beside))
    found = plan(snapshot, replace(wanted, choices=replace(wanted.choices, left_out=left_out)))
    origins = {one.guest: one.host for one in pinned}
    migrations = tuple(_as_rollback(step, origins) for step in found.migrations)
    status = found.status if pinned else "unchanged"
    if left and status == "balanced":
        status = "improved" if migrations else "unchanged"
    unresolved = (*left, *(found.unresolved if pinned else ()))
    return replace(found, migrations=migrations, unresolved=unresolved, status=status)


def moved_by(outcome: Outcome) -> tuple[Moved, ...]:
    """The guests that a run has moved, each once: from the host where it was first to the last one."""
    steps = [
        Moved(guest=guest, source=source, target=one.target)
        for one in outcome.migrations
        for guest, source in (
            *(((one.guest, one.source),) if one.result == "migrated" else ()),
            *((along.guest, along.source) for along in one.along),
        )
    ]
    return joined_ways(steps)


def joined_ways(steps: Sequence[Moved]) -> tuple[Moved, ...]:
    """The ways of guests, each step one after the other, each guest once; those that ended where they began
    left out.
    """
    ways: dict[str, Moved] = {}
    for step in steps:
        first = ways.get(step.guest.id)
        ways[step.guest.id] = step if first is None else replace(first, target=step.target)
    return tuple(way for way in ways.values() if way.source != way.target)


def _nothing_else(policy: Policy, pinned: tuple[Pinned, ...]) -> Policy:
    """The policy by which nothing but these guests moves."""
    if not pinned:
        # Nothing is chosen, so nothing is to move.
        return replace(policy, max_migrations=0, storage=None, choices=Choices())
    return only_pinned(policy, Choices(pinned=pinned))


def _with_loads_of(before: Snapshot, snapshot: Snapshot) -> Snapshot:
    """The snapshot in which guests that have just arrived use what they used before."""
    known = {guest.id: guest for guest in before.guests}
    guests = []
    for guest in snapshot.guests:
        old = known.get(guest.id)
        found = {
            name: value
            for name, value in (old.used if old is not None else {}).items()
            if value is not None and is_unmeasured(guest, name)
        }
        if found:
            sources = {name: source for name, source in guest.sources.items() if name not in found}
            guest = replace(guest, used={**guest.used, **found}, sources=sources)
        guests.append(guest)
    return replace(snapshot, guests=tuple(guests))


def _left(one: Moved, why: str) -> Unresolved:
    return Unresolved(what=f"guest {one.guest.name}", why=why, code="not_where_moved", subject=one.guest.id)


def _as_rollback(step: Migration, origins: dict[str, str]) -> Migration:
    if step.kind != "manual" or origins.get(step.guest.id) != step.target:
        return step
    return replace(step, kind="rollback", why="returns to the host that it came from")
