# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections with the rules that do not hold, and with what a plan leaves undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .._model.plan import Immovable, Plan, Unresolved
from .content import view_of
from .given import Given
from .section import Section
from .view import ClusterView


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


def rules(given: Given) -> Section | None:
    """None where every rule holds at both ends and none is known."""
    view = view_of(given)
    if view is None:
        return None
    first = {violation.rule: violation for violation in view.before.violations}
    last = {violation.rule: violation for violation in view.after.violations}
    if not first and not last and not view.rules:
        return None
    words = {rule.name: rule.says for rule in view.rules}
    # What stays broken first.
    names = sorted([*first, *(name for name in last if name not in first)], key=lambda name: name not in last)
    return Section(
        id="rules",
        title="Rules",
        template="rules.j2",
        data=Rules(
            broken=tuple(
                BrokenRule(
                    name=name,
                    strict=(first.get(name) or last[name]).strict,
                    before=first[name].detail if name in first else "",
                    after=last[name].detail if name in last else "",
                    state=_state(name, view),
                    says=words.get(name, ""),
                )
                for name in names
            ),
            changes=view.changes != "none",
            kept=len(view.rules) - len(names) if view.rules else 0,
        ),
    )


def _state(name: str, view: ClusterView) -> Literal["restored", "better", "stays", "new"]:
    before = [violation.detail for violation in view.before.violations if violation.rule == name]
    after = [violation.detail for violation in view.after.violations if violation.rule == name]
    if not after:
        return "restored"
    if not before:
        return "new"
    return "stays" if before == after else "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What a plan does not put in order, and what it says besides."""

    unresolved: tuple[Unresolved, ...]
    immovable: tuple[Immovable, ...]
    hosts: dict[str, str]
    notices: tuple[str, ...]


def undone(given: Given) -> Section | None:
    plan: Plan | None = given.plan
    notices = [*(plan.notices if plan else ())]
    notices += [
        notice.text
        for notice in (given.snapshot.notices if given.snapshot else ())
        if notice.text not in notices
    ]
    unresolved = plan.unresolved if plan else ()
    immovable = plan.immovable if plan else ()
    if not (unresolved or immovable or notices):
        return None
    hosts = {id_: host.name for id_, host in plan.before.hosts.items()} if plan else {}
    return Section(
        id="undone",
        title="What stays undone, and why" if unresolved or immovable else "Notes",
        template="undone.j2",
        data=Undone(unresolved=unresolved, immovable=immovable, hosts=hosts, notices=tuple(notices)),
    )
