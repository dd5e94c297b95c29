# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left, on the page: of the moment that the page is about, with what is in the way."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
    WantedVm,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.headroom import (
    HeadroomData,
    headroom,
    headroom_of,
)
from ansible_collections.evenkeel.cluster.tests.unit.planning.test_scenarios import cluster

from .past_runs import history

# h1 is so full that its guests have no place elsewhere until some have left.
UNEVEN = {
    "hosts": {name: {"memory": 100, "cpu": 64} for name in ("h1", "h2", "h3")},
    "guests": {
        f"g{number}": {"host": "h1" if number < 6 else "h2", "memory": 20 - number} for number in range(8)
    },
}


def data(given: Given) -> HeadroomData:
    section = headroom(given)
    assert section is not None
    assert isinstance(section.data, HeadroomData)
    return section.data


def uneven() -> Snapshot:
    return cluster(UNEVEN)


def test_a_plan_shows_what_is_left_after_it_and_before() -> None:
    snapshot = uneven()
    made = plan(snapshot, Policy())
    assert made.migrations
    given = Given(snapshot=snapshot, plan=made)
    found = data(given)
    rooms = headroom_of(given)
    assert rooms is not None
    assert rooms[0].moment == "planned"
    assert rooms[1] is not None
    assert found.when == "after this plan"
    assert [tile.name for tile in found.tiles] == ["h1", "h2", "h3"]
    assert found.lead.startswith("Any one of the 3 hosts may fail")


def test_a_run_that_moved_nothing_shows_the_cluster_as_it_is() -> None:
    snapshot = uneven()
    made = plan(snapshot, Policy())
    outcome = Outcome(
        cluster=snapshot.cluster,
        status="partial",
        started_at="2026-01-01T00:00:00Z",
        seconds=1,
        migrations=(),
    )
    given = Given(snapshot=snapshot, plan=made, outcome=outcome)
    assert data(given).when == "as the cluster is"
    assert data(given).compared == ""


def test_new_guests_count_once_they_are_there() -> None:
    snapshot = uneven()
    request = PlacementRequest(vms=(WantedVm(name="new#", cpu=1, memory=40 * 2**30, count=2),))
    placed = place([snapshot], request)
    assert placed.status == "placed"
    found = data(Given(snapshot=snapshot, placement=placed))
    assert found.when == "once the new guests are there"
    assert sum(int(row[2]) for row in found.failure_rows) == len(snapshot.guests) + 2


def test_guests_without_a_place_are_listed_with_the_reason() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 20}},
            "guests": {
                "large": {"host": "h1", "memory": 40},
                "card": {"host": "h1", "memory": 1, "blockers": ["passthrough_device"]},
                "image": {"host": "h1", "memory": 1, "blockers": ["iso_mounted"]},
            },
        }
    )
    found = data(Given(snapshot=snapshot))
    assert found.lead == "1 of 2 hosts may fail, one at a time: the others have room for its guests."
    assert found.others == (
        "If h1 fails, 1 of 3 guests has no place: large (0 of 1 other host can take it: 1 memory).",
        "1 guest can be started on no other host if its host fails: card (h1: it uses a device of its host).",
    )
    assert found.lost == (
        ("large", "h1", "0 of 1 other host can take it: 1 memory"),
        ("card", "h1", "it uses a device of its host"),
    )
    assert [(tile.words, tile.says) for tile in found.tiles] == [
        ("may not fail", "3 guests to restart, 1 without a place, 1 tied to it"),
        ("may fail", "0 guests to restart"),
    ]
    assert found.notes == (
        "If h1 fails: image: an image that other hosts do not have is in its drive: eject it",
    )


def test_core_counts_with_the_same_answer_share_a_row() -> None:
    found = data(Given(snapshot=uneven()))
    assert [row[0] for row in found.largest] == ["1 to 32 cores", "64 cores"]
    assert [row[2] for row in found.largest][1] == ""


def test_there_is_no_section_without_a_snapshot() -> None:
    assert headroom(Given(history=history(), cluster="prod")) is None
