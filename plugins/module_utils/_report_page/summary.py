# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first screen: what is wrong, what is done, what it brings, whether it is safe and the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .._model.outcome import Outcome
from .._model.placement import Placement
from .._model.plan import Plan
from .._planning.tolerances import REPORTED_POINTS
from .content import ClusterView, MetricView, metric_label, view_of
from .given import Given
from .section import Section
from .texts import count, duration, listed, moment, percent, points, size
from .timeline import timeline_of

Mood = Literal["good", "warn", "bad", "plain"]

_KINDS: Final[Mapping[str, str]] = {
    "balance": "to level the hosts",
    "rule": "to restore rules",
    "evacuate": "to empty hosts",
    "relieve": "to relieve overloaded hosts",
    "consolidate": "to free whole hosts",
    "parking": "to another host for a while",
    "manual": "by hand",
    "rollback": "to undo earlier ones",
}
_GOALS: Final[Mapping[str, str]] = {
    "spread": "level the hosts and restore rules",
    "relieve": "relieve overloaded hosts and restore rules",
    "rules": "restore rules",
    "evacuate": "empty hosts",
    "consolidate": "use as few hosts as possible",
    "storage": "bring the datastores in order",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The number of migrations against what is proven: percent of the longer one."""

    ours: int
    least: int

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
    bound: Bound | None
    method: str
    error: str
    notes: tuple[str, ...]


def head_of(given: Given) -> Head:
    headline, mood = _headline(given)
    status = _status(given)
    document = given.plan or given.snapshot or given.placement
    plan = given.plan
    short = ""
    if given.outcome is not None and given.outcome.status != "planned":
        well = given.outcome.count("migrated") + given.outcome.count("already_there")
        short = f"{well} of {count(len(given.outcome.migrations), 'migration')} done"
    elif plan is not None:
        short = f"{count(len(plan.migrations), 'migration')}{_proof_in_short(plan)}"
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
        if plan.hypothetical:
            yield "What if", "this plan is for a changed cluster; no run applies it"
    view = view_of(given)
    if view is not None:
        guests = sum(host.guests[0] for host in view.hosts)
        yield "Size", f"{count(len(view.hosts), 'host')}, {count(guests, 'running guest')}"


def _status(given: Given) -> str:
    if given.error and given.outcome is None:
        return "failed"
    if given.outcome is not None and given.outcome.status != "planned":
        return given.outcome.status.replace("_", " ")
    if given.plan is not None:
        return given.plan.status
    return given.placement.status if given.placement else ""


def summary(given: Given) -> Section | None:
    headline, mood = _headline(given)
    cards = tuple(_cards(given))
    plan = given.plan
    least = plan.proof.migrations_lower_bound if plan else 0
    bound = None
    if plan is not None and plan.migrations and (least or plan.proof.optimal):
        bound = Bound(ours=len(plan.migrations), least=min(least, len(plan.migrations)))
    return Section(
        id="summary",
        title="At a glance",
        template="summary.j2",
        data=Summary(
            headline=headline,
            mood=mood,
            cards=cards,
            bound=bound,
            method=plan.proof.method if plan else "",
            error=given.error,
            notes=given.notes,
        ),
    )


def _headline(given: Given) -> tuple[str, Mood]:
    outcome, plan = given.outcome, given.plan
    if given.error and (outcome is None or outcome.status == "planned"):
        return "The run failed.", "bad"
    if outcome is not None and outcome.status != "planned":
        return _outcome_headline(outcome)
    if plan is not None:
        return _plan_headline(plan)
    if given.placement is not None:
        return _placement_headline(given.placement)
    if outcome is not None:
        return f"{count(outcome.count('planned'), 'migration')} would be started.", "plain"
    if given.snapshot is not None:
        view = view_of(given)
        broken = len(view.before.violations) if view else 0
        if broken:
            return (
                f"{count(broken, 'rule')} of the cluster {'is' if broken == 1 else 'are'} violated.",
                "warn",
            )
        return "The cluster as it was read.", "plain"
    return "The history of the cluster.", "plain"


def _plan_headline(plan: Plan) -> tuple[str, Mood]:
    number = len(plan.migrations)
    what = count(number, "migration")
    verb = "puts" if number == 1 else "put"
    if plan.status == "balanced":
        if not number:
            return "The cluster is in order. Nothing has to be migrated.", "good"
        if plan.policy.goal == "evacuate":
            return f"{what} {'empties' if number == 1 else 'empty'} {_emptied(plan)}.", "good"
        if plan.emptied:
            frees = "frees" if number == 1 else "free"
            return f"{what} {frees} {count(len(plan.emptied), 'host')}: {_emptied(plan)}.", "good"
        return f"{what} {verb} the cluster in order.", "good"
    left = [
        item for item in plan.unresolved if item.code == "host_not_empty" and item.subject in plan.after.hosts
    ]
    if left and plan.policy.goal == "evacuate":
        hosts = [plan.after.hosts[item.subject] for item in left]
        guests = count(sum(host.guests for host in hosts), "guest")
        verb = "stays" if guests == "1 guest" else "stay"
        return f"{listed([host.name for host in hosts])} can't be emptied in full: {guests} {verb}.", "bad"
    if plan.status == "improved":
        makes = "improves" if number == 1 else "improve"
        return f"{what} {makes} the cluster, but not everything can be put in order.", "warn"
    if plan.status == "unchanged":
        return "No migration is worthwhile, although not everything is in order.", "warn"
    if number:
        return (
            f"What was asked for is not possible in full; {what} {'does' if number == 1 else 'do'} what is.",
            "bad",
        )
    return "What was asked for is not possible.", "bad"


def _emptied(plan: Plan) -> str:
    if plan.emptied:
        hosts = plan.emptied
    else:
        targets = {migration.target for migration in plan.migrations}
        hosts = tuple(
            host
            for host, state in plan.before.hosts.items()
            if host not in targets and state.guests > plan.after.hosts[host].guests and _is_empty(plan, host)
        )
    names = [plan.before.hosts[host].name for host in hosts]
    return listed(names) or "the chosen hosts"


def _is_empty(plan: Plan, host: str) -> bool:
    leaves = {migration.source for migration in plan.migrations if migration.kind == "evacuate"}
    return host in leaves


def _outcome_headline(outcome: Outcome) -> tuple[str, Mood]:
    total = len(outcome.migrations)
    well = outcome.count("migrated") + outcome.count("already_there")
    what = count(total, "migration")
    if outcome.status == "rolled_back":
        return "The run was rolled back: every guest that was migrated has been returned.", "warn"
    if well == total:
        if total == 1:
            return "The migration is done.", "good"
        return (f"All {what} are done." if total else "Nothing had to be migrated."), "good"
    parts = [
        f"{number} {result}"
        for result in ("failed", "refused", "cancelled", "skipped")
        if (number := outcome.count(result))
    ]
    stopped = "The run was stopped. " if outcome.status == "stopped" else ""
    return f"{stopped}{well} of {what} {'is' if well == 1 else 'are'} done, {', '.join(parts)}.", (
        "bad" if outcome.count("failed") else "warn"
    )


def _placement_headline(placement: Placement) -> tuple[str, Mood]:
    placed, unplaced = len(placement.placements), len(placement.unplaced)
    if not unplaced:
        only = "The guest has" if placed == 1 else f"All {count(placed, 'guest')} have"
        return f"{only} a place.", "good"
    if not placed:
        return ("The guest has no place." if unplaced == 1 else "None of the guests has a place."), "bad"
    return (
        f"{placed} of {count(placed + unplaced, 'guest')} {'has' if placed == 1 else 'have'} a place.",
        "warn",
    )


def _cards(given: Given) -> Iterator[Card]:
    plan, outcome, view = given.plan, given.outcome, view_of(given)
    ran = outcome if outcome is not None and outcome.status != "planned" else None
    if view is not None and (plan is not None or given.placement is None):
        yield _wrong(given, view)
    if ran is not None:
        yield _result(ran)
    elif plan is not None:
        yield _work(given, plan)
    if given.placement is not None:
        yield from _placement_cards(given.placement)
    if view is not None and view.changes != "none":
        yield _gain(view)
    if plan is not None:
        yield _safety(plan, view)
        yield _quality(plan)


def _wrong(given: Given, view: ClusterView) -> Card:
    lines = [*_wrong_hosts(view), *_wrong_loads(view), *_wrong_rules(view)]
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
    if not plan.migrations:
        return Card(question="What will be done?", answer="Nothing", mood="plain")
    kinds = Counter(migration.kind for migration in plan.migrations)
    memory = sum(migration.cost.memory for migration in plan.migrations)
    waves = len({migration.wave for migration in plan.migrations})
    timeline = timeline_of(given)
    lines = [Line(figure=str(number), text=_KINDS.get(kind, kind)) for kind, number in kinds.most_common()]
    lines.append(Line(figure=size(memory), text=f"of memory is copied, in {count(waves, 'wave')}"))
    if timeline is not None and timeline.estimated is not None:
        lines.append(Line(figure=duration(timeline.estimated), text="is the estimated time"))
    return Card(
        question="What will be done?",
        answer=count(len(plan.migrations), "migration"),
        mood="plain",
        lines=tuple(lines),
    )


def _result(outcome: Outcome) -> Card:
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
    lines.append(Line(figure=duration(outcome.seconds), text="is the time that the run took"))
    mood = _outcome_headline(outcome)[1]
    well = outcome.count("migrated") + outcome.count("already_there")
    return Card(
        question="What was done?",
        answer=f"{well} of {count(len(outcome.migrations), 'migration')}",
        mood=mood,
        lines=tuple(lines),
    )


def _gain(view: ClusterView) -> Card:
    lines = []
    better = worse = False
    for metric in view.metrics:
        before, after = metric.spread
        if before is None or after is None:
            continue
        better, worse = better or after < before - 0.05, worse or after > before + 0.05
        lines.append(
            Line(figure=f"{before:.1f} → {after:.1f}", text=f"points of {metric.label} between the hosts")
        )
    broken = len(view.before.violations), len(view.after.violations)
    if any(broken):
        lines.append(Line(figure=f"{broken[0]} → {broken[1]}", text="violated rules"))
    left = [host for host in view.hosts if host.note == "to be emptied"]
    for host in left:
        text = f"running guests on {host.name}"
        lines.insert(0, Line(figure=f"{host.guests[0]} → {host.guests[1]}", text=text))
    empty = [host.name for host in view.hosts if host.guests[0] and not host.guests[1]]
    if empty:
        lines.append(Line(figure=count(len(empty), "host"), text=f"without running guests: {listed(empty)}"))
    question = {"run": "What did it bring?", "placed": "What does it change?"}.get(
        view.changes, "What does it bring?"
    )
    out = [
        metric.label
        for metric in view.metrics
        if metric.allowed is not None and (metric.spread[1] or 0) > metric.allowed + REPORTED_POINTS
    ]
    levelled = [metric for metric in view.metrics if metric.allowed is not None]
    if left:
        stay = sum(host.guests[1] for host in left)
        mood: Mood = "warn" if stay else "good"
        answer = f"{count(stay, 'guest')} can't leave" if stay else f"{listed(empty)} empty"
        return Card(question=question, answer=answer, mood=mood, lines=tuple(lines))
    if view.changes == "placed":
        return Card(question=question, answer="The spread of the hosts", mood="plain", lines=tuple(lines))
    if out:
        return Card(
            question=question, answer=f"{listed(out)} still outside the band", mood="warn", lines=tuple(lines)
        )
    if broken[1]:
        return Card(
            question=question,
            answer=f"{count(broken[1], 'rule')} still violated",
            mood="warn",
            lines=tuple(lines),
        )
    answer = "Every host inside the band" if levelled else "No rule is violated"
    return Card(question=question, answer=answer, mood="good", lines=tuple(lines))


def _safety(plan: Plan, view: ClusterView | None) -> Card:
    question = "Was the plan safe?" if view is not None and view.changes == "run" else "Is it safe?"
    if not plan.migrations:
        return Card(question=question, answer="Nothing moves", mood="good")
    promises = (
        Line(
            figure="Limits", text="no host is filled above its limits at any moment, with both ends counted"
        ),
        Line(figure="Rules", text="no strict rule that holds is broken, in whatever order migrations end"),
        Line(figure="Targets", text="each guest can run where it goes: datastores, networks, CPU, version"),
    )
    if view is None or view.defects is None:
        return Card(
            question=question,
            answer="Checked when it was made",
            mood="plain",
            lines=(
                *promises,
                Line(
                    figure="Not repeated", text="the snapshot of the plan is required to check it again here"
                ),
            ),
        )
    if view.defects:
        return Card(
            question=question,
            answer="The check objects",
            mood="bad",
            lines=tuple(Line(figure="Objection", text=text) for text in view.defects[:3]),
        )
    return Card(question=question, answer="Yes, checked again here", mood="good", lines=promises)


def _proof_in_short(plan: Plan) -> str:
    if not plan.migrations:
        return ""
    if plan.proof.optimal:
        return ", proven the fewest"
    least = plan.proof.migrations_lower_bound
    return f", at least {least} needed" if least else ""


def _quality(plan: Plan) -> Card:
    number, least = len(plan.migrations), plan.proof.migrations_lower_bound
    question = "Is it the best?"
    lines = []
    if plan.proof.optimal:
        answer = "Yes, this is proven"
        text = "no plan can do it with fewer" if number else "nothing has to be done"
        lines.append(Line(figure=count(number, "migration"), text=text))
        mood: Mood = "good"
    elif least and number:
        answer = "The best that was found"
        lines.append(Line(figure=count(number, "migration"), text="are the fewest found"))
        lines.append(
            Line(
                figure=str(least),
                text=f"at least {'is' if least == 1 else 'are'} needed by any plan: this is proven",
            )
        )
        mood = "plain"
    elif plan.status == "balanced":
        answer, mood = "The best that was found", "plain"
        lines.append(Line(figure=count(number, "migration"), text="are the fewest found"))
    else:
        answer, mood = "The best that was found", "plain"
        lines.append(
            Line(figure="No bound", text="something stays undone, so fewer migrations would prove nothing")
        )
    for name, bound in plan.proof.spread_lower_bound.items():
        after = plan.after.spread.get(name)
        if bound and after is not None and plan.status != "balanced":
            lines.append(
                Line(
                    figure=f"{after:.1f}",
                    text=f"points of {metric_label(name)}; no placement has less than {bound:.1f}",
                )
            )
    return Card(question=question, answer=answer, mood=mood, lines=tuple(lines))


def _placement_cards(placement: Placement) -> Iterator[Card]:
    mood = _placement_headline(placement)[1]
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
