# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that systemd's own programs have checked, below a root of their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.texts import (
    environment_file,
)
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze (systemd)"
)
SECRETS = ["plain", """fr"ä$ul `ein`\\ 'x'""", "two\nlines", "", "%h $HOME #"]
ENTRY: dict[str, Any] = {
    "name": "night",
    "inventory": ["/etc/evenkeel/clusters.yml", "localhost,"],
    "limit": ["prod", "!test"],
    "tags": ["plan"],
    "variables": {"balance_goal": "relieve", "balance_plan_path": "/srv/it's 50%/plan.json"},
    "variables_files": ["/etc/evenkeel/more.yml"],
    "arguments": ["--forks", "20"],
    "directory": "/srv/it's 50%",
    "calendar": ["Mon,Wed 02:00", "*-*-01 03:30 Europe/Berlin"],
    "randomized_delay": "10m",
    "timeout": "4h",
    "environment": {"LANG": "C.UTF-8", "A_TEXT": 'say "50%" \\ $HOME'},
    "secrets": {"PROXMOX_TOKEN_SECRET": "Zw31felhaft"},
    "credentials": {"key": "Zw31felhaft"},
    "vault_password": "Zw31felhaft",
    "writable": ["/srv/my metrics"],
    "output": "/var/log/evenkeel night.log",
}


def options(root: Path, *entries: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"root": str(root), "kind": "systemd", "entries": list(entries), **others}


def test_systemd_takes_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [ENTRY, {"name": "relieve", "interval": "10m"}, {"name": "rules", "calendar": "hourly"}]
    installed = result("schedule", options(tmp_path, *entries), monkeypatch, check_mode=False)
    assert [bool(one["next"]) for one in installed["schedules"]] == [True, False, True]
    units = tmp_path / "etc/systemd/system"
    assert (units / "timers.target.wants/evenkeel-night.timer").resolve() == units / "evenkeel-night.timer"
    assert "Zw31felhaft" not in "".join(path.read_text() for path in units.glob("*.*") if path.is_file())
    assert "Zw31felhaft" not in str(installed)
    for unit in sorted(units.glob("evenkeel-*")):
        ended = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
        )
        assert [line for line in ended.stderr.splitlines() if "evenkeel-" in line] == []
    assert not result("schedule", options(tmp_path, *entries), monkeypatch, check_mode=False)["changed"]
    moved = {"name": "rules", "interval": "1h"}
    by_cron = {"root": str(tmp_path), "kind": "cron", "entries": [moved]}
    result("schedule", by_cron, monkeypatch, check_mode=False)
    assert not (units / "evenkeel-rules.timer").exists()
    assert (tmp_path / "etc/cron.d/evenkeel-rules").exists()


def test_units_of_a_user_are_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {**ENTRY, "vault_password": None}
    result("schedule", options(tmp_path, entry, scope="user"), monkeypatch, check_mode=False)
    [unit] = tmp_path.rglob("evenkeel-night.service")
    assert unit.parent.match("*/.config/systemd/user")
    result(
        "schedule", {"root": str(tmp_path), "state": "absent", "scope": "user"}, monkeypatch, check_mode=False
    )
    assert list(tmp_path.rglob("*evenkeel*")) == []


def test_a_calendar_that_systemd_refuses_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"name": "wrong", "calendar": "every night"}
    said = failure("schedule", options(tmp_path, ENTRY, wrong), monkeypatch, {})
    assert said.startswith(
        "entries[1].calendar: 'every night' is not a calendar of systemd. systemd-analyze says:"
    )
    past = {"name": "past", "calendar": "2001-01-01 00:00"}
    said = failure("schedule", options(tmp_path, ENTRY, past), monkeypatch, {})
    assert said == "entries[1].calendar: '2001-01-01 00:00' is not a calendar that has a next time"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("secret", SECRETS)
def test_sh_reads_the_secrets_as_they_are(secret: str, tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_text(environment_file({"SECRET": secret}))
    said = subprocess.run(["sh", "-c", f'. {file}; printf %s "$SECRET"'], capture_output=True, check=True)
    assert said.stdout.decode() == secret


def test_sh_takes_a_program_with_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**options(tmp_path, {**ENTRY, "calendar": "Mon..Fri 02:00"}), "kind": "cron"}
    result("schedule", given, monkeypatch, check_mode=False)
    subprocess.run(["sh", "-n", tmp_path / "etc/evenkeel/schedule/night/run"], check=True)
