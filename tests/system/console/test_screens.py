# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The screens to look at clusters, each at several sizes, on clusters that are files."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TabbedContent

from ansible_collections.evenkeel.cluster.extensions.console.app import ConsoleApp
from ansible_collections.evenkeel.cluster.extensions.console.screens.cluster import ClusterScreen
from ansible_collections.evenkeel.cluster.extensions.console.session import Session
from ansible_collections.evenkeel.cluster.extensions.console.widgets.table import Table
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
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
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

SIZES = (SMALLEST, NORMAL)
HOSTS, GUESTS = 8, 60
NASTY = "[bold]x[/] [@click=app.quit()]y\x1b[31m\u202e"


@pytest.fixture(scope="module")
def cluster() -> Snapshot:
    return generate(Shape(hosts=HOSTS, guests=GUESTS, seed=4))


def kept(folder: Path, snapshot: Snapshot) -> Path:
    path = folder / "cluster.json"
    path.write_text(json.dumps(snapshot.to_json()))
    return path


def session(folder: Path, snapshot: Snapshot, **more: Any) -> Session:
    return rehearsal_session(kept(folder, snapshot), **more)


async def open_tab(pilot: Pilot[None], session: Session, tab: str) -> ClusterScreen:
    await until_read(pilot, session)
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    if not isinstance(app.screen, ClusterScreen):
        await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
    screen = app.screen
    assert isinstance(screen, ClusterScreen)
    await pilot.press(tab)
    await pilot.pause()
    await pilot.pause()
    return screen


@pytest.mark.parametrize("size", SIZES)
def test_each_tab_shows_the_cluster(tmp_path: Path, cluster: Snapshot, size: tuple[int, int]) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        await until_read(pilot, one)
        shown = screen_text(app)
        assert "prod" in shown
        assert "out of band" in shown
        assert "spread of memory" in shown
        screen = await open_tab(pilot, one, "1")
        state = one.status.state
        assert state is not None
        for host in state.hosts.values():
            line = next(line for line in screen_text(app).splitlines() if f" {host.name} " in line)
            assert f"{host.used['cpu']:.1f}" in line
            assert f"{host.used['memory']:.1f}" in line
            assert "│" in line
        await pilot.press("2")
        await until(pilot, lambda: screen.query_one("#guests-table", Table).row_count == GUESTS)
        assert f"{GUESTS} of {GUESTS} guests" in screen_text(app)
        await pilot.press("3")
        await pilot.pause()
        broken = {violation.rule for violation in state.violations}
        assert broken
        keys = screen.query_one("#rules-table", Table).keys()[: len(broken)]
        assert {key.partition(":")[2] for key in keys} == broken
        await pilot.press("4")
        await until(pilot, lambda: screen.query_one("#failures-table", Table).row_count == HOSTS)
        assert "may fail" in screen_text(app)
        await pilot.press("5")
        await until(pilot, lambda: "0 runs and 0 migrations" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ClusterScreen))

    drive(app, body, size)


def test_a_small_terminal_says_which_size_is_needed(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        await until_read(pilot, one)
        assert "60 × 15" in screen_text(app)
        assert "80 × 24" in screen_text(app)
        assert "out of band" not in screen_text(app)
        await pilot.resize_terminal(*SMALLEST)
        await until(pilot, lambda: "out of band" in screen_text(app))

    drive(app, body, (60, 15))


def test_guests_are_filtered_sorted_and_shown(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])
    first = cluster.guests[0]
    host = next(host.name for host in cluster.hosts if host.id == first.host)

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "2")
        table = screen.query_one("#guests-table", Table)
        await pilot.press("slash", *f"{first.name}")
        await until(pilot, lambda: f"1 of {GUESTS} guests" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: f"{GUESTS} of {GUESTS} guests" in screen_text(app))
        screen.query_one("#guests-filter", Input).value = f"host:{host}"
        there = [guest for guest in cluster.guests if guest.host == first.host]
        await until(pilot, lambda: table.row_count == len(there))
        await pilot.press("slash")
        screen.query_one("#guests-filter", Input).value = "where used.memory >"
        complaint = screen.query_one("#guests-complaint")
        await until(pilot, lambda: complaint.display)
        assert table.row_count == len(there)
        screen.query_one("#guests-filter", Input).value = "where used.memory > `4294967296`"
        large = [guest for guest in cluster.guests if (guest.used.get("memory") or 0) > 4294967296]
        await until(pilot, lambda: table.row_count == len(large))
        assert not complaint.display
        await pilot.press("enter", "o", "o", "o", "o", "o")
        await pilot.pause()
        largest = max(large, key=lambda guest: guest.used.get("memory") or 0)
        assert table.keys()[0] == largest.id
        await pilot.press("O")
        await until(pilot, lambda: table.keys()[-1] == largest.id)
        await pilot.press("ctrl+home", "enter")
        await until(pilot, lambda: "no migration of it is recorded" in screen_text(app))
        assert "may move" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)

    drive(app, body)


