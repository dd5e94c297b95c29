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
from .storage import storage_of
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
        disks = outcome.disk_counts()["planned"]
        return f"{moved_in_words(outcome.count('planned'), disks)} would be started.", "plain"
    if given.snapshot is not None:
        view, storage = view_of(given), storage_of(given)
        broken = (len(view.before.violations) if view else 0) + (
            len(storage.before.violations) if storage else 0
        )
        if broken:
            return (
                f"{count(broken, 'rule')} of the cluster {'is' if broken == 1 else 'are'} violated.",
                "warn",
            )
        return "The cluster as it was read.", "plain"
    return "The history of the cluster.", "plain"


def moved_in_words(migrations: int, disks: int) -> str:
    """Such as 2 migrations and 1 disk move; of disks alone where no guest is migrated."""
    parts = [count(migrations, "migration")] if migrations or not disks else []
    return " and ".join([*parts, *([count(disks, "disk move")] if disks else [])])


def _plan_headline(plan: Plan) -> tuple[str, Mood]:
    disks = len(plan.storage.moves) if plan.storage else 0
    number = len(plan.migrations) + disks
    what = moved_in_words(len(plan.migrations), disks)
    alone = plan.policy.goal == "storage"
    if plan.status == "balanced":
        return _in_order(plan, what, number), "good"
    found = _not_possible(plan, number)
    if found is not None:
        return found
    if plan.status == "improved":
        makes = "improves" if number == 1 else "improve"
        whose = "the datastores" if alone else "the cluster"
        return f"{what} {makes} {whose}, but not everything can be put in order.", "warn"
    if plan.status == "unchanged":
        move = "disk move" if alone else "migration"
        return f"No {move} is worthwhile, although not everything is in order.", "warn"
    if number:
        return (
            f"What was asked for is not possible in full; {what} {'does' if number == 1 else 'do'} what is.",
            "bad",
        )
    return "What was asked for is not possible.", "bad"


def _in_order(plan: Plan, what: str, number: int) -> str:
    """The headline of a plan that puts everything in order."""
    verb = "puts" if number == 1 else "put"
    if plan.policy.goal == "storage":
        if not number:
            return "The datastores are in order. No disk has to be moved."
        emptied = _emptied_datastores(plan)
        if emptied:
            return f"{what} {'empties' if number == 1 else 'empty'} {listed(emptied)}."
        return f"{what} {verb} the datastores in order."
    if not number and plan.storage is not None:
        return "The cluster and its datastores are in order. Nothing has to be moved."
    if not number:
        return "The cluster is in order. Nothing has to be migrated."
    if plan.policy.goal == "evacuate" and plan.migrations:
        return f"{what} {'empties' if number == 1 else 'empty'} {_emptied(plan)}."
    if plan.emptied:
        frees = "frees" if number == 1 else "free"
        return f"{what} {frees} {count(len(plan.emptied), 'host')}: {_emptied(plan)}."
    whose = "the cluster" if plan.storage is None else "the cluster and its datastores"
    return f"{what} {verb} {whose} in order."


def _not_possible(plan: Plan, number: int) -> tuple[str, Mood] | None:
    """What is worth saying before all else of a plan that leaves something undone."""
    left = [
        item for item in plan.unresolved if item.code == "host_not_empty" and item.subject in plan.after.hosts
    ]
    if left and plan.policy.goal == "evacuate":
        hosts = [plan.after.hosts[item.subject] for item in left]
        guests = count(sum(host.guests for host in hosts), "guest")
        verb = "stays" if guests == "1 guest" else "stay"
        return f"{listed([host.name for host in hosts])} can't be emptied in full: {guests} {verb}.", "bad"
    full = _not_emptied(plan)
    if full:
        return full, "bad"
    if number:
        return None
    if _is_balanced_by_others(plan):
        return "Another balancer moves the disks of these datastores, so nothing was planned.", "warn"
    if any(item.code == "other_balancer" for item in plan.unresolved):
        return "Another balancer moves the guests of this cluster, so nothing was planned.", "warn"
    if plan.waiting() and plan.waiting() == len(plan.unresolved):
        return "Nothing is migrated yet: what is out of its band has to last longer.", "plain"
    return None


