# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first questions of a reader, each with its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .._model.outcome import Outcome
from .._model.placement import Placement
from .._model.plan import Plan, StoragePlan
from .._planning.report.unresolved import is_complete
from .._planning.tolerances import REPORTED_POINTS
from .content import view_of
from .disk_timeline import disk_timeline_of
from .given import Given
from .headlines import Mood, forward, outcome_headline, placement_headline, undone_of, well
from .metrics import metric_label
from .storage import StorageView, storage_of
from .storage_cards import (
    PROMISES,
    Said,
    gains,
    left_behind,
    proof_lines,
    result_lines,
    verdict,
    work_lines,
    wrong_datastores,
)
from .texts import count, duration, listed, percent, points, size
from .timeline import timeline_of
from .view import ClusterView, MetricView

_KINDS: Final[Mapping[str, str]] = {
    "balance": "to level the hosts",
    "rule": "to restore rules",
    "evacuate": "to empty hosts",
    "relieve": "to relieve overloaded hosts",
    "consolidate": "to free whole hosts",
    "parking": "to another host for a while",
    "storage": "together with their disks, for the datastores",
    "manual": "by hand",
    "rollback": "to undo earlier ones",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A statement, with a figure that stands out."""

    figure: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The answer to one question."""

    question: str
    answer: str
    mood: Mood
    lines: tuple[Line, ...] = ()


def cards_of(given: Given) -> Iterator[Card]:
    plan, outcome, view, storage = given.plan, given.outcome, view_of(given), storage_of(given)
    ran = outcome if outcome is not None and outcome.status != "planned" else None
    if view is not None and (plan is not None or given.placement is None):
        yield _wrong(given, view, storage)
    if ran is not None:
        yield _result(given, ran)
    elif plan is not None:
        yield _work(given, plan)
    if given.placement is not None:
        yield from _placement_cards(given.placement)
    if view is not None and (view.changes != "none" or (storage is not None and storage.changes != "none")):
        yield _gain(view, storage, plan)
    if plan is not None:
        yield _safety(plan, view, storage)
        yield _quality(plan)


def _lines(said: Iterator[Said] | tuple[Said, ...]) -> Iterator[Line]:
    for figure, text in said:
        yield Line(figure=figure, text=text)


def _disks_of(plan: Plan) -> StoragePlan | None:
    """The part about datastores, where any disk is moved."""
    return plan.storage if plan.storage is not None and plan.storage.moves else None


def _wrong(given: Given, view: ClusterView, storage: StorageView | None) -> Card:
    lines = [*_wrong_hosts(view), *_wrong_loads(view), *_wrong_rules(view)]
    if storage is not None:
        lines += _lines(wrong_datastores(storage))
    notices = [] if given.snapshot is None else [notice.text for notice in given.snapshot.notices]
    if notices:
        figure = count(len(notices), "notice")
        lines.append(Line(figure=figure, text=f"of what could not be read: {notices[0]}"))
    if not lines:
        return Card(question="What is wrong?", answer="Nothing", mood="good")
    answer = count(len(lines), "finding")
    return Card(question="What is wrong?", answer=answer, mood="warn", lines=tuple(lines))


def _wrong_hosts(view: ClusterView) -> Iterator[Line]:
    """Hosts that are to be empty, and those that are not as the others, the first few."""
    special = [host for host in view.hosts if host.note and host.note != "becomes empty" and host.guests[0]]
    special.sort(key=lambda host: host.note != "to be emptied")
    for host in special[:4]:
        guests = f"{count(host.guests[0], 'running guest')}"
        yield Line(figure=host.name, text=f"{host.note}, with {guests}")
    if len(special) > 4:
        yield Line(figure=f"{len(special) - 4} more", text="hosts are to be emptied or take no guests")


def _wrong_loads(view: ClusterView) -> Iterator[Line]:
    for metric in view.metrics:
        spread, allowed = metric.spread[0], metric.allowed
        if allowed is not None and spread is not None and spread > allowed + REPORTED_POINTS:
            high, low = _extremes(view, metric)
            text = f"of {metric.label} between {high} and {low}; {allowed:g} are allowed"
            yield Line(figure=points(spread), text=text)
        if metric.overload is None:
            continue
        hot = [host.name for host in view.hosts if (host.used[0].get(metric.name) or 0) > metric.overload]
        if hot:
            text = f"above {metric.overload:g} % {metric.label}: {listed(hot)}"
            yield Line(figure=count(len(hot), "host"), text=text)


def _wrong_rules(view: ClusterView) -> Iterator[Line]:
    broken = [violation.rule for violation in view.before.violations if violation.strict]
    if broken:
        yield Line(figure=count(len(broken), "rule"), text=f"violated: {listed(broken)}")
    soft = [violation.rule for violation in view.before.violations if not violation.strict]
    if soft:
        yield Line(figure=count(len(soft), "soft rule"), text=f"not kept: {listed(soft)}")


def _extremes(view: ClusterView, metric: MetricView) -> tuple[str, str]:
    values = [
        (value, host.name)
        for host in view.hosts
        if (value := host.used[0].get(metric.name)) is not None and not _is_apart(host.note)
    ]
    (low, emptiest), (high, fullest) = min(values), max(values)
    return f"{fullest} ({percent(high)})", f"{emptiest} ({percent(low)})"


def _is_apart(note: str) -> bool:
    """Whether a host does not count in the spread."""
    return note.startswith(("in maintenance", "to be emptied", "offline", "unknown", "becomes empty"))


def _work(given: Given, plan: Plan) -> Card:
    disks = _disks_of(plan)
    if not plan.migrations and disks is None:
        return Card(question="What will be done?", answer="Nothing", mood="plain")
    lines: list[Line] = []
    parts = []
    if plan.migrations:
        parts.append(count(len(plan.migrations), "migration"))
        lines += _work_with_guests(given, plan)
    if disks is not None:
        parts.append(count(len(disks.moves), "disk move"))
        lines += _lines(work_lines(disks, disk_timeline_of(given)))
    return Card(question="What will be done?", answer=", then ".join(parts), mood="plain", lines=tuple(lines))


def _work_with_guests(given: Given, plan: Plan) -> Iterator[Line]:
    kinds = Counter(migration.kind for migration in plan.migrations)
    memory = sum(migration.cost.memory for migration in plan.migrations)
    waves = len({migration.wave for migration in plan.migrations})
    timeline = timeline_of(given)
    for kind, number in kinds.most_common():
        yield Line(figure=str(number), text=_KINDS.get(kind, kind))
    yield Line(figure=size(memory), text=f"of memory is copied, in {count(waves, 'wave')}")
    along = sum(migration.cost.disks for migration in plan.migrations)
    if along:
        yield Line(figure=size(along), text="of disks go along with these guests")
    if timeline is not None and timeline.estimated is not None:
        what = (
            "is the estimated time" if _disks_of(plan) is None else "is the estimated time of the migrations"
        )
        yield Line(figure=duration(timeline.estimated), text=what)


def _result(given: Given, whole: Outcome) -> Card:
    outcome, undone = forward(given, whole), undone_of(given, whole)
    words = {
        "migrated": "migrated",
        "already_there": "already on their target",
        "failed": "failed",
        "refused": "refused by the platform's own check",
        "cancelled": "cancelled",
        "skipped": "skipped",
        "planned": "not started",
    }
    lines = [
        Line(figure=str(number), text=text)
        for result, text in words.items()
        if (number := sum(migration.result == result for migration in outcome.migrations))
    ]
    lines += _lines(result_lines(given, outcome))
    left = left_behind(whole)
    if left:
        text = f"left behind, to be deleted by hand: {listed(left)}"
        lines.append(Line(figure=count(len(left), "copy", "copies"), text=text))
    if undone:
        lines.append(Line(figure=undone, text="undone again"))
    lines.append(Line(figure=duration(outcome.seconds), text="is the time that the run took"))
    mood = outcome_headline(outcome, undone)[1]
    return Card(
        question="What was done?",
        answer=well(outcome),
        mood=mood,
        lines=tuple(lines),
    )


def _gain(view: ClusterView, storage: StorageView | None, plan: Plan | None) -> Card:
    disks = storage if storage is not None and storage.changes != "none" else None
    changes = view.changes if disks is None or view.changes != "none" else disks.changes
    question = {"run": "What did it bring?", "placed": "What does it change?"}.get(
        changes, "What does it bring?"
    )
    lines: list[Line] = []
    moods: list[Mood] = []
    answers = []
    if view.changes != "none":
        lines += _changes(view)
        undone = [item for item in plan.unresolved if not is_complete([item])] if plan else []
        if undone and view.changes == "planned":
            names = listed([item.what for item in undone])
            lines.append(Line(figure=str(len(undone)), text=f"left undone: {names}"))
        mood, answer = _verdict(view)
        if mood == "good" and undone and view.changes == "planned":
            mood, answer = "warn", "Not everything in order"
        moods.append(mood)
        answers.append(answer)
    if disks is not None:
        lines += _lines(gains(disks))
        found = plan.storage if plan else None
        if found is not None and disks.changes == "planned":
            names = listed([item.what for item in found.unresolved])
            if found.unresolved:
                lines.append(Line(figure=str(len(found.unresolved)), text=f"left undone: {names}"))
        in_order, answer = verdict(disks, found)
        moods.append("good" if in_order else "warn")
        answers.append(answer if not answers else f"{answer[:1].lower()}{answer[1:]}")
    worst: Mood = next((mood for mood in ("bad", "warn", "plain") if mood in moods), "good")
    return Card(question=question, answer="; ".join(answers), mood=worst, lines=tuple(lines))


def _changes(view: ClusterView) -> Iterator[Line]:
    for host in view.hosts:
        if host.note == "to be emptied":
            yield Line(figure=f"{host.guests[0]} → {host.guests[1]}", text=f"running guests on {host.name}")
    for metric in view.metrics:
        before, after = metric.spread
        if before is not None and after is not None:
            text = f"points of {metric.label} between the hosts"
            yield Line(figure=f"{before:.1f} → {after:.1f}", text=text)
    if view.before.violations or view.after.violations:
        broken = f"{len(view.before.violations)} → {len(view.after.violations)}"
        yield Line(figure=broken, text="violated rules")
    empty = _emptied(view)
    if empty:
        yield Line(figure=count(len(empty), "host"), text=f"without running guests: {listed(empty)}")


def _emptied(view: ClusterView) -> list[str]:
    return [host.name for host in view.hosts if host.guests[0] and not host.guests[1]]


def _verdict(view: ClusterView) -> tuple[Mood, str]:
    """What counts most of what changes."""
    left = [host for host in view.hosts if host.note == "to be emptied"]
    stay = sum(host.guests[1] for host in left)
    if left:
        if stay:
            return "warn", f"{count(stay, 'guest')} left"
        return "good", f"{listed(_emptied(view))} empty"
    if view.changes == "placed":
        return "plain", "The spread of the hosts"
    levelled = [metric for metric in view.metrics if metric.allowed is not None]
    out = [
        metric.label
        for metric in levelled
        if (metric.spread[1] or 0) > (metric.allowed or 0) + REPORTED_POINTS
    ]
    if out:
        return "warn", f"{listed(out)} still outside the band"
    broken = len(view.after.violations)
    if broken:
        return "warn", f"{count(broken, 'rule')} still violated"
    return "good", "Every host inside the band" if levelled else "No rule is violated"


def _safety(plan: Plan, view: ClusterView | None, storage: StorageView | None) -> Card:
    ran = any(found is not None and found.changes == "run" for found in (view, storage))
    question = "Was the plan safe?" if ran else "Is it safe?"
    disks = storage if storage is not None and storage.changes != "none" else None
    if not plan.migrations and disks is None:
        return Card(question=question, answer="Nothing moves", mood="good")
    promises: list[Line] = []
    checks = []
    if plan.migrations:
        checks.append(view.defects if view is not None else None)
        promises += (
            Line(
                figure="Limits",
                text="no host is filled above its limits at any moment, with both ends counted",
            ),
            Line(
                figure="Rules", text="no strict rule that holds is broken, in whatever order migrations end"
            ),
            Line(
                figure="Targets",
                text="each guest can run where it goes: datastores, networks, CPU, version",
            ),
        )
    if disks is not None:
        checks.append(disks.defects)
        promises += _lines(PROMISES)
        if not plan.migrations:
            text = "no strict rule for disks that holds is broken, in whatever order moves end"
            promises.append(Line(figure="Rules", text=text))
    if any(defects is None for defects in checks):
        missing = Line(
            figure="Not repeated", text="the snapshot of the plan is required to check it again here"
        )
        return Card(
            question=question,
            answer="Checked when it was made",
            mood="plain",
            lines=(*promises, missing),
        )
    defects = [text for found in checks for text in found or ()]
    if defects:
        return Card(
            question=question,
            answer="The check objects",
            mood="bad",
            lines=tuple(Line(figure="Objection", text=text) for text in defects[:3]),
        )
    return Card(question=question, answer="Yes, checked again here", mood="good", lines=tuple(promises))


def _quality(plan: Plan) -> Card:
    question = "Is it the best?"
    disks = _disks_of(plan)
    lines: list[Line] = []
    # Of a part that moves nothing, only that nothing has to be done is worth saying.
    proven = []
    if plan.migrations or disks is None:
        lines += _proof_of_migrations(plan)
        proven.append(plan.proof.optimal)
    if disks is not None:
        lines += _lines(proof_lines(disks))
        proven.append(disks.proof.optimal)
    answer = "Yes, this is proven" if all(proven) else "The best that was found"
    return Card(question=question, answer=answer, mood="good" if all(proven) else "plain", lines=tuple(lines))


def _proof_of_migrations(plan: Plan) -> Iterator[Line]:
    number, least = len(plan.migrations), plan.proof.migrations_lower_bound
    if plan.proof.optimal:
        text = "no plan can do it with fewer" if number else "nothing has to be done"
        yield Line(figure=count(number, "migration"), text=text)
    elif least and number:
        yield Line(figure=count(number, "migration"), text="are the fewest found")
        needed = f"at least {'is' if least == 1 else 'are'} needed by any plan: this is proven"
        yield Line(figure=str(least), text=needed)
    elif plan.status == "balanced":
        yield Line(figure=count(number, "migration"), text="are the fewest found")
    else:
        yield Line(figure="No bound", text="something stays undone, so fewer migrations would prove nothing")
    if plan.proof.method and number and (least or plan.proof.optimal):
        yield Line(figure="Proof:", text=plan.proof.method)
    for name, bound in plan.proof.spread_lower_bound.items():
        after = plan.after.spread.get(name)
        if bound and after is not None and plan.status != "balanced":
            yield Line(
                figure=f"{after:.1f}",
                text=f"points of {metric_label(name)}; no placement has less than {bound:.1f}",
            )


def _placement_cards(placement: Placement) -> Iterator[Card]:
    mood = placement_headline(placement)[1]
    wanted = len(placement.placements) + len(placement.unplaced)
    hosts = Counter(placed.host.name for placed in placement.placements)
    lines = [
        Line(figure=name, text=f"takes {count(number, 'guest')}") for name, number in hosts.most_common(6)
    ]
    if len(hosts) > 6:
        lines.append(Line(figure=f"{len(hosts) - 6} more", text="hosts take guests"))
    yield Card(
        question="Where do they go?",
        answer=f"{len(placement.placements)} of {count(wanted, 'guest')} placed",
        mood=mood,
        lines=tuple(lines),
    )
    if placement.unplaced:
        yield Card(
            question="What has no place?",
            answer=listed([unplaced.name for unplaced in placement.unplaced]),
            mood="bad",
            lines=tuple(
                Line(figure=unplaced.name, text=unplaced.search.says) for unplaced in placement.unplaced[:4]
            ),
        )
    if placement.plan is not None and placement.plan.migrations:
        yield Card(
            question="What makes room?",
            answer=count(len(placement.plan.migrations), "migration"),
            mood="plain",
            lines=(Line(figure="First", text="these are run before any guest is created"),),
        )
