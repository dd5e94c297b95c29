# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The screens that decide and act, on clusters that are files and on a Proxmox VE with slow migrations."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from ansible_collections.evenkeel.cluster.extensions.console.app import ConsoleApp
from ansible_collections.evenkeel.cluster.extensions.console.screens.cluster import ClusterScreen
from ansible_collections.evenkeel.cluster.extensions.console.screens.dialogs import (
    GoalForm,
    QuestionScreen,
    WhatIfForm,
)
from ansible_collections.evenkeel.cluster.extensions.console.screens.move import MoveScreen
from ansible_collections.evenkeel.cluster.extensions.console.screens.plan import PlanScreen
from ansible_collections.evenkeel.cluster.extensions.console.screens.running import RunScreen
from ansible_collections.evenkeel.cluster.extensions.console.session import Session
from ansible_collections.evenkeel.cluster.extensions.console.widgets.table import Table
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.console import (
    NORMAL,
    SMALLEST,
    drive,
    rehearsal_session,
    screen_text,
    session_with,
    until,
    until_read,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate, numbered

POLICY = {"max_spread": 6, "effort": 2}
CLUSTER = numbered(generate(Shape(hosts=4, guests=16, seed=2, skew=6)))


def on_file(folder: Path, snapshot: Snapshot = CLUSTER, **run: Any) -> Session:
    path = folder / "cluster.json"
    path.write_text(json.dumps(snapshot.to_json()))
    return rehearsal_session(path, plan=POLICY, run=run)


@contextmanager
def proxmox(folder: Path, seconds: float) -> Iterator[tuple[launch.Simulator, Session]]:
    """A Proxmox VE whose migrations take so long, one at a time, and a session with it."""
    path = folder / "cluster.json"
    path.write_text(json.dumps(CLUSTER.to_json()))
    with launch.start("proxmox", [path], folder, switches={"migration_seconds": seconds}) as simulator:
        connection = {
            "platform": "proxmox",
            "api_host": simulator.host,
            "api_port": simulator.port,
            "api_user": simulator.user,
            "api_password": simulator.password,
            "ca_path": simulator.ca_path,
        }
        yield simulator, session_with(connection, folder, plan=POLICY, run={"max_parallel": 1})


async def on_screen(pilot: Pilot[None], kind: type[Screen[Any]]) -> Any:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind), kind.__name__)
    await pilot.pause()
    return pilot.app.screen


async def open_cluster(pilot: Pilot[None], session: Session) -> None:
    await until_read(pilot, session)
    await pilot.press("enter")
    await on_screen(pilot, ClusterScreen)


async def planned(pilot: Pilot[None], screen: PlanScreen) -> Plan:
    """Wait for the plan, and until it is shown."""
    await until(pilot, lambda: screen.desk is not None and not screen.desk.planning, "a plan")
    await pilot.pause()
    assert screen.desk is not None
    assert screen.desk.plan is not None, screen.desk.error
    return screen.desk.plan


async def open_plan(pilot: Pilot[None], session: Session) -> tuple[PlanScreen, Plan]:
    await open_cluster(pilot, session)
    await pilot.press("p")
    screen = await on_screen(pilot, PlanScreen)
    return screen, await planned(pilot, screen)


async def answer(pilot: Pilot[None], key: str) -> None:
    await on_screen(pilot, QuestionScreen)
    await pilot.click(f"#answer-{key}")


@pytest.mark.parametrize("size", [SMALLEST, NORMAL])
def test_a_plan_is_changed_and_shows_what_comes_of_it(tmp_path: Path, size: tuple[int, int]) -> None:
    session = on_file(tmp_path)
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        screen, plan = await open_plan(pilot, session)
        first = plan.migrations[0]
        shown = screen_text(app)
        assert f"balanced by {len(plan.migrations)} migrations" in shown
        assert "broken rules" in shown
        assert "Space" not in shown
        assert "space Leave out" in shown
        assert first.guest.name in shown
        assert first.why[:30] in " ".join(shown.split())
        assert sorted(screen.query_one("#plan-hosts", Table).rows) == sorted(plan.before.hosts)

        await pilot.press("space")
        without = await planned(pilot, screen)
        assert first.guest.id not in {step.guest.id for step in without.migrations}
        await until(pilot, lambda: "1 left out" in screen_text(app))
        await pilot.press("x")
        pinned = await planned(pilot, screen)
        kinds = {step.guest.id: step.kind for step in pinned.migrations}
        await until(pilot, lambda: "1 pinned" in screen_text(app))
        assert list(kinds.values()).count("manual") == 1

        await pilot.press("f", "i")
        await until(pilot, lambda: "What the plan leaves undone" in screen_text(app))
        assert "of which at least" in " ".join(screen_text(app).split())
        await pilot.press("escape")

        await pilot.press("g")
        form = await on_screen(pilot, GoalForm)
        form.query_one("#form-options", Input).value = "max_spred: 3"
        await pilot.click("#form-ok")
        await until(pilot, lambda: "Did you mean" in screen_text(app))
        await pilot.pause()
        form.query_one("#form-options", Input).value = "max_migrations: 1"
        form.query_one("#form-options", Input).focus()
        await pilot.press("enter")
        await on_screen(pilot, PlanScreen)
        assert len((await planned(pilot, screen)).migrations) <= 1

    drive(app, body, size)