def _emptied_datastores(plan: Plan) -> list[str]:
    """The datastores that were to be emptied and are in the end."""
    if plan.storage is None:
        return []
    before, after = plan.storage.before.datastores, plan.storage.after.datastores
    leaves = {move.source for move in plan.storage.moves if move.kind == "evacuate"}
    return [before[name].name for name in before if name in leaves and not after[name].disks]


def _not_emptied(plan: Plan) -> str:
    """The headline of a plan that was to empty datastores alone, and can't."""
    if plan.storage is None or plan.policy.goal != "storage":
        return ""
    left = [
        plan.storage.after.datastores[item.subject]
        for item in plan.storage.unresolved
        if item.code == "datastore_not_empty" and item.subject in plan.storage.after.datastores
    ]
    if not left:
        return ""
    disks = sum(place.disks for place in left)
    names = listed([place.name for place in left])
    return f"{names} can't be emptied in full: {count(disks, 'disk')} {'stays' if disks == 1 else 'stay'}."


def _is_balanced_by_others(plan: Plan) -> bool:
    return (
        plan.policy.goal == "storage"
        and plan.storage is not None
        and any(item.code == "other_balancer" for item in plan.storage.unresolved)
    )


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
    if given.plan is None:
        return outcome
    steps = {migration.step for migration in given.plan.migrations}
    disks = {move.step for move in given.plan.storage.moves} if given.plan.storage else set()
    return replace(
        outcome,
        migrations=tuple(one for one in outcome.migrations if one.step in steps),
        disk_moves=tuple(one for one in outcome.disk_moves if one.step in disks),
    )


def undone_of(given: Given, outcome: Outcome) -> str:
    """How much of it was undone, such as 3 of 6; nothing where no rollback was tried."""
    own = forward(given, outcome)
    back = [
        *(one.result for one in outcome.migrations if one not in own.migrations),
        *(one.result for one in outcome.disk_moves if one not in own.disk_moves),
    ]
    done = sum(result in ("migrated", "already_there") for result in back)
    return f"{done} of {len(back)}" if back else ""


def well(outcome: Outcome) -> str:
    """Such as 9 of 11 migrations, and 2 of 3 disk moves."""
    parts = [
        f"{_well(results)} of {count(len(results), noun)}"
        for results, noun in _results(outcome)
        if results or (noun == "migration" and not outcome.disk_moves)
    ]
    return " and ".join(parts)


def _results(outcome: Outcome) -> tuple[tuple[list[str], str], ...]:
    return (
        ([one.result for one in outcome.migrations], "migration"),
        ([one.result for one in outcome.disk_moves], "disk move"),
    )


def _well(results: list[str]) -> int:
    return results.count("migrated") + results.count("already_there")


def outcome_headline(outcome: Outcome, undone: str = "") -> tuple[str, Mood]:
    results = [result for found, _noun in _results(outcome) for result in found]
    total, done = len(results), _well(results)
    what = moved_in_words(len(outcome.migrations), len(outcome.disk_moves))
    if outcome.status == "rolled_back":
        guests = "every guest that was migrated" if not outcome.disk_moves else "all that was moved"
        return f"The run was rolled back: {guests} has been returned.", "warn"
    if undone:
        failed = [found.count("failed") for found, _noun in _results(outcome)]
        return (
            f"{moved_in_words(*failed)} failed, and {undone} others "
            f"{'was' if undone == '1 of 1' else 'were'} undone.",
            "bad",
        )
    copies = sum(len(move.left_behind) for move in outcome.disk_moves)
    left = (
        f" {count(copies, 'copy', 'copies')} {'has' if copies == 1 else 'have'} to be deleted by hand."
        if copies
        else ""
    )
    if done == total:
        mood: Mood = "warn" if copies else "good"
        if total == 1:
            return f"The {what.removeprefix('1 ')} is done.{left}", mood
        return (f"All {what} are done.{left}" if total else "Nothing had to be migrated."), mood
    parts = [
        f"{number} {result}"
        for result in ("failed", "refused", "cancelled", "skipped")
        if (number := results.count(result))
    ]
    stopped = "The run was stopped. " if outcome.status == "stopped" else ""
    return f"{stopped}{well(outcome)} {'is' if done == 1 else 'are'} done, {', '.join(parts)}.{left}", (
        "bad" if "failed" in results else "warn"
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
