# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw docs/images/console-*.svg: the screens of the console on clusters that are files."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from ..extensions.console.app import ConsoleApp
from ..extensions.console.screens.plan import PlanScreen
from ..extensions.console.session import Session
from ..extensions.console.settings import RoleArguments, settings_of
from ..extensions.console.widgets.table import Table
from ..tests.support.generate_cluster import Shape, generate
from .picture import FONT_FACE
from .run import ROOT

IMAGES = ROOT / "docs" / "images"
SIZE = (124, 30)
CLUSTERS = {
    "office": Shape(hosts=4, guests=30, seed=11, skew=1.2, broken=0.0),
    "production": Shape(hosts=8, guests=60, seed=4),
    "staging": Shape(hosts=5, guests=40, seed=9),
}
# The cluster of the guide for datastores.
STORAGE, STORAGE_FILE = "archive", ROOT / "playbooks" / "files" / "example-datastores.json"
_PATIENCE = 300.0


def session_of(folder: Path, name: str, snapshot: str, plan: Mapping[str, Any]) -> Session:
    """A cluster that is a file; all that is remembered of it is in the folder."""
    cluster = folder / f"{name}.json"
    cluster.write_text(snapshot)
    options = {
        "platform": "rehearsal",
        "rehearsal_path": str(cluster),
        "state_url": f"sqlite:///{folder}/state.db",
    }
    migrate = {**options, "poll_interval": "0.05", "journal_path": f"{folder}/{name}.jsonl"}
    arguments = RoleArguments(facts=options, plan=plan, migrate=migrate, prometheus={})
    return Session(name, settings_of(arguments), refresh=3600)


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until something holds, and what came with it is drawn."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("error: the console does not show what is to be drawn")
        await pilot.pause(0.05)
    await pilot.pause(0.2)


def keep(app: ConsoleApp, name: str) -> None:
    """Write what the console shows."""
    svg = app.export_screenshot(title="evenkeel-console", simplify=True)
    path = IMAGES / f"console-{name}.svg"
    path.write_text(
        FONT_FACE.sub("", svg).replace("Fira Code", "ui-monospace, Menlo, Consolas") + "\n", "utf-8"
    )
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


async def draw(app: ConsoleApp) -> None:
    """Go through the screens as a person does."""
    production = next(session for session in app.sessions if session.name == "production")
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: all(session.status.snapshot is not None for session in app.sessions))
        await pilot.press("down")
        await until(pilot, lambda: True)
        keep(app, "clusters")
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query("#hosts-table")))
        app.screen.query_one("#hosts-table", Table).focus()
        await until(pilot, lambda: True)
        keep(app, "hosts")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen) and _planned(app))
        keep(app, "plan")
        await pilot.press("escape", "2")
        await until(pilot, lambda: app.screen.query_one("#guests-table", Table).row_count > 0)
        app.screen.query_one("#guests-filter", Input).value = "where used.memory > `6000000000`"
        await until(pilot, lambda: app.screen.query_one("#guests-table", Table).row_count < 60)
        keep(app, "guests")
        await pilot.press("5")
        await until(pilot, lambda: app.screen.query_one("#runs-table", Table).row_count > 0)
        moved = production.history()["migrations"][0]["guest"]["name"]
        app.screen.query_one("#history-filter", Input).value = moved
        await until(pilot, lambda: app.screen.query_one("#migrations-table", Table).row_count > 0)
        app.screen.query_one("#migrations-table", Table).focus()
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query("#details")))
        keep(app, "history")
        await pilot.press("escape")
        app.open(next(session for session in app.sessions if session.name == STORAGE))
        await until(pilot, lambda: bool(app.screen.query("#datastores-table")))
        await pilot.press("6")
        await until(pilot, lambda: app.screen.query_one("#datastores-table", Table).row_count > 0)
        keep(app, "datastores")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen) and _planned(app))
        keep(app, "disks")


def _planned(app: ConsoleApp) -> bool:
    return app.screen.query_one("#plan-table", Table).row_count > 0


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        sessions = [
            session_of(folder, name, json.dumps(generate(shape).to_json()), {"max_spread": 20})
            for name, shape in CLUSTERS.items()
        ]
        sessions.append(session_of(folder, STORAGE, STORAGE_FILE.read_text(), {"goal": "storage"}))
        for session in sessions:
            session.read()
        # So that there is a history, whose guest has moved for a rule or a level, and something left to do.
        for session in sessions[:2]:
            session.apply(session.plan())
        (folder / "production.json").write_text(json.dumps(generate(CLUSTERS["production"]).to_json()))
        for session in sessions:
            session.ask_again()
        asyncio.run(draw(ConsoleApp(sessions)))


if __name__ == "__main__":
    main()
