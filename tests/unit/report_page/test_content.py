# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page says of a plan, a run and a placement, against the documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import CoMigrated
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.cards import Card
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.content import (
    NOT_ASKED,
    view_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.rules import rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.summary import Summary, summary
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.view import ClusterView
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape
from ansible_collections.evenkeel.cluster.tests.support.report_pages import SMALL, documents, planned, run

GOALS: dict[str, dict[str, Any]] = {
    "spread": {"max_spread": 12},
    "rules": {"goal": "rules"},
    "relieve": {"goal": "relieve", "relieve": {"overload": {"cpu": 60, "memory": 80}}},
    "evacuate": {"goal": "evacuate", "evacuate": {"names": ["host05"]}},
    "consolidate": {"goal": "consolidate"},
    "assigned": {"demand": "max", "metrics": ["memory", "vcpu"]},
    "sustained": {"sustained": 3},
    "few": {"max_migrations": 4},
}


def the_view(given: Given) -> ClusterView:
    view = view_of(given)
    assert view is not None
    return view


def said(given: Given) -> Summary:
    section = summary(given)
    assert section is not None
    assert isinstance(section.data, Summary)
    return section.data


def card(given: Given, question: str) -> Card:
    return next(found for found in said(given).cards if found.question == question)


@pytest.mark.parametrize("goal", GOALS)
def test_loads_of_guests_and_hosts_add_up_before_and_after(goal: str) -> None:
    snapshot, wanted = planned(SMALL, GOALS[goal])
    view = the_view(Given(snapshot=snapshot, plan=wanted))

    for end in (0, 1):
        for number, host in enumerate(view.hosts):
            assert host.own is not None
            assert host.capacity is not None
            for metric in view.metrics:
                sum_ = sum(
                    guest.load[metric.name] / host.capacity[metric.name]
                    for guest in view.guests
                    if (guest.target if end else guest.host) == number and guest.on_host
                )
                assert host.used[end][metric.name] == pytest.approx(sum_ + host.own[metric.name], abs=0.05)
    states = wanted.before.hosts, wanted.after.hosts
    for host in view.hosts:
        assert host.used == (states[0][host.id].used, states[1][host.id].used)


@pytest.mark.parametrize("goal", GOALS)
def test_no_plan_of_the_planner_is_objected_to(goal: str) -> None:
    snapshot, wanted = planned(SMALL, GOALS[goal])
    view = the_view(Given(snapshot=snapshot, plan=wanted))

    assert not view.defects
    if wanted.migrations:
        assert card(Given(snapshot=snapshot, plan=wanted), "Is it safe?").mood == "good"


def test_no_plan_that_also_empties_a_host_in_maintenance_is_objected_to() -> None:
    snapshot, wanted = planned(replace(SMALL, maintenance=1, chains=1), {"max_spread": 20})
    assert {migration.kind for migration in wanted.migrations} >= {"rule", "evacuate"}

    assert the_view(Given(snapshot=snapshot, plan=wanted)).defects == ()


def test_a_plan_that_is_not_safe_is_called_so() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    first = wanted.migrations[0]
    crowded = replace(
        wanted,
        migrations=tuple(
            replace(step, target=first.target, after=()) if step.source != first.target else step
            for step in wanted.migrations
        ),
    )

    found = card(Given(snapshot=snapshot, plan=crowded), "Is it safe?")
    assert (found.answer, found.mood) == ("The check objects", "bad")


def test_a_plan_without_its_snapshot_is_not_called_checked() -> None:
    found = card(documents("plan-alone"), "Is it safe?")

    assert found.answer == "Checked when it was made"
    assert found.lines[-1].figure == "Not repeated"


def test_a_snapshot_of_another_plan_is_refused() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    other = replace(snapshot, taken_at="2026-11-30T03:00:00Z")

    with pytest.raises(InputError, match="the plan was not made from this snapshot, taken at 2026-11-30T03"):
        Given(snapshot=other, plan=wanted)


def test_documents_of_two_clusters_are_refused() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    outcome = replace(run(snapshot, wanted), cluster=replace(snapshot.cluster, id="other"))

    with pytest.raises(InputError, match="outcome: 'other' is not of cluster generated-4, as plan is"):
        Given(plan=wanted, outcome=outcome)


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="snapshot is required"):
        Given()


def test_every_migration_is_a_step_and_says_why() -> None:
    given = documents("plan")
    assert given.plan is not None
    view = the_view(given)

    assert [(step.step, step.wave, step.kind, step.why) for step in view.steps] == [
        (migration.step, migration.wave, migration.kind, migration.why) for migration in given.plan.migrations
    ]
    for step, migration in zip(view.steps, given.plan.migrations, strict=True):
        assert view.guests[step.guest].id == migration.guest.id
        assert view.hosts[step.source].id == migration.source
        assert view.hosts[step.target].id == migration.target


