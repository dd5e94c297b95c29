# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console knows of a cluster, on one that is a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.extensions.console.session import Session
from ansible_collections.evenkeel.cluster.extensions.console.settings import RoleArguments, settings_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path: Path, clock: Clock) -> Session:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(generate(Shape(hosts=4, guests=20, seed=4)).to_json()))
    options = {
        "platform": "rehearsal",
        "rehearsal_path": str(path),
        "state_url": f"sqlite:///{tmp_path}/state.db",
    }
    arguments = RoleArguments(facts=options, plan={"max_spread": 15}, migrate=options, prometheus={})
    return Session("prod", settings_of(arguments), refresh=60, monotonic=clock)


def test_a_reading_says_what_is_there_and_what_is_wrong(session: Session) -> None:
    assert session.status.word == "not read yet"
    status = session.read()
    assert status.snapshot is not None
    assert status.state is not None
    assert (status.word, status.error, status.last_run) == ("out of band", "", None)
    assert {item.subject for item in status.wrong or ()} >= {"cpu", "memory"}
    assert [rule.name for rule in status.rules] == [rule.name for rule in status.snapshot.rules]


def test_it_is_read_when_it_is_due(session: Session, clock: Clock) -> None:
    assert session.is_due()
    assert session.begin()
    assert not session.begin()
    assert not session.is_due()
    session.read()
    assert (session.age(), session.seconds_to_next(), session.is_due()) == (0.0, 60.0, False)
    clock.now += 59
    assert not session.is_due()
    session.ask_again()
    assert session.is_due()
    session.read()
    clock.now += 60
    assert (session.age(), session.is_due()) == (60.0, True)


def test_what_was_read_stays_when_a_reading_fails(session: Session, clock: Clock, tmp_path: Path) -> None:
    before = session.read().snapshot
    clock.now += 60
    (tmp_path / "cluster.json").unlink()
    status = session.read()
    assert (status.word, status.snapshot, session.age()) == ("failed", before, 60.0)
    assert "cluster.json" in status.error
    assert session.seconds_to_next() == 60.0


def test_a_policy_that_cannot_be_applied_is_said(tmp_path: Path, session: Session) -> None:
    settings = session.settings
    options = {"platform": "rehearsal", "rehearsal_path": settings.facts.rehearsal_path}
    plan = {"goal": "evacuate", "evacuate": {"names": ["nowhere"]}}
    arguments = RoleArguments(facts=options, plan=plan, migrate=options, prometheus={})
    status = Session("prod", settings_of(arguments)).read()
    assert status.snapshot is not None
    assert status.word == "unknown"
    assert "nowhere" in status.problem


def test_nothing_is_read_while_a_run_changes_the_cluster(session: Session) -> None:
    session.read()
    with session.acting("applying a plan"):
        session.ask_again()
        assert not session.is_due()
        assert session.status.word == "acting"
    assert session.is_due()


def test_plans_are_for_what_was_read(session: Session) -> None:
    with pytest.raises(EvenKeelError, match="prod: The cluster has not been read yet"):
        session.plan()
    session.read()
    plan = session.plan()
    assert plan.migrations
    assert not plan.hypothetical
    what_if = session.plan(overrides=Overrides.from_json({"hosts_removed": []}))
    assert what_if.hypothetical
    with pytest.raises(EvenKeelError, match="what_if"):
        session.apply(what_if)


def test_a_history_that_does_not_exist_is_empty(session: Session, tmp_path: Path) -> None:
    assert session.history()["runs"] == []
    session.read()
    assert session.history()["migrations"] == []
    assert not (tmp_path / "state.db").exists()


def test_a_cluster_whose_variables_are_wrong_is_never_read() -> None:
    session = Session("bad", None, error="balance_goall is not a variable")
    assert (session.is_usable, session.is_due(), session.begin()) == (False, False, False)
    assert session.status.word == "failed"
    session.ask_again()
    assert not session.is_due()
    with pytest.raises(EvenKeelError, match="balance_goall"):
        _ = session.settings
