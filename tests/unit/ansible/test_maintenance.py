# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests keep a host in service, and which are shut down, on a rehearsal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.host_maintenance import (
    MaintenanceOptions,
    run_host_maintenance,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import GuestsOnHost

from ...system.roles.test_roles_on_a_rehearsal import cluster, guest, host


def options(path: Path, **given: Any) -> dict[str, Any]:
    usual = {"platform": "rehearsal", "rehearsal_path": str(path), "host": "h1", "timeout": "10s"}
    return vars(MaintenanceOptions(**{**usual, **given}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return cluster(
        tmp_path,
        [host("h1", 30), host("h2", 10)],
        [
            guest("agent", "h1", 1, platform_managed=True),
            guest("paused", "h1", 5, run_state="paused"),
            guest("lost", "h1", 5, power="unknown"),
            guest("test1", "h1", 5),
            guest("off", "h1", 5, power="stopped"),
        ],
    )


def powers(path: Path) -> dict[str, str]:
    return {entry["name"]: entry["power"] for entry in json.loads(path.read_text())["guests"]}


def test_whoever_is_still_there_is_named_and_agents_are_not(path: Path) -> None:
    with pytest.raises(GuestsOnHost) as error:
        run_host_maintenance(options(path), True)
    assert all(name in str(error.value) for name in ("paused", "lost", "test1", "shut_down", "may_stay"))
    assert not any(name in error.value.what for name in ("agent", "off ("))


def test_check_mode_names_who_is_shut_down_and_the_run_does_it(path: Path) -> None:
    given = options(path, may_stay={"names": ["paused", "lost"]}, shut_down={"regex": "test[0-9]"})
    before = path.read_text()
    dry = run_host_maintenance(given, True)
    assert (dry["changed"], [one["name"] for one in dry["shut_down_guests"]]) == (True, ["test1"])
    assert path.read_text() == before
    done = run_host_maintenance(given, False)
    assert done["shut_down_guests"] == dry["shut_down_guests"]
    assert (powers(path)["test1"], powers(path)["paused"]) == ("stopped", "running")
    assert run_host_maintenance(given, False)["changed"] is False


def test_who_is_to_be_shut_down_is_also_where_the_mode_is_on_already(path: Path) -> None:
    run_host_maintenance(options(path, allow_running_guests=True), False)
    assert powers(path)["test1"] == "running"
    result = run_host_maintenance(options(path, shut_down={"names": ["test1"]}), False)
    assert result["changed"] is True
    assert powers(path)["test1"] == "stopped"


def test_guests_can_be_shut_down_before_somebody_else_switches_the_mode(path: Path) -> None:
    given = {"may_stay": {"names": ["paused", "lost"]}, "shut_down": {"names": ["test1"]}}
    result = run_host_maintenance(options(path, only_shut_down=True, **given), False)
    assert (result["changed"], result["maintenance"]) == (True, False)
    assert powers(path)["test1"] == "stopped"
    assert not json.loads(path.read_text())["hosts"][0]["maintenance"]
    assert run_host_maintenance(options(path, only_shut_down=True, **given), False)["changed"] is False