def test_a_host_opens_its_guests(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "1")
        screen.query_one("#hosts-table", Table).focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.query_one(TabbedContent).active == "guests")
        there = [guest for guest in cluster.guests if guest.host == cluster.hosts[1].id]
        await until(pilot, lambda: f"{len(there)} of {GUESTS} guests" in screen_text(app))

    drive(app, body)


def test_names_of_guests_are_data(tmp_path: Path, cluster: Snapshot) -> None:
    first, *others = cluster.guests
    nasty = replace(first, name=NASTY, tags=("[red]t",))
    host = replace(cluster.hosts[0], name="[b]h[/b]")
    one = session(tmp_path, replace(cluster, guests=(nasty, *others), hosts=(host, *cluster.hosts[1:])))
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "1")
        assert "[b]h[/b]" in screen_text(app)
        await pilot.press("2", "slash")
        screen.query_one("#guests-filter", Input).value = "[bold]"
        await until(pilot, lambda: f"1 of {GUESTS} guests" in screen_text(app))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "may move" in screen_text(app))
        shown = screen_text(app)
        assert "[bold]x[/] [@click=app.quit()]y\\x1b[31m\\u202e" in shown
        assert "\x1b" not in shown
        assert "[red]t" in shown

    drive(app, body)


def test_the_history_says_why_a_guest_was_moved(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)
    one.read()
    plan = one.plan()
    assert one.apply(plan).outcome.status == "done"
    migration = plan.migrations[0]
    app = ConsoleApp([one])
    one.ask_again()

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: one.status.last_run is not None)
        screen = await open_tab(pilot, one, "5")
        await until(pilot, lambda: screen.query_one("#runs-table", Table).row_count == 1)
        assert f"1 run and {len(plan.migrations)} migrations" in screen_text(app)
        await pilot.press("slash")
        screen.query_one("#history-filter", Input).value = migration.guest.name
        await until(pilot, lambda: screen.query_one("#migrations-table", Table).row_count == 1)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "started by" in screen_text(app))
        shown = " ".join(screen_text(app).replace("│", " ").split())
        assert migration.kind in shown
        assert migration.why[:40] in shown
        assert "by evenkeel-console" in shown
        assert "plan sha256:" in shown
        await pilot.press("escape", "escape")
        screen.query_one("#runs-table", Table).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "Run " in screen_text(app) and "ended" in screen_text(app))
        await pilot.press("escape", "2")
        await until(pilot, lambda: screen.query_one("#guests-table", Table).row_count > 0)
        screen.query_one("#guests-filter", Input).value = f"id:{migration.guest.id}"
        await until(pilot, lambda: screen.query_one("#guests-table", Table).row_count == 1)
        screen.query_one("#guests-table", Table).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "started by" in screen_text(app))
        await pilot.press("h")
        await until(pilot, lambda: screen.query_one(TabbedContent).active == "history")
        assert screen.query_one("#history-filter", Input).value == migration.guest.id

    drive(app, body)


def test_a_cluster_that_cannot_be_reached_keeps_no_other_waiting(tmp_path: Path, cluster: Snapshot) -> None:
    good = session(tmp_path, cluster)
    gone = session_with(
        {"platform": "proxmox", "api_host": ["127.0.0.1:1"], "api_password": "secret"}, tmp_path, name="gone"
    )
    wrong = Session("wrong", None, error="balance_goall is not a variable of the role balance.")
    app = ConsoleApp([gone, wrong, good])

    async def body(pilot: Pilot[None]) -> None:
        await until_read(pilot, good)
        await until(pilot, lambda: bool(gone.status.error))
        await until(pilot, lambda: "Next try in" in screen_text(app))
        assert "127.0.0.1:1: no answer" in screen_text(app)
        await pilot.press("down")
        await until(pilot, lambda: "Correct the inventory" in screen_text(app))
        assert "balance_goall" in screen_text(app)
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        assert "no answer" in screen_text(app)
        for tab in "2345":
            await pilot.press(tab)
            await until(pilot, lambda: "127.0.0.1:1: no answer" in screen_text(app))
        await pilot.press("p", "escape")
        await until(pilot, lambda: not isinstance(app.screen, ClusterScreen))

    drive(app, body)


