# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bars, bands, texts and columns of the console."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.extensions.console.bands import bands_of, measured_metrics
from ansible_collections.evenkeel.cluster.extensions.console.widgets.table import Column, fitted
from ansible_collections.evenkeel.cluster.extensions.console.widgets.text import (
    ago,
    level_bar,
    mark,
    number,
    plain,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import ClusterState, HostState
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy


@pytest.mark.parametrize(
    ("percent", "drawn"),
    [
        (0, "        "),
        (50, "████    "),
        (100, "████████"),
        (140, "████████"),
        (6.25, "▌       "),
        (-3, "        "),
    ],
)
def test_a_bar_is_as_long_as_its_percent(percent: float, drawn: str) -> None:
    assert level_bar(percent, 8).plain == drawn


def test_the_ends_of_the_band_are_drawn_into_a_bar() -> None:
    assert level_bar(50, 10, (20, 90)).plain == "██│██    │"
    assert level_bar(50, 10, (0, 100)).plain == "│████    │"
    assert level_bar(None, 14).plain == "not reported  "


def test_a_sign_says_what_the_colour_says() -> None:
    assert [mark(percent, (20, 40)) for percent in (10, 20, 40, 41, None)] == ["▼", " ", " ", "▲", " "]
    colours = {str(level_bar(percent, 8, (20, 40)).style) for percent in (10, 30, 50)}
    assert len(colours) == 3


def test_names_are_no_markup_and_move_no_cursor() -> None:
    text = plain("[bold]x[/bold] [@click=app.quit]y[/]\x1b[2J\n\u202e")
    assert text.plain == "[bold]x[/bold] [@click=app.quit]y[/]\\x1b[2J\\n\\u202e"
    assert text.spans == []


def test_what_is_not_known_is_a_dash() -> None:
    assert number(None).plain == "–"
    assert [ago(None), ago(0.5), ago(30), ago(600)] == ["never", "just now", "30 s ago", "10 min ago"]


def state(**used: tuple[float | None, ...]) -> ClusterState:
    count = len(next(iter(used.values())))
    hosts = {
        f"h{index}": HostState(
            name=f"h{index}", used={metric: values[index] for metric, values in used.items()}, guests=1
        )
        for index in range(count)
    }
    known = {metric: [value for value in values if value is not None] for metric, values in used.items()}
    spread = {metric: max(values) - min(values) if values else None for metric, values in known.items()}
    return ClusterState(spread=spread, violations=(), hosts=hosts)


def test_the_band_is_a_window_around_the_middle_of_the_hosts() -> None:
    found = bands_of(state(cpu=(10.0, 40.0, 70.0)), Policy(max_spread=20))
    assert (found["cpu"].low, found["cpu"].high, found["cpu"].limit) == (30.0, 50.0, 20)


def test_the_band_does_not_begin_below_zero() -> None:
    assert bands_of(state(cpu=(1.0, 3.0)), Policy(max_spread=20))["cpu"].low == 0.0


def test_only_what_is_levelled_has_a_band() -> None:
    assert not bands_of(state(cpu=(None, None)), Policy(max_spread=20))
    assert not bands_of(state(cpu=(10.0, 40.0)), Policy(goal="rules"))
    assert not bands_of(state(cpu=(10.0, 40.0)), Policy(max_spread=20, level_above=50))
    relieve = Policy.from_json({"goal": "relieve", "relieve": {"overload": {"memory": 85}}})
    found = bands_of(state(cpu=(10.0, 40.0), memory=(10.0, 90.0)), relieve)
    assert {metric: (band.low, band.high) for metric, band in found.items()} == {"memory": (0.0, 85)}


def test_metrics_that_no_host_reports_have_no_column() -> None:
    assert measured_metrics(state(cpu=(1.0, None), disk_io=(None, None))) == ["cpu"]


COLUMNS = (Column("a", "A", 10, grows=True), Column("b", "B", 10, leaves=1), Column("c", "C", 10, leaves=2))


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        (50, {"a": 22, "b": 10, "c": 10}),
        (38, {"a": 10, "b": 10, "c": 10}),
        (37, {"a": 21, "b": 10}),
        (20, {"a": 16}),
        (5, {"a": 10}),
    ],
)
def test_columns_leave_where_they_do_not_fit(width: int, widths: dict[str, int]) -> None:
    assert {column.key: column.width for column in fitted(COLUMNS, width)} == widths
