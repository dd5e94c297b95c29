# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores and moves of disks on the screens, on a cluster that is a file."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from ansible_collections.evenkeel.cluster.extensions.console.app import ConsoleApp
from ansible_collections.evenkeel.cluster.extensions.console.screens.datastores import what_to_set
from ansible_collections.evenkeel.cluster.extensions.console.screens.dialogs import WhatIfForm
from ansible_collections.evenkeel.cluster.extensions.console.screens.history import HistoryView
from ansible_collections.evenkeel.cluster.extensions.console.screens.plan import NO_PINS, PlanScreen
from ansible_collections.evenkeel.cluster.extensions.console.screens.running import RunScreen
from ansible_collections.evenkeel.cluster.extensions.console.session import Session
from ansible_collections.evenkeel.cluster.extensions.console.widgets.table import Table
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.support.console import (
    NORMAL,
    SMALLEST,
    drive,
    inventory_file,
    rehearsal_session,
    screen_text,
    session_with,
    terminal,
    until,
)

from .test_deciding import answer, on_screen, open_cluster, planned

EXAMPLE = Path(__file__).parents[3] / "playbooks" / "files" / "example-datastores.json"
POLICY: dict[str, Any] = {"goal": "storage", "effort": 2}
# Bytes per second: copies that nobody waits for, that can be seen, and that do not end.
QUICK, SLOW, ENDLESS = 10**13, 5 * 10**9, 1000


def example(folder: Path, bandwidth: int = QUICK, **plan: Any) -> Session:
    path = folder / "cluster.json"
    path.write_text(EXAMPLE.read_text())
    set_bandwidth(folder, bandwidth)
    return rehearsal_session(path, plan={**POLICY, **plan})


def set_bandwidth(folder: Path, bandwidth: int) -> None:
    path = folder / "cluster.storage.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**kept, "bandwidth": bandwidth}))


def end_copies(folder: Path) -> None:
    """Those that are under way end now."""
    path = folder / "cluster.storage.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "copying": [{**one, "ends": 0.0} for one in state["copying"]]}))


def homes(folder: Path) -> dict[tuple[str, str | None], str]:
    snapshot = Snapshot.from_json(json.loads((folder / "cluster.json").read_text()))
    return {(guest.id, disk.id): disk.datastore for guest in snapshot.guests for disk in guest.disks}


def test_datastores_their_disks_and_rules_are_shown_and_a_plan_is_changed(tmp_path: Path) -> None:
    rules = [{"by": "guests", "guests": {"names": ["db-1", "db-3"]}, "name": "databases"}]
    session = example(tmp_path, storage={"rules": rules, "latency": 8})
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        await open_cluster(pilot, session)
        await pilot.press("6")
        screen = app.screen
        await until(pilot, lambda: screen.query_one("#datastores-table", Table).row_count == 6)
        await until(pilot, lambda: "97.0▲" in screen_text(app))
        shown = " ".join(screen_text(app).split())
        assert "1263 / 1303" in shown
        assert "8.9 ms" in shown
        assert "space of datastore nfs1: it is at 97.0 % and its limit is 80.0 %" in shown
        assert "latency of datastore nfs1: it is 8.9 ms and its limit is 8 ms" in shown
        assert "1 rule for disks out of order: see Rules (3)" in shown
        await pilot.press("enter")
        await until(pilot, lambda: "the largest first" in screen_text(app))
        lines = screen_text(app).splitlines()
        at = next(number for number, line in enumerate(lines) if "the largest first" in line)
        assert "256.0 GiB" in lines[at + 1]
        await pilot.press("escape", "3")
        await until(pilot, lambda: "databases" in screen_text(app))
        assert any("broken" in line and "disks" in line for line in screen_text(app).splitlines())

        await pilot.press("p")
        plan_screen = await on_screen(pilot, PlanScreen)
        plan = await planned(pilot, plan_screen)
        assert plan.storage is not None
        first = plan.storage.moves[0]
        await until(pilot, lambda: f"balanced by {len(plan.storage.moves)} disk moves" in screen_text(app))  # type: ignore[union-attr]
        assert sorted(plan_screen.query_one("#plan-hosts", Table).rows) == sorted(
            plan.storage.before.datastores
        )
        await pilot.press("x")
        await until(pilot, lambda: NO_PINS in [one.message for one in app._notifications])
        await pilot.press("space")
        without = await planned(pilot, plan_screen)
        assert without.storage is not None
        assert (first.guest.id, first.disks) not in {
            (one.guest.id, one.disks) for one in without.storage.moves
        }
        await until(pilot, lambda: "stays on its datastore" in screen_text(app))
        await pilot.press("f", "d")
        await planned(pilot, plan_screen)
        await until(pilot, lambda: plan_screen.query_one("#plan-hosts", Table).keys()[0] == "host1")

        await pilot.press("w")
        form = await on_screen(pilot, WhatIfForm)
        form.query_one("#form-stores-fuller", Input).value = "nfs2 + 300G"
        form.query_one("#form-stores-fuller", Input).focus()
        await pilot.press("enter")
        await on_screen(pilot, PlanScreen)
        fuller = await planned(pilot, plan_screen)
        assert fuller.storage is not None
        used = [one.storage.before.datastores["nfs2"].percent for one in (plan, fuller)]  # type: ignore[union-attr]
        assert used[1] > used[0] + 20  # type: ignore[operator]

    drive(app, body, NORMAL)