def test_what_if_is_marked_and_cannot_be_applied(tmp_path: Path) -> None:
    session = on_file(tmp_path)
    app = ConsoleApp([session])
    before = (tmp_path / "cluster.json").read_text()

    async def body(pilot: Pilot[None]) -> None:
        screen, plan = await open_plan(pilot, session)
        await pilot.press("w")
        form = await on_screen(pilot, WhatIfForm)
        host = next(iter(plan.before.hosts.values())).name
        form.query_one("#form-away", Input).value = "h77"
        await pilot.click("#form-ok")
        await until(pilot, lambda: "no host has the name or id 'h77'" in screen_text(app))
        form.query_one("#form-away", Input).value = host
        form.query_one("#form-added", Input).value = f"new like {host}"
        form.query_one("#form-added", Input).focus()
        await pilot.press("enter")
        await on_screen(pilot, PlanScreen)
        found = await planned(pilot, screen)
        assert found.hypothetical
        assert "new" in found.after.hosts
        assert "HYPOTHETICAL" in screen_text(app)
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, PlanScreen)

    drive(app, body)
    assert (tmp_path / "cluster.json").read_text() == before


def test_a_check_asks_the_platform_and_migrates_nothing(tmp_path: Path) -> None:
    session = on_file(tmp_path)
    app = ConsoleApp([session])
    before = (tmp_path / "cluster.json").read_text()

    async def body(pilot: Pilot[None]) -> None:
        _screen, plan = await open_plan(pilot, session)
        await pilot.press("c")
        screen = await on_screen(pilot, RunScreen)
        await until(pilot, lambda: screen.run.ended, "the end of the check")
        await until(pilot, lambda: f"{len(plan.migrations)} planned" in screen_text(app))
        await pilot.press("escape")
        await on_screen(pilot, PlanScreen)

    drive(app, body)
    assert (tmp_path / "cluster.json").read_text() == before


def test_a_run_is_watched_paused_stopped_and_rolled_back(tmp_path: Path) -> None:
    with proxmox(tmp_path, seconds=2) as (simulator, session):
        app = ConsoleApp([session])
        homes = {guest: found["host"] for guest, found in simulator.state()["guests"].items()}

        async def body(pilot: Pilot[None]) -> None:
            _plan_screen, plan = await open_plan(pilot, session)
            assert len(plan.migrations) > 2
            await pilot.press("a")
            await until(pilot, lambda: f"{len(plan.migrations)} migrations" in screen_text(app))
            # The button that starts nothing has the focus.
            await pilot.press("enter")
            await on_screen(pilot, PlanScreen)
            await pilot.press("a")
            await answer(pilot, "apply")
            screen = await on_screen(pilot, RunScreen)
            await until(pilot, lambda: bool(screen.run.progress and screen.run.progress.moving), "a start")
            assert session.status.word == "acting"
            await until(pilot, lambda: "%" in screen_text(app) or "under way for" in screen_text(app))

            await pilot.press("space")
            await until(pilot, lambda: "paused" in screen_text(app))
            moving = lambda: screen.run.progress is not None and bool(screen.run.progress.moving)  # noqa: E731
            await until(pilot, lambda: not moving(), "the end of what was under way")
            done = len(screen.run.outcomes)
            assert 0 < done < len(plan.migrations)
            # Left and come back to while it is under way.
            await pilot.press("escape", "escape", "p")
            again = await on_screen(pilot, RunScreen)
            assert again.run is screen.run
            assert len(again.run.outcomes) == done
            await pilot.press("space")
            await until(pilot, lambda: len(again.run.outcomes) > done, "that it goes on")
            await pilot.press("s")
            await until(pilot, lambda: again.run.ended, "the end of the run")
            await until(pilot, lambda: "stopped" in screen_text(app))
            outcome = again.run.run.outcome
            assert outcome.count("skipped") > 0
            assert "asked for in the console" in next(one.why for one in outcome.migrations if one.why)

            await pilot.press("b")
            back = await on_screen(pilot, PlanScreen)
            way = await planned(pilot, back)
            assert {step.kind for step in way.migrations} == {"rollback"}
            assert len(way.migrations) == outcome.count("migrated")
            assert not back.check_action("leave_out", ())
            await pilot.press("a")
            await answer(pilot, "apply")
            last = await on_screen(pilot, RunScreen)
            await until(pilot, lambda: last.run.ended, "the end of the way back")
            assert last.run.run.outcome.status == "done"

        drive(app, body)
        state = simulator.state()["guests"]
        assert {guest: found["host"] for guest, found in state.items()} == homes
        history = session.history()
        assert [run["status"] for run in history["runs"]] == ["done", "stopped"]
        assert {run["who"]["program"] for run in history["runs"]} == {"evenkeel-console"}


