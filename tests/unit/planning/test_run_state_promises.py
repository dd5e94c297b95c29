# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans promise, on small random clusters in which guests are paused, unknown, under way, not measured
yet, agents, or bound to some hosts: the verifier, which has its own reading of it, passes every plan.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.goals import (
    Consolidation,
    Relief,
    Thresholds,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.selector import Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Guest,
    Refusal,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .small_clusters import snapshots

GIB = 1024**3
FRESH: dict[str, object] = {
    "used": {"cpu": None, "memory": None},
    "sources": {"cpu": "not_yet_measured", "memory": "not_yet_measured"},
}


@st.composite
def lively(draw: st.DrawFn) -> Snapshot:
    """A cluster with guests in every state."""
    snapshot = draw(snapshots())
    ids = [host.id for host in snapshot.hosts]

    def changed(guest: Guest) -> Guest:
        states: list[dict[str, object]] = [
            {},
            {},
            {"run_state": "paused"},
            {"power": "unknown", "run_state": "orphaned"},
            {"migrating_to": draw(st.sampled_from([*ids, "elsewhere"]))},
            {"platform_managed": True},
            {"targets": tuple(draw(st.sets(st.sampled_from(ids))))},
            {"cpu_features": ("avx512",)},
            FRESH,
        ]
        return replace(guest, **draw(st.sampled_from(states)))  # type: ignore[arg-type]

    guests = tuple(changed(guest) for guest in snapshot.guests)
    features = st.sampled_from([None, (), ("avx512",)])
    homes = {guest.id: guest.migrating_to or guest.host for guest in guests}

    def holds(rule: Rule) -> bool:
        """Guests that are together although they shall be apart have tests of their own."""
        places = [homes[guest] for guest in rule.guests if guest in homes]
        return rule.kind != "anti_affinity" or len(set(places)) == len(places)

    return replace(
        snapshot,
        guests=guests,
        rules=tuple(rule for rule in snapshot.rules if holds(rule)),
        hosts=tuple(replace(host, cpu_features=draw(features)) for host in snapshot.hosts),
        refusals=tuple(
            Refusal(guest=guest.id, host=draw(st.sampled_from(ids)), why="no", at=snapshot.taken_at)
            for guest in guests
            if draw(st.integers(0, 5)) == 0
        ),
    )


@st.composite
def policies(draw: st.DrawFn, hosts: list[str]) -> Policy:
    goal = draw(st.sampled_from(["spread", "rules", "evacuate", "consolidate", "relieve"]))
    return Policy(
        goal=goal,
        evacuate=Selector(names=(draw(st.sampled_from(hosts)),)) if goal == "evacuate" else None,
        consolidate=Consolidation() if goal == "consolidate" else None,
        relieve=Relief(overload=Thresholds(memory=60)) if goal == "relieve" else None,
        metrics=("memory",) if goal == "relieve" else ("cpu", "memory"),
        demand=draw(st.sampled_from(["used", "used", "assigned", "max"])),
        may_stay=Selector(names=draw(st.sampled_from([(), ("web*",)]))),
        shut_down=Selector(names=draw(st.sampled_from([(), ("db*",)]))),
        limits=Limits(memory_overcommit=draw(st.sampled_from([None, 1.5]))),
        effort=2,
    )


@given(st.data())
def test_every_plan_passes_the_verifier(data: st.DataObject) -> None:
    snapshot = data.draw(lively())
    policy = data.draw(policies([host.id for host in snapshot.hosts]))
    result = plan(snapshot, policy)
    event(f"{policy.goal}: {result.status}")
    moved = {step.guest.id for step in result.migrations}
    for guest in snapshot.guests:
        under_way = guest.migrating_to not in (None, guest.host) and guest.is_on_host
        if guest.platform_managed or guest.power != "running" or under_way:
            assert guest.id not in moved


@given(st.data())
def test_what_is_not_measured_yet_moves_for_a_reason_only(data: st.DataObject) -> None:
    snapshot = replace(data.draw(lively()), rules=())
    snapshot = replace(snapshot, hosts=tuple(replace(host, maintenance=False) for host in snapshot.hosts))
    result = plan(snapshot, Policy(effort=2))
    fresh = {guest.id for guest in snapshot.guests if guest.sources}
    assert not fresh & {step.guest.id for step in result.migrations}


@given(lively())
def test_every_placement_passes_its_verifier(snapshot: Snapshot) -> None:
    request = PlacementRequest.from_json(
        {"vms": [{"name": "new", "count": 3, "cpu": 1, "memory": 4 * GIB, "name_prefix": "anti_affinity"}]}
    )
    event(place([snapshot], request).status)