def test_the_band_holds_every_host_of_a_balanced_plan() -> None:
    given = documents("plan")
    assert given.plan is not None
    assert given.plan.status == "balanced"
    view = the_view(given)

    for metric in view.metrics:
        assert metric.band is not None
        assert metric.allowed == 12
        assert metric.band.high - metric.band.low == pytest.approx(12, abs=0.002)
        for host in view.hosts:
            value = host.used[1][metric.name]
            assert value is not None
            assert metric.band.low - 0.01 <= value <= metric.band.high + 0.01


def test_the_band_holds_most_hosts_where_it_can_not_hold_all() -> None:
    snapshot, wanted = planned(replace(SMALL, fixed=0.03), {"max_spread": 6})
    metric = the_view(Given(snapshot=snapshot, plan=wanted)).metrics[0]
    values = [host.used[metric.name] or 0 for host in wanted.after.hosts.values()]
    assert wanted.status == "improved"
    assert metric.band is not None

    inside = sum(metric.band.low - 0.01 <= value <= metric.band.high + 0.01 for value in values)
    assert inside == max(sum(low <= value <= low + 6 for value in values) for low in values)


def test_no_band_where_the_policy_levels_nothing() -> None:
    for goal in ("rules", "relieve", "evacuate", "consolidate"):
        snapshot, wanted = planned(SMALL, GOALS[goal])
        view = the_view(Given(snapshot=snapshot, plan=wanted))
        assert all(metric.band is None for metric in view.metrics)
    assert all(metric.limit is None for metric in the_view(Given(snapshot=snapshot)).metrics)


def test_reasons_of_guests_that_stay_are_those_of_the_planner() -> None:
    view = the_view(documents("plan"))

    fixed = [guest for guest in view.guests if guest.fixed]
    assert len(fixed) == 5
    assert {guest.stays for guest in fixed} == {
        "it can't be migrated: passthrough_device (it uses a device of its host: remove it, or shut the guest"
        " down to move it)"
    }


def test_guests_of_other_hosts_could_be_migrated_in_an_evacuation() -> None:
    view = the_view(documents("evacuation"))

    others = [guest for guest in view.guests if guest.stays == NOT_ASKED]
    assert len(others) > 30
    assert not any(guest.fixed for guest in others)


def test_a_run_is_shown_as_it_went() -> None:
    given = documents("outcome")
    assert given.outcome is not None
    assert given.plan is not None
    view = the_view(given)

    assert view.changes == "run"
    failed = {migration.guest.id for migration in given.outcome.migrations if migration.result == "failed"}
    assert len(failed) == 2
    assert failed.isdisjoint(view.guests[step.guest].id for step in view.steps)
    assert all(guest.host == guest.target for guest in view.guests if guest.id in failed)
    assert said(given).headline == "15 of 17 migrations are done, 2 failed."
    # What failed is missing in what the run brought.
    assert view.after.spread != given.plan.after.spread


def test_a_whole_run_ends_as_planned() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    view = the_view(Given(snapshot=snapshot, plan=wanted, outcome=run(snapshot, wanted)))

    for host in view.hosts:
        for name, value in wanted.after.hosts[host.id].used.items():
            assert host.used[1][name] == pytest.approx(value, abs=0.01)


def test_a_run_that_was_rolled_back_ends_where_the_guests_are() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    outcome = run(snapshot, wanted, fails=1, on_failure="rollback")
    given = Given(snapshot=snapshot, plan=wanted, outcome=outcome)
    view = the_view(given)

    # Rules that hold now keep three guests from going back.
    away = {guest.name for guest in view.guests if guest.host != guest.target}
    assert away == {"mail-web-2", "mail-cache-1", "mail-cache-2"}
    assert said(given).headline == "1 migration failed, and 3 of 6 others were undone."
    assert card(given, "What was done?").answer == "6 of 17 migrations"
    text = render(given)
    assert "Undone, the last one first" in text
    assert "it would break rule mail-web: guest 124 is on host03" in text


