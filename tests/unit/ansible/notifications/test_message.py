# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth a message, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.notifications.events import (
    EVENTS,
    Event,
    Run,
    events_of,
    worth_a_message,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.notifications.message import (
    Message,
    as_html,
    as_markdown,
    as_text,
    message_of,
)

DONE = {"status": "done", "migrated": 3, "failed": 0, "cancelled": 0, "planned": 0, "in_band": True}


@pytest.mark.parametrize(
    ("run", "check_mode", "events"),
    [
        ({}, False, ()),
        ({"plan": {"migrations": 0, "unresolved": 0}, "outcome": {**DONE, "migrated": 0}}, False, ()),
        ({"outcome": DONE}, False, ("changed",)),
        ({"plan": {"migrations": 3}, "outcome": {**DONE, "migrated": 0, "planned": 3}}, True,
         ("would_change",)),
        # The tag plan: nothing was to be migrated.
        ({"plan": {"migrations": 3}}, False, ("would_change",)),
        ({"plan": {"migrations": 3}, "error": "x"}, False, ("failed", "would_change")),
        ({"outcome": {**DONE, "cancelled": 1}}, False, ("failed", "changed")),
        ({"plan": {"unresolved": 2}, "outcome": {**DONE, "in_band": False}}, False,
         ("unresolved", "out_of_band", "changed")),
        ({"outcome": {**DONE, "migrated": 0}, "lock_taken_over": "process 4711 on ctl1"}, False,
         ("lock_taken_over",)),
        # It only waits for further readings.
        ({"outcome": {**DONE, "migrated": 0, "in_band": False, "unresolved": 1, "waiting": 1}}, False, ()),
        # Only disks are moved.
        ({"outcome": {**DONE, "migrated": 0, "disk_moves": {"migrated": 2}}}, False, ("changed",)),
        ({"outcome": {**DONE, "migrated": 0, "disk_moves": {"migrated": 2, "cancelled": 1}}}, False,
         ("failed", "changed")),
        ({"outcome": {**DONE, "disk_moves": {"migrated": 2}, "left_behind": 1}}, False,
         ("unresolved", "changed")),
        ({"plan": {"migrations": 0, "storage": {"moves": 3}}}, False, ("would_change",)),
        ({"plan": {"migrations": 0, "storage": {"moves": 3}},
          "outcome": {**DONE, "migrated": 0, "disk_moves": {"planned": 3}}}, True, ("would_change",)),
        ({"plan": {"migrations": 0, "storage": {"moves": 3}},
          "outcome": {**DONE, "migrated": 0, "disk_moves": {"skipped": 3}}}, True, ()),
        # The cluster could not be read again.
        ({"outcome": {**DONE, "in_band": None}}, False, ("changed",)),
    ],
)  # fmt: skip
def test_events(run: dict[str, Any], check_mode: bool, events: Sequence[str]) -> None:
    assert events_of(Run(cluster="prod", **run), check_mode=check_mode) == events


@pytest.mark.parametrize(
    ("wanted", "check_mode", "worth"),
    [
        (("failed",), False, ("failed",)),
        (("changed",), False, ()),
        (("failed",), True, ()),
        (("failed", "would_change"), True, ("failed", "would_change")),
    ],
)
def test_check_mode_is_silent_unless_would_change_is_wanted(
    wanted: Sequence[Event], check_mode: bool, worth: Sequence[Event]
) -> None:
    assert worth_a_message(("failed", "would_change"), wanted, check_mode=check_mode) == worth


def test_a_message_names_what_is_left_once() -> None:
    run = Run(
        cluster="prod",
        plan={"unresolved": 1},
        unresolved=["rule web: no host", "spread of cpu: 22 points"],
        error="No migration was started, because the plan does not resolve: rule web: no host",
        report=["line"],
    )
    message = message_of([(run, events_of(run, check_mode=False))])
    assert message.title == "prod: failed, not everything can be resolved"
    assert message.lines == [
        "Failed: No migration was started, because the plan does not resolve: rule web: no host",
        "Not resolved:",
        "- spread of cpu: 22 points",
    ]


