# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections with the rules that do not hold, and with what a plan leaves undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .._model.plan import Immovable, ImmovableDisk, Plan, Unresolved, Violation
from .content import view_of
from .given import Given
from .section import Section
from .storage import StorageView, storage_of
from .texts import listed

# Disks that can't be moved are counted beyond this.
MAX_DISKS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """A rule that does not hold at one end at least."""

    name: str
    strict: bool
    before: str
    after: str
    state: Literal["restored", "better", "stays", "new"]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    broken: tuple[BrokenRule, ...]
    changes: bool
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The rules for guests, or those for disks: what does not hold at each end, and each in words."""

    before: Sequence[Violation]
    after: Sequence[Violation]
    words: Mapping[str, str]
    rules: int


def rules(given: Given) -> Section | None:
    """None where every rule holds at both ends and none is known."""
    view, storage = view_of(given), storage_of(given)
    if view is None:
        return None
    sides = [
        _Side(
            before=view.before.violations,
            after=view.after.violations,
            words={rule.name: rule.says for rule in view.rules},
            rules=len(view.rules),
        )
    ]
    if storage is not None:
        sides.append(_of_disks(storage))
    if not any(side.before or side.after or side.rules for side in sides):
        return None
    broken = [one for side in sides for one in _broken(side)]
    # What stays broken first.
    broken.sort(key=lambda one: one.after == "")
    return Section(
        id="rules",
        title="Rules",
        template="rules.j2",
        data=Rules(
            broken=tuple(broken),
            changes=view.changes != "none" or (storage is not None and storage.changes != "none"),
            kept=sum(max(0, side.rules - len({one.name for one in _broken(side)})) for side in sides),
        ),
    )


def _of_disks(storage: StorageView) -> _Side:
    known = [] if storage.problem is None else [members.rule for members in storage.problem.rules]
    words = {
        rule.name: f"{'disks' if len(rule.guests) == 1 else 'disks of guests'} on "
        f"{'one datastore' if rule.kind == 'affinity' else 'different datastores'}"
        for rule in known
    }
    words["storage.placement"] = "disks only where the policy allows them"
    return _Side(
        before=storage.before.violations, after=storage.after.violations, words=words, rules=len(known)
    )


def _broken(side: _Side) -> Iterator[BrokenRule]:
    first = {violation.rule: violation for violation in side.before}
    last = {violation.rule: violation for violation in side.after}
    for name in [*first, *(name for name in last if name not in first)]:
        before = first[name].detail if name in first else ""
        after = last[name].detail if name in last else ""
        yield BrokenRule(
            name=name,
            strict=(first.get(name) or last[name]).strict,
            before=before,
            after=after,
            state=_state(before, after),
            says=side.words.get(name, ""),
        )


def _state(before: str, after: str) -> Literal["restored", "better", "stays", "new"]:
    if not after:
        return "restored"
    if not before:
        return "new"
    return "stays" if before == after else "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A copy of a disk that no guest uses any more, in the platform's words, and where it comes from."""

    name: str
    guest: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckDisks:
    """Disks that can't be moved, and stand in the way."""

    disks: str
    guest: str
    guest_id: str
    datastore: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What a plan does not put in order, and what it says besides."""

    unresolved: tuple[Unresolved, ...]
    immovable: tuple[Immovable, ...]
    hosts: dict[str, str]
    disks: tuple[StuckDisks, ...]
    more_disks: int
    left: tuple[Left, ...]
    notices: tuple[str, ...]


def undone(given: Given) -> Section | None:
    plan: Plan | None = given.plan
    about_disks = plan.storage if plan else None
    notices = [*(plan.notices if plan else ()), *(about_disks.notices if about_disks else ())]
    notices += [
        notice.text
        for notice in (given.snapshot.notices if given.snapshot else ())
        if notice.text not in notices
    ]
    unresolved = (*(plan.unresolved if plan else ()), *(about_disks.unresolved if about_disks else ()))
    immovable = plan.immovable if plan else ()
    disks = about_disks.immovable if about_disks else ()
    left = tuple(
        Left(name=name, guest=move.guest.name, step=move.step)
        for move in (given.outcome.disk_moves if given.outcome else ())
        for name in move.left_behind
    )
    if not (unresolved or immovable or disks or left or notices):
        return None
    storage = storage_of(given)
    hosts = {id_: host.name for id_, host in plan.before.hosts.items()} if plan else {}
    return Section(
        id="undone",
        title="What stays undone, and why" if unresolved or immovable or disks or left else "Notes",
        template="undone.j2",
        data=Undone(
            unresolved=unresolved,
            immovable=immovable,
            hosts=hosts,
            disks=tuple(_stuck(one, storage) for one in disks[:MAX_DISKS]),
            more_disks=max(0, len(disks) - MAX_DISKS),
            left=left,
            notices=tuple(notices),
        ),
    )


def _stuck(one: ImmovableDisk, storage: StorageView | None) -> StuckDisks:
    return StuckDisks(
        disks=listed(one.disks, 8) or "disks without an id",
        guest=one.guest.name,
        guest_id=one.guest.id,
        datastore=storage.name(one.datastore) if storage else one.datastore,
        why=one.why,
    )