def test_what_the_platform_moved_along_is_a_step_of_the_run() -> None:
    snapshot, wanted = planned(SMALL, GOALS["spread"])
    first = wanted.migrations[0]
    moved = {migration.guest.id for migration in wanted.migrations}
    other = next(
        guest
        for guest in snapshot.guests
        if guest.id not in moved and guest.host == first.source and guest.migratable
    )
    along = CoMigrated(guest=GuestRef(id=other.id, name=other.name), source=other.host, memory=1)
    outcome = run(snapshot, wanted, along={first.guest.id: [along]})
    given = Given(snapshot=snapshot, plan=wanted, outcome=outcome)
    view = the_view(given)

    guest = next(found for found in view.guests if found.id == other.id)
    assert view.hosts[guest.target].id == first.target
    why = [step.why for step in view.steps if view.guests[step.guest].id == other.id]
    assert why == [f"the platform moved it along with {first.guest.name}"]
    assert f"the platform moved along {other.name} from {other.host}" in render(given)


def test_new_guests_are_steps_and_take_what_they_are_assigned() -> None:
    given = documents("placement")
    assert given.placement is not None
    assert given.snapshot is not None
    view = the_view(given)

    assert [step.kind for step in view.steps] == ["new"] * 4
    assert [view.hosts[step.target].id for step in view.steps] == [
        placed.host.id for placed in given.placement.placements
    ]
    capacity = {host.id: host.capacity["cpu"] or 1 for host in given.snapshot.hosts}
    for host in view.hosts:
        new = sum(placed.cpu for placed in given.placement.placements if placed.host.id == host.id)
        before, after = host.used[0]["cpu"], host.used[1]["cpu"]
        assert before is not None
        assert after is not None
        assert after - before == pytest.approx(100 * new / capacity[host.id], abs=0.01)
    assert said(given).headline == "4 of 5 guests have a place."


def test_headlines() -> None:
    assert said(documents("plan")).headline == "17 migrations put the cluster in order."
    assert said(documents("evacuation")).headline == "host03 can't be emptied in full: 1 guest stays."
    snapshot, wanted = planned(replace(SMALL, seed=1, fixed=0), GOALS["evacuate"])
    assert said(Given(snapshot=snapshot, plan=wanted)).headline.endswith("empty host05.")
    level = planned(Shape(hosts=3, guests=6, seed=1), {"goal": "rules"})[0]
    nothing = plan(replace(level, rules=()), Policy.from_json({"goal": "rules"}))
    assert said(Given(plan=nothing)).headline == "The cluster is in order. Nothing has to be migrated."


def test_headlines_of_plans_that_wait_or_defer() -> None:
    snapshot = planned(SMALL, {})[0]
    other = plan(replace(snapshot, other_balancers=("DRS",)), Policy.from_json({}))
    assert said(Given(plan=other)).headline == (
        "Another balancer moves the guests of this cluster, so nothing was planned."
    )
    waits = plan(snapshot, Policy.from_json({"sustained": 3, "sustained_except": []}))
    assert said(Given(plan=waits)).headline == (
        "Nothing is migrated yet: what is out of its band has to last longer."
    )


def test_the_proof_in_words() -> None:
    best = card(documents("plan"), "Is it the best?")
    assert [(line.figure, line.text) for line in best.lines] == [
        ("17 migrations", "are the fewest found"),
        ("6", "at least are needed by any plan: this is proven"),
        ("Proof:", "fewest departures and arrivals that bring every host into the band, rules included"),
    ]
    snapshot, wanted = planned(replace(SMALL, seed=2, fixed=0.03), {"max_spread": 15})
    assert wanted.proof.optimal
    proven = card(Given(snapshot=snapshot, plan=wanted), "Is it the best?")
    assert (proven.answer, proven.lines[0].text) == ("Yes, this is proven", "no plan can do it with fewer")


def test_what_stays_undone_is_said_where_the_gain_is() -> None:
    snapshot, wanted = planned(replace(SMALL, seed=2, maintenance=1), {"max_spread": 40})
    assert wanted.status == "improved"
    found = card(Given(snapshot=snapshot, plan=wanted), "What does it bring?")

    assert found.mood == "warn"
    assert found.lines[-1].text.startswith("left undone: host host01")


def test_rules_before_and_after() -> None:
    given = documents("outcome")
    assert given.plan is not None
    section = rules(given)
    assert section is not None

    states = {rule.name: rule.state for rule in section.data.broken}  # type: ignore[attr-defined]
    assert set(states) == {violation.rule for violation in given.plan.before.violations}
    assert states == {"shop-cache": "stays", "mail-web": "restored", "mail-cache": "restored"}


def test_the_metric_that_is_shown_first() -> None:
    given = documents("plan")
    first = Given(snapshot=given.snapshot, plan=given.plan, metric="memory")

    assert [metric.name for metric in the_view(first).metrics] == ["memory", "cpu"]