@pytest.mark.parametrize(("outcome", "title", "lines"), [
    ({"migrated": 2, "disk_moves": {"migrated": 1}, "bytes_copied": 3 * 1024**3},
     "prod: 2 guests migrated, 1 disk move done",
     ["2 guests migrated and 1 disk move done, 3.0 GiB copied."]),
    ({"migrated": 0, "disk_moves": {"migrated": 4}, "bytes_copied": 512 * 1024**2, "left_behind": 2},
     "prod: 2 copies of disks left behind, 4 disk moves done",
     ["4 disk moves done, 0.5 GiB copied.",
      "2 copies of disks left behind, which no guest uses any more and no run deletes."
      " The report names each."]),
    ({"migrated": 0, "disk_moves": {"failed": 1, "planned": 0}, "left_behind": 1},
     "prod: failed, 1 copy of disks left behind",
     ["Failed: 1 disk move failed",
      "1 copy of disks left behind, which no guest uses any more and no run deletes."
      " The report names each."]),
    ({"migrated": 0, "failed": 2, "disk_moves": {"failed": 1}},
     "prod: failed",
     ["Failed: 2 migrations and 1 disk move failed"]),
])  # fmt: skip
def test_a_message_tells_of_disks(outcome: dict[str, Any], title: str, lines: list[str]) -> None:
    run = Run(cluster="prod", outcome=outcome)
    message = message_of([(run, events_of(run, check_mode=False))])
    assert (message.title, list(message.lines)) == (title, lines)


def test_a_message_tells_of_disks_that_would_be_moved() -> None:
    run = Run(cluster="prod", plan={"migrations": 1, "storage": {"moves": 2}})
    message = message_of([(run, events_of(run, check_mode=False))])
    assert message.title == "prod: 1 guest would be migrated, 2 disk moves would be done"
    only_disks = Run(cluster="prod", plan={"migrations": 0, "storage": {"moves": 2}})
    message = message_of([(only_disks, events_of(only_disks, check_mode=False))])
    assert message.lines == ["2 disk moves would be done."]


def test_a_digest_begins_with_those_that_failed() -> None:
    runs: list[tuple[Run, Sequence[Event]]] = [
        (Run(cluster="a", outcome={"migrated": 1}), ["changed"]),
        (Run(cluster="z", error="gone", report=["r1", "r2"]), ["failed"]),
    ]
    message = message_of(runs, silent=298)
    assert message.title == "300 clusters: 1 failed, 1 changed"
    assert message.lines == [
        "z: failed",
        "a: 1 guest migrated",
        "298 other clusters without anything to report.",
    ]
    assert message.tables == ["=== z", "Failed: gone", "", "r1", "r2", "", "=== a", "1 guest migrated."]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=80), max_size=60),
    st.integers(300, 4000),
)
def test_a_body_is_never_longer_than_the_service_takes(tables: list[str], most: int) -> None:
    message = Message(title="t", lines=["Failed: x.", "web_1"], tables=tables)
    assert len(as_text(message, most)) <= most
    for body in (as_html(message, most), as_markdown(message, most)):
        assert len(body) <= most
        assert body.count("```") in (0, 2)
    assert as_html(message).count("<pre>") == bool(tables)


def test_names_are_no_markup() -> None:
    message = Message(title="t", lines=["web_1_a: <b>"], tables=["<i> ```"])
    assert as_markdown(message) == "web\\_1\\_a: \\<b\\>  \n\n```\n<i> '''\n```"
    assert as_html(message) == "web_1_a: &lt;b&gt;\n<pre>&lt;i&gt; ```</pre>"
    assert as_text(message) == "web_1_a: <b>\n\n<i> ```"


def test_every_event_is_described() -> None:
    run = Run(cluster="c", outcome={"migrated": 2, "planned": 1})
    message = message_of([(run, EVENTS)])
    assert message.title == (
        "c: failed, not everything can be resolved, not balanced, the lock of a killed run was taken over,"
        " 2 guests migrated, 1 …"
    )