def test_a_plan_that_went_stale_is_refused_and_a_new_one_offered(tmp_path: Path) -> None:
    session, other = on_file(tmp_path), rehearsal_session(tmp_path / "cluster.json", plan=POLICY)
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        screen, plan = await open_plan(pilot, session)
        # Another console on the same cluster applies its plan meanwhile.
        other.read()
        first = other.plan(replace(other.policy, seed=5))
        done = other.apply(replace(first, migrations=first.migrations[:1]))
        assert done.outcome.status == "done"
        moved = done.outcome.migrations[0]

        # Not read since: the run itself refuses it if it says otherwise.
        if moved.guest.id in {step.guest.id for step in plan.migrations}:
            app.read_again(session)
            await until(pilot, lambda: "Out of date" in screen_text(app))
            await pilot.press("a")
            await answer(pilot, "plan")
        else:
            await pilot.press("a")
            await answer(pilot, "apply")
            run = await on_screen(pilot, RunScreen)
            await until(pilot, lambda: run.run.ended)
            assert run.run.run.stale
            assert "Nothing was started" in screen_text(app)
            return
        await on_screen(pilot, PlanScreen)
        again = await planned(pilot, screen)
        assert screen.desk is not None
        now = {guest.id: guest.host for guest in screen.desk.snapshot.guests}
        assert now[moved.guest.id] == moved.target
        assert all(step.source == now[step.guest.id] for step in again.migrations if step.wave == 1)

    drive(app, body)


def test_a_run_waits_for_the_one_that_holds_the_lock(tmp_path: Path) -> None:
    session = on_file(tmp_path)
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        _screen, plan = await open_plan(pilot, session)
        with open_database(f"sqlite:///{tmp_path}/state.db") as database:
            with cluster_lock(database, session.keys()[0], this_process(), name="prod"):
                await pilot.press("a")
                await answer(pilot, "apply")
                screen = await on_screen(pilot, RunScreen)
                await until(pilot, lambda: "waits for another run" in screen_text(app))
                assert "process" in screen_text(app)
                assert not screen.run.outcomes
            await until(pilot, lambda: screen.run.ended, "the end of the run")
            assert screen.run.run.outcome.count("migrated") == len(plan.migrations)

    drive(app, body)


def test_a_console_with_a_run_under_way_asks_before_it_closes(tmp_path: Path) -> None:
    with proxmox(tmp_path, seconds=4) as (simulator, session):
        app = ConsoleApp([session])

        async def body(pilot: Pilot[None]) -> None:
            await open_plan(pilot, session)
            await pilot.press("a")
            await answer(pilot, "apply")
            screen = await on_screen(pilot, RunScreen)
            await until(pilot, lambda: bool(screen.run.progress and screen.run.progress.moving), "a start")
            await pilot.press("q")
            await answer(pilot, "stay")
            await on_screen(pilot, RunScreen)
            assert not screen.run.stop_asked
            await pilot.press("q")
            await answer(pilot, "stop")
            await until(pilot, lambda: not app.is_running or screen.run.stop_asked)

        drive(app, body)
        assert app.runs.wait(60)
        run = app.runs.of(session)
        assert run is not None
        assert run.run is not None
        assert run.run.outcome.status == "stopped"
        assert not simulator.state().get("running", [])


