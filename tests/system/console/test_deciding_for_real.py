# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding in a real terminal on the simulator of Proxmox VE, and in Chromium on that of vCenter."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.browser import chromium, keep_screenshot
from ansible_collections.evenkeel.cluster.tests.support.console import (
    VAULT_PASSWORD,
    Watcher,
    in_vault,
    inventory_file,
    served,
    terminal,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants

CLUSTER = generate(Shape(hosts=4, guests=16, seed=2, skew=6))
BALANCE = {"balance_max_spread": 6, "balance_effort": 2, "balance_max_parallel": 1}
SLOW, QUICK = 3.0, 0.2


@pytest.fixture
def simulator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[launch.Simulator]:
    snapshot = tmp_path / "cluster.json"
    snapshot.write_text(json.dumps(CLUSTER.to_json()))
    with launch.start(
        request.param, [snapshot], tmp_path / "simulator", switches={"migration_seconds": SLOW}
    ) as found:
        yield found


def variables(simulator: launch.Simulator) -> dict[str, object]:
    found = {f"balance_{name}": value for name, value in connection_options(simulator.connection).items()}
    return {**found, **BALANCE}


def homes(simulator: launch.Simulator) -> Mapping[str, str]:
    return {guest: found["host"] for guest, found in simulator.state()["guests"].items()}


def moved(text: str) -> int:
    """How many lines of the table say that a migration has ended well."""
    return len(re.findall(r"migrated in \d", text))


@pytest.mark.parametrize("simulator", ["proxmox"], indirect=True)
def test_a_run_in_a_terminal_is_paused_stopped_rolled_back_and_finished_after_a_kill(
    tmp_path: Path, simulator: launch.Simulator
) -> None:
    inventory = inventory_file(tmp_path, {"prod": variables(simulator)})
    before = homes(simulator)
    with terminal(tmp_path, "-i", str(inventory)) as console:
        console.until("out of band")
        console.press("Enter")
        console.until("1 Hosts")
        console.press("p")
        console.until("balanced by")
        console.press("Space")
        console.until(lambda text: "1 left out" in text and "planning" not in text)
        console.press("a")
        console.until("Apply the plan to prod?")
        console.press("Left", "Enter")
        console.until("under way for")
        console.press("Space")
        console.until("paused")
        console.until(lambda text: "0 under way" in text and moved(text))
        console.press("Space")
        console.until("under way for")
        console.press("s")
        console.until(lambda text: "stopped in" in text and "skipped" in text)
        assert homes(simulator) != before
        console.press("b")
        console.until("returns to the host")
        simulator.switches(migration_seconds=QUICK)
        console.press("a")
        console.until("Apply the plan to prod?")
        console.press("Left", "Enter")
        console.until(lambda text: "done in" in text)
        assert homes(simulator) == before

        # Again, and the console is killed in the middle.
        simulator.switches(migration_seconds=SLOW)
        console.press("p")
        console.until("balanced by")
        console.press("a")
        console.until("Apply the plan to prod?")
        console.press("Left", "Enter")
        console.until(lambda text: moved(text) and "under way for" in text)
        os.kill(console.pid(), signal.SIGKILL)
        console.until("The console has ended with 137.")

    simulator.switches(migration_seconds=QUICK)
    (tmp_path / "tmux").unlink(missing_ok=True)
    with terminal(tmp_path, "-i", str(inventory)) as console:
        console.until("was interrupted")
        console.press("Enter")
        console.until("1 Hosts")
        console.press("p")
        # Not the notification, which says nearly the same as the question.
        console.until("Plan anew: by what the cluster is like now.")
        console.press("Left", "Enter")
        shown = console.until(lambda text: "done in" in text)
        assert moved(shown)
        console.press("Escape", "5")
        shown = console.until(lambda text: "interrupted" in text and "done" in text)
        console.press("q")
        console.until("The console has ended with 0.")
    started = [entry["guest"] for entry in simulator.state()["migrations"]]
    assert started


@pytest.mark.parametrize("simulator", ["vcenter"], indirect=True)
def test_a_run_in_a_browser_is_planned_toggled_applied_watched_and_stopped(
    tmp_path: Path, simulator: launch.Simulator
) -> None:
    inventory = inventory_file(tmp_path, {"prod": variables(simulator)})
    before = homes(simulator)
    with served(tmp_path, "-i", str(inventory)) as console, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        shown = Watcher(page)
        page.goto(console.address)
        shown.until("out of band")
        shown.press("Enter")
        shown.until("limit 6")
        shown.press("p")
        shown.until("balanced by")
        shown.press(" ")
        shown.until("1 left out")
        keep_screenshot(page, "console-plan-browser", full=False)
        while "Apply the plan to prod?" not in shown.shown:
            # As long as it plans, there is nothing to apply.
            shown.press("a")
            page.wait_for_timeout(500)
        shown.press("ArrowLeft", "Enter")
        shown.until("under way for")
        keep_screenshot(page, "console-run-browser", full=False)
        shown.press("s")
        shown.until("stopped in")
        assert homes(simulator) != before
        shown.press("q")
        page.get_by_text("The console has ended.").wait_for()


@pytest.mark.parametrize("simulator", ["vcenter"], indirect=True)
def test_a_host_is_emptied_and_brought_back_with_the_inventory_and_the_vault_of_the_console(
    tmp_path: Path, simulator: launch.Simulator
) -> None:
    simulator.switches(migration_seconds=QUICK)
    known = {**variables(simulator), "evacuate_refill": False}
    password = in_vault(tmp_path, {"balance_password": known.pop("balance_password")})
    inventory = inventory_file(tmp_path, {"prod": known})
    (tmp_path / "tmp").mkdir()
    with terminal(
        tmp_path,
        *("-i", str(inventory), "--vault-password-file", str(password)),
        TMPDIR=str(tmp_path / "tmp"),
    ) as console:
        console.until("out of band")
        # What is needed of it is known by now, and is handed on by a pipe.
        password.unlink()
        console.press("Enter")
        console.until("1 Hosts")
        console.press("e")
        console.until("Checking: nothing is changed.")
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(console.pid())]
        assert any(b"playbook" in command for command in commands)
        assert not any(VAULT_PASSWORD.encode() in command for command in commands)
        console.until("The check has found no obstacle.")
        host = CLUSTER.hosts[0].id
        assert host in homes(simulator).values()
        console.press("a")
        console.until("Empty")
        console.press("Left", "Enter")
        console.until("Done.")
        assert host not in homes(simulator).values()
        console.press("Escape")
        console.until(lambda text: "1 Hosts" in text and "maintenance" in text)
        console.press("e")
        console.until("bring back")
        console.until("The check has found no obstacle.")
        console.press("a")
        console.until("Bring back")
        console.press("Left", "Enter")
        console.until("Done.")
        console.press("Escape")
        console.until(lambda text: "1 Hosts" in text and "maintenance" not in text)
        console.press("q")
        console.until("The console has ended with 0.")
    assert not list((tmp_path / "tmp").iterdir())
