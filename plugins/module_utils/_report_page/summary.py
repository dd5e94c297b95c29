# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first screen: what the page is about, and the first questions with their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .._model.plan import Plan
from .cards import Card, cards_of
from .content import view_of
from .given import Given
from .headlines import Mood, forward, headline_of, well
from .section import Section
from .storage import storage_of
from .texts import count, duration, moment, size

_GOALS: Final[Mapping[str, str]] = {
    "spread": "level the hosts and restore rules",
    "relieve": "relieve overloaded hosts and restore rules",
    "rules": "restore rules",
    "evacuate": "empty hosts",
    "consolidate": "use as few hosts as possible",
    "storage": "bring the datastores in order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The number of migrations, or of bytes, against what is proven: percent of the longer one."""

    ours: int
    least: int
    what: str
    ours_says: str
    least_says: str

    @property
    def share(self) -> float:
        return 100.0 * self.least / self.ours if self.ours else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stays on top of the page."""

    title: str
    cluster: str
    platform: str
    status: str
    mood: Mood
    short: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    headline: str
    mood: Mood
    cards: tuple[Card, ...]
    bounds: tuple[Bound, ...]
    error: str
    notes: tuple[str, ...]


def head_of(given: Given) -> Head:
    headline, mood = headline_of(given)
    status = _status(given)
    document = given.plan or given.snapshot or given.placement
    plan = given.plan
    short = ""
    if given.outcome is not None and given.outcome.status != "planned":
        short = f"{well(forward(given, given.outcome))} done"
    elif plan is not None:
        short = _in_short(plan)
    elif given.placement is not None:
        short = f"{count(len(given.placement.placements), 'guest')} placed"
    return Head(
        title=given.title or (f"{given.cluster_name}: {headline}" if given.cluster_name else headline),
        cluster=given.cluster_name,
        platform=document.platform if document else "",
        status=status,
        mood=mood,
        short=short,
        facts=tuple(_facts(given)),
    )


def _facts(given: Given) -> Iterator[tuple[str, str]]:
    plan, snapshot, outcome = given.plan, given.snapshot, given.outcome
    at, window = "", 0
    if snapshot is not None:
        at, window = snapshot.taken_at, snapshot.window_seconds
    elif plan is not None and plan.measured is not None:
        at, window = plan.measured.at, plan.measured.window_seconds
    elif given.placement is not None:
        at = given.placement.taken_at
    if at:
        over = (
            f", average of {duration(window)}" if window else ", present values" if snapshot or plan else ""
        )
        yield "Loads read", f"{moment(at)}{over}"
    if outcome is not None:
        yield "Run started", moment(outcome.started_at)
    if plan is not None:
        yield "Goal", _GOALS[plan.policy.goal]
        if plan.policy.preset:
            yield "Preset", plan.policy.preset
        choices = plan.policy.choices
        if choices.left_out or choices.pinned:
            yield "Choices", f"{len(choices.left_out)} left out, {len(choices.pinned)} insisted on"
        if plan.hypothetical:
            yield "What if", "this plan is for a changed cluster; no run applies it"
    view = view_of(given)
    if view is not None:
        guests = sum(host.guests[0] for host in view.hosts)
        storage = storage_of(given)
        datastores = "" if storage is None else f", {count(len(storage.places), 'datastore')}"
        yield "Size", f"{count(len(view.hosts), 'host')}, {count(guests, 'running guest')}{datastores}"


def _status(given: Given) -> str:
    if given.error and given.outcome is None:
        return "failed"
    if given.outcome is not None and given.outcome.status != "planned":
        return given.outcome.status.replace("_", " ")
    if given.plan is not None:
        return given.plan.status
    return given.placement.status if given.placement else ""


def summary(given: Given) -> Section | None:
    headline, mood = headline_of(given)
    cards = tuple(cards_of(given))
    return Section(
        id="summary",
        title="At a glance",
        template="summary.j2",
        data=Summary(
            headline=headline,
            mood=mood,
            cards=cards,
            bounds=tuple(_bounds(given.plan)) if given.plan else (),
            error=given.error,
            notes=given.notes,
        ),
    )


def _bounds(plan: Plan) -> Iterator[Bound]:
    least, number = plan.proof.migrations_lower_bound, len(plan.migrations)
    if number and (least or plan.proof.optimal):
        least = min(least, number)
        yield Bound(ours=number, least=least, what="migrations", ours_says=str(number), least_says=str(least))
    proof = plan.storage.proof if plan.storage else None
    if proof is not None and proof.bytes and proof.bytes_lower_bound:
        yield Bound(
            ours=proof.bytes,
            least=proof.bytes_lower_bound,
            what="bytes copied",
            ours_says=size(proof.bytes),
            least_says=size(proof.bytes_lower_bound),
        )


def _in_short(plan: Plan) -> str:
    """What is done, and how that is proven."""
    parts = []
    if plan.migrations or plan.storage is None or not plan.storage.moves:
        parts.append(f"{count(len(plan.migrations), 'migration')}{_proof_in_short(plan)}")
    if plan.storage is not None and plan.storage.moves:
        proof = plan.storage.proof
        least = size(proof.bytes_lower_bound)
        tail = ", proven the fewest" if proof.optimal else f", at least {least} needed"
        parts.append(
            f"{count(len(plan.storage.moves), 'disk move')}, {size(proof.bytes)}"
            f"{tail if proof.optimal or proof.bytes_lower_bound else ''}"
        )
    return "; ".join(parts)


def _proof_in_short(plan: Plan) -> str:
    if not plan.migrations:
        return ""
    if plan.proof.optimal:
        return ", proven the fewest"
    least = plan.proof.migrations_lower_bound
    return f", at least {least} needed" if least else ""
