# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Treemaps and time lines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page import picture as picture_section
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.content import view_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.pictures.hosts import vessels
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.pictures.slots import slots_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.pictures.ticks import time_ticks
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.pictures.treemap import (
    Rectangle,
    squarified,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.timeline import (
    limits_of,
    timeline_of,
)
from ansible_collections.evenkeel.cluster.tests.support.report_pages import documents

SIZES = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 1000)), max_size=40)


@given(SIZES, st.floats(1, 200), st.floats(1, 200))
def test_areas_are_as_the_sizes_and_fill_the_frame(sizes: list[float], width: float, height: float) -> None:
    boxes = squarified(sizes, Rectangle(3, 4, width, height))

    total = sum(sizes)
    for size, box in zip(sizes, boxes, strict=True):
        assert box.width * box.height == pytest.approx(size / total * width * height if size else 0)
        if size:
            assert box.x >= 3 - 1e-6
            assert box.x + box.width <= 3 + width + 1e-6
            assert box.y >= 4 - 1e-6
            assert box.y + box.height <= 4 + height + 1e-6


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=25))
def test_rectangles_do_not_overlap(sizes: list[float]) -> None:
    boxes = squarified(sizes, Rectangle(0, 0, 100, 120))

    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(across, down) < 1e-6


def test_equal_sizes_are_laid_out_in_their_order() -> None:
    boxes = squarified([1, 1, 1, 1], Rectangle(0, 0, 100, 100))

    assert [(box.x, box.y) for box in boxes] == [(0, 0), (0, 50), (50, 0), (50, 50)]


def test_every_guest_with_a_load_is_a_block_on_the_host_where_it_is() -> None:
    view = view_of(documents("plan"))
    assert view is not None

    for end in (0, 1):
        for metric in view.metrics:
            for number, vessel in enumerate(vessels(view, metric, end)):
                there = [
                    guest
                    for guest in view.guests
                    if (guest.target if end else guest.host) == number and guest.load[metric.name] > 0
                ]
                assert vessel.blocks == len(there)
                assert vessel.used == view.hosts[number].used[end][metric.name]


@pytest.mark.parametrize("name", ["plan", "evacuation"])
def test_estimated_times_obey_the_order_and_the_slots(name: str) -> None:
    documents_ = documents(name)
    timeline = timeline_of(documents_)
    assert timeline is not None
    assert documents_.plan is not None

    rows = {row.step: row for row in timeline.rows}
    limits = limits_of(documents_.plan)
    for row in rows.values():
        assert row.planned is not None
        assert row.estimated is not None
        assert row.estimated.seconds == pytest.approx(row.planned.cost.seconds)
        for step in row.planned.after:
            before = rows[step].estimated
            assert before is not None
            assert before.end <= row.estimated.start
        at_once = [
            other.planned
            for other in rows.values()
            if other.step != row.step
            and other.planned is not None
            and other.estimated is not None
            and other.estimated.start <= row.estimated.start < other.estimated.end
        ]
        assert limits.allows(row.planned, at_once)
    assert timeline.estimated is not None
    assert timeline.estimated >= documents_.plan.proof.seconds_lower_bound - 1e-6


def test_the_limit_of_the_cluster_makes_it_longer() -> None:
    given_ = documents("plan")
    free = timeline_of(given_)
    bound = timeline_of(Given(plan=given_.plan, max_parallel=1))
    assert free is not None
    assert bound is not None
    assert given_.plan is not None

    assert bound.estimated == pytest.approx(sum(step.cost.seconds for step in given_.plan.migrations))
    assert free.estimated is not None
    assert free.estimated < bound.estimated  # type: ignore[operator]


def test_real_times_are_those_of_the_outcome() -> None:
    given_ = documents("outcome")
    timeline = timeline_of(given_)
    assert timeline is not None
    assert given_.outcome is not None

    assert timeline.real == given_.outcome.seconds
    for row in timeline.rows:
        assert row.real is not None
        assert row.ended is not None
        assert row.real.seconds == pytest.approx(row.ended.seconds)
    assert max(row.real.end for row in timeline.rows if row.real) <= given_.outcome.seconds + 1


@pytest.mark.parametrize("name", ["plan", "outcome"])
def test_slots_of_a_host_are_no_more_than_it_has(name: str) -> None:
    documents_ = documents(name)
    timeline = timeline_of(documents_)
    assert timeline is not None
    assert documents_.plan is not None

    found = slots_of(timeline.rows)
    for slots in found:
        assert 1 <= slots.lanes <= documents_.plan.policy.max_per_host
        for lane in range(slots.lanes):
            uses = [use for use in slots.uses if use.lane == lane]
            for one, other in itertools.pairwise(uses):
                assert one.span.end <= other.span.start + 1
    # Each migration is at both of its hosts.
    assert sorted(use.step for slots in found for use in slots.uses) == sorted(
        2 * [migration.step for migration in documents_.plan.migrations]
    )


@given(st.floats(0, 1e7))
def test_few_ticks_from_zero_on(seconds: float) -> None:
    ticks = time_ticks(seconds)

    assert ticks[0].percent == 0
    assert all(0 <= tick.percent <= 100 for tick in ticks)
    assert len(ticks) <= 117
    if seconds <= 6 * 86_400:
        assert len(ticks) <= 7


def test_guests_beyond_many_are_counted_and_those_that_move_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_section, "MAX_GUESTS", 25)
    documents_ = documents("plan")
    assert documents_.plan is not None
    section = picture_section.picture(documents_)
    assert section is not None
    assert isinstance(section.data, picture_section.Picture)

    assert (len(section.data.guests), section.data.more_guests) == (25, 35)
    moves = [row for row in section.data.guests if "→" in row[1]]
    # One guest waits on another host in between.
    assert len(moves) == len({migration.guest.id for migration in documents_.plan.migrations}) == 16
    assert section.data.guests[: len(moves)] == tuple(moves)
    assert section.data.guests[len(moves)][-1].startswith("it can't be migrated")