def test_a_run_of_disk_moves_is_watched_paused_stopped_and_kept_in_the_history(tmp_path: Path) -> None:
    # Nothing ends before the run is paused, however busy the machine is.
    session = example(tmp_path, ENDLESS)
    before = homes(tmp_path)
    app = ConsoleApp([session])

    async def body(pilot: Pilot[None]) -> None:
        await open_cluster(pilot, session)
        await pilot.press("p")
        plan = await planned(pilot, await on_screen(pilot, PlanScreen))
        assert plan.storage is not None
        count = len(plan.storage.moves)
        await pilot.press("a")
        await until(pilot, lambda: f"{count} moves of disks" in screen_text(app))
        await answer(pilot, "apply")
        screen = await on_screen(pilot, RunScreen)
        await until(pilot, lambda: "GiB of disks copied" in screen_text(app))
        disks = lambda: screen.run.progress.disks  # noqa: E731
        await until(pilot, lambda: bool(disks().moving), "the start of one")
        await pilot.press("space")
        await until(pilot, lambda: "paused" in screen_text(app))
        end_copies(tmp_path)
        await until(pilot, lambda: not disks().moving, "the end of what was under way")
        assert 0 < disks().bytes_copied < sum(move.bytes for move in plan.storage.moves)
        assert 0 < len(screen.run.outcomes) < count
        await pilot.press("s")
        await until(pilot, lambda: screen.run.ended, "the end of the run")
        await until(pilot, lambda: "stopped in" in screen_text(app))
        outcome = screen.run.run.outcome
        assert outcome.status == "stopped"
        moved = [one for one in outcome.disk_moves if one.result == "migrated"]
        assert 0 < len(moved) < count
        # Nothing that it could bring back.
        assert not screen.check_action("roll_back", ())
        await pilot.press("escape", "escape", "5")
        await until(pilot, lambda: f"{len(moved)} moves of disks" in screen_text(app) or len(moved) == 1)
        view = app.screen.query_one(HistoryView)
        (run,) = session.history()["runs"]
        assert (view.moved_by(run["id"]), view.moved_disks(run["id"])) == ((), True)
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query("#details")), "the details of one")
        await until(pilot, lambda: "space: takes nfs" in screen_text(app))

    drive(app, body, SMALLEST)
    now = homes(tmp_path)
    assert now != before
    assert now.keys() == before.keys()


def test_in_a_terminal_a_run_is_finished_after_a_kill_and_a_datastore_is_emptied(tmp_path: Path) -> None:
    example(tmp_path, SLOW)
    before = homes(tmp_path)
    variables = {
        "balance_platform": "rehearsal",
        "balance_rehearsal_path": str(tmp_path / "cluster.json"),
        "balance_poll_interval": "0.05",
        **{f"balance_{name}": value for name, value in POLICY.items()},
    }
    inventory = inventory_file(tmp_path, {"prod": variables})
    with terminal(tmp_path, "-i", str(inventory)) as console:
        console.until("out of band")
        console.press("Enter")
        console.until("1 Hosts")
        console.press("p")
        console.until("balanced by")
        console.press("a")
        console.until("Apply the plan to prod?")
        console.press("Left", "Enter")
        console.until(lambda text: "migrated in" in text and "waits" in text)
        os.kill(console.pid(), signal.SIGKILL)
        console.until("The console has ended with 137.")

    (tmp_path / "tmux").unlink(missing_ok=True)
    set_bandwidth(tmp_path, QUICK)
    with terminal(tmp_path, "-i", str(inventory)) as console:
        console.until("was interrupted")
        console.press("Enter")
        console.until("1 Hosts")
        console.press("p")
        # Not the notification, which says nearly the same as the question.
        console.until("Plan anew: by what the cluster is like now.")
        console.press("Left", "Enter")
        shown = console.until(lambda text: "done in" in text)
        assert "waits" not in shown
        console.press("Escape")
        console.until("1 Hosts")
        console.press("6")
        # Read again after the run.
        console.until(lambda text: "nfs3" in text and "in order" in text)
        console.press("Down", "Down", "e")
        console.until("evacuate nfs3")
        console.until("The check has found no obstacle.")
        assert "nfs3" in homes(tmp_path).values()
        console.press("a")
        console.until("Empty datastore nfs3 of prod?")
        console.press("Left", "Enter")
        console.until("Done.")
        console.press("q")
        console.until("The console has ended with 0.")
    now = homes(tmp_path)
    assert now.keys() == before.keys()
    assert "nfs3" not in now.values()


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("vmmanager", "VMmanager does not move disks between datastores"),
        ("proxmox", "Set balance_storage"),
    ],
)
def test_it_says_what_to_set_where_nothing_is_known_of_datastores(
    tmp_path: Path, platform: str, text: str
) -> None:
    snapshot = Snapshot.from_json(json.loads(EXAMPLE.read_text()))
    session = session_with({"platform": "proxmox", "api_host": "pve.example.com"}, tmp_path)
    said = " ".join(what_to_set(session, replace(snapshot, platform=platform, datastores=())))
    assert text in said
    assert ("are read only where balance_storage is set" in said) == (platform == "proxmox")
