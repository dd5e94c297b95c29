# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page is about, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .._model.outcome import Outcome
from .._model.placement import Placement
from .._model.plan import Plan
from .content import view_of
from .given import Given
from .texts import count, listed

Mood = Literal["good", "warn", "bad", "plain"]


def headline_of(given: Given) -> tuple[str, Mood]:
    outcome, plan = given.outcome, given.plan
    if given.error and (outcome is None or outcome.status == "planned"):
        return "The run failed.", "bad"
    if outcome is not None and outcome.status != "planned":
        return outcome_headline(forward(given, outcome), undone_of(given, outcome))
    if plan is not None:
        return _plan_headline(plan)
    if given.placement is not None:
        return placement_headline(given.placement)
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
    if not number and any(item.code == "other_balancer" for item in plan.unresolved):
        return "Another balancer moves the guests of this cluster, so nothing was planned.", "warn"
    if not number and plan.waiting() and plan.waiting() == len(plan.unresolved):
        return "Nothing is migrated yet: what is out of its band has to last longer.", "plain"
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


def forward(given: Given, outcome: Outcome) -> Outcome:
    """The outcome without what was done to undo it, which are steps of no plan."""
    steps = {migration.step for migration in given.plan.migrations} if given.plan else None
    own = tuple(migration for migration in outcome.migrations if steps is None or migration.step in steps)
    return replace(outcome, migrations=own)


def undone_of(given: Given, outcome: Outcome) -> str:
    """How much of it was undone, such as 3 of 6; nothing where no rollback was tried."""
    own = forward(given, outcome).migrations
    back = [migration for migration in outcome.migrations if migration not in own]
    done = sum(migration.result in ("migrated", "already_there") for migration in back)
    return f"{done} of {len(back)}" if back else ""


def well(outcome: Outcome) -> str:
    """Such as 9 of 11 migrations."""
    well = outcome.count("migrated") + outcome.count("already_there")
    return f"{well} of {count(len(outcome.migrations), 'migration')}"


def outcome_headline(outcome: Outcome, undone: str = "") -> tuple[str, Mood]:
    total = len(outcome.migrations)
    well = outcome.count("migrated") + outcome.count("already_there")
    what = count(total, "migration")
    if outcome.status == "rolled_back":
        return "The run was rolled back: every guest that was migrated has been returned.", "warn"
    if undone:
        failed = count(outcome.count("failed"), "migration")
        return (
            f"{failed} failed, and {undone} others {'was' if undone == '1 of 1' else 'were'} undone.",
            "bad",
        )
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


def placement_headline(placement: Placement) -> tuple[str, Mood]:
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