def test_a_platform_that_does_not_answer_blocks_nothing(tmp_path: Path, cluster: Snapshot) -> None:
    good, slow = session(tmp_path, cluster), _Slow(tmp_path)
    app = ConsoleApp([slow, good])

    async def body(pilot: Pilot[None]) -> None:
        await until_read(pilot, good)
        await until(pilot, slow.asked.is_set)
        assert "reading" in screen_text(app)
        await pilot.press("down")
        await open_tab(pilot, good, "2")
        await pilot.press("q")

    drive(app, body)
    assert slow.status.reading
    slow.answer.set()


class _Slow(Session):
    """Its platform answers when it is told to."""

    def __init__(self, folder: Path) -> None:
        other = session_with({"platform": "rehearsal", "rehearsal_path": "/nowhere"}, folder)
        super().__init__("slow", other.settings)
        self.asked = threading.Event()
        self.answer = threading.Event()

    def _snapshot(self) -> Any:
        self.asked.set()
        self.answer.wait()
        return super()._snapshot()


def test_read_only_offers_nothing_that_changes_a_cluster(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)

    def offered(read_only: bool) -> set[str]:
        app = ConsoleApp([one], read_only=read_only)
        found: set[str] = set()

        async def body(pilot: Pilot[None]) -> None:
            screen = await open_tab(pilot, one, "1")
            screen.query_one("#hosts-table", Table).focus()
            await pilot.pause()
            found.update(entry.binding.action for entry in screen.active_bindings.values() if entry.enabled)
            if read_only:
                assert "read-only" in screen_text(app)
                await pilot.press("p", "e", "m")
                assert app.screen is screen

        drive(app, body)
        return found

    assert offered(False) - offered(True) == {"plan", "evacuate"}


@pytest.mark.parametrize("size", SIZES)
def test_help_explains_the_screen_and_its_keys(
    tmp_path: Path, cluster: Snapshot, size: tuple[int, int]
) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "1")
        await pilot.press("question_mark")
        await until(pilot, lambda: "ends of the band" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)

    drive(app, body, size)


def test_a_new_reading_keeps_the_place_of_the_reader(tmp_path: Path, cluster: Snapshot) -> None:
    one = session(tmp_path, cluster)
    app = ConsoleApp([one])
    names = sorted(guest.name.lower() for guest in cluster.guests)

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "2")
        table = screen.query_one("#guests-table", Table)
        await pilot.press("down", "down", "down")
        at = table.cursor_key()
        gone = next(guest for guest in cluster.guests if guest.name.lower() == names[0])
        kept(tmp_path, replace(
            cluster,
            guests=tuple(guest for guest in cluster.guests if guest is not gone),
            rules=tuple(rule for rule in cluster.rules if gone.id not in rule.guests),
        ))  # fmt: skip
        await pilot.press("r")
        await until(pilot, lambda: table.row_count == GUESTS - 1)
        assert table.cursor_key() == at

    drive(app, body)


@pytest.fixture(scope="module")
def large() -> Snapshot:
    return generate(Shape(hosts=24, guests=3000, seed=5))


def test_three_thousand_guests_are_filtered_and_sorted(tmp_path: Path, large: Snapshot) -> None:
    one = session(tmp_path, large)
    app = ConsoleApp([one])

    async def body(pilot: Pilot[None]) -> None:
        screen = await open_tab(pilot, one, "2")
        table = screen.query_one("#guests-table", Table)
        await until(pilot, lambda: table.row_count == 3000)
        await pilot.press("slash", *"web")
        wanted = [guest for guest in large.guests if "web" in f"{guest.name} {' '.join(guest.tags)}"]
        await until(pilot, lambda: table.row_count == len(wanted))
        await pilot.press("escape", "o", "ctrl+end")
        await until(pilot, lambda: table.row_count == 3000 and table.cursor_row == 2999)

    drive(app, body)