def test_one_guest_goes_to_a_host_of_a_ranked_list(tmp_path: Path) -> None:
    shut = CLUSTER.hosts[-1].id
    snapshot = replace(
        CLUSTER, hosts=tuple(replace(one, maintenance=one.id == shut) for one in CLUSTER.hosts)
    )
    session = on_file(tmp_path, snapshot)
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        await open_cluster(pilot, session)
        await pilot.press("2", "m")
        screen = await on_screen(pilot, MoveScreen)
        await until(pilot, lambda: screen.query_one(Table).row_count == len(CLUSTER.hosts) - 1)
        ranking = screen._ranking
        best, closed = ranking.hosts[0], next(one for one in ranking.hosts if one.id == shut)
        assert closed.why_not == "it is in maintenance, or being emptied"
        assert "it is in maintenance" in screen_text(app)
        await pilot.press(*["down"] * len(CLUSTER.hosts), "enter")
        await pilot.pause()
        assert isinstance(app.screen, MoveScreen)
        await pilot.press(*["up"] * len(CLUSTER.hosts), "enter")
        plan_screen = await on_screen(pilot, PlanScreen)
        plan = await planned(pilot, plan_screen)
        assert (ranking.guest.id, best.id) in {(step.guest.id, step.target) for step in plan.migrations}
        await pilot.press("a")
        await answer(pilot, "apply")
        run = await on_screen(pilot, RunScreen)
        await until(pilot, lambda: run.run.ended)
        assert run.run.run.outcome.status == "done"
        await until(
            pilot,
            lambda: {one.id: one.host for one in session.status.snapshot.guests}[ranking.guest.id] == best.id,  # type: ignore[union-attr]
        )

    drive(app, body)


def test_a_run_of_the_past_is_rolled_back(tmp_path: Path) -> None:
    session = on_file(tmp_path)
    session.read()
    done = session.apply(session.plan())
    assert done.outcome.status == "done"
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        await open_cluster(pilot, session)
        await until(pilot, lambda: not session.status.outdated, "the reading after the run")
        await pilot.press("5")
        screen = await on_screen(pilot, ClusterScreen)
        runs = screen.query_one("#runs-table", Table)
        await until(pilot, lambda: runs.row_count == 1)
        await pilot.press("b")
        await pilot.pause()
        assert isinstance(app.screen, ClusterScreen)
        runs.focus()
        await until(pilot, lambda: bool(screen.check_action("roll_back", ())))
        await pilot.press("b")
        back = await on_screen(pilot, PlanScreen)
        way = await planned(pilot, back)
        assert len(way.migrations) == done.outcome.count("migrated")
        await pilot.press("a")
        await answer(pilot, "apply")
        run = await on_screen(pilot, RunScreen)
        await until(pilot, lambda: run.run.ended)
        assert run.run.run.outcome.status == "done"

    drive(app, body)
    hosts = {one["id"]: one["host"] for one in json.loads((tmp_path / "cluster.json").read_text())["guests"]}
    assert hosts == {guest.id: guest.host for guest in CLUSTER.guests}


def test_nothing_that_acts_is_offered_in_read_only_mode(tmp_path: Path) -> None:
    session = on_file(tmp_path)
    app = ConsoleApp([session], read_only=True)

    async def body(pilot: Pilot[None]) -> None:
        await open_cluster(pilot, session)
        await pilot.press("p", "e", "2", "m")
        await pilot.pause()
        assert isinstance(app.screen, ClusterScreen)
        assert "Plan" not in screen_text(app)

    drive(app, body)


def test_a_platform_that_dies_meanwhile_ends_the_run_with_its_error(tmp_path: Path) -> None:
    with proxmox(tmp_path, seconds=30) as (simulator, session):
        app = ConsoleApp([session])
        released = threading.Event()

        async def body(pilot: Pilot[None]) -> None:
            await open_plan(pilot, session)
            simulator.stop()
            await pilot.press("a")
            await answer(pilot, "apply")
            screen = await on_screen(pilot, RunScreen)
            await until(pilot, lambda: screen.run.ended, "the end of the run")
            assert screen.run.error is not None
            await until(pilot, lambda: "failed" in screen_text(app))
            released.set()

        drive(app, body)
        assert released.is_set()
