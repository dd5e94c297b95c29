# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: when they run, what is written, and that it is all or nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    options_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.entry import (
    Entry,
    EntryOptions,
    folders_to_write,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.files import (
    Change,
    Item,
    Transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.texts import (
    Run,
    cron_program,
    service_unit,
    timer_unit,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.timing import (
    cron_expression,
    cron_of_calendar,
    cron_of_interval,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

NIGHT = {"name": "night", "interval": "1h", "secrets": {"TOKEN": "Zw31felhaft"}, "vault_password": "Zw31fel"}


def entry(**options: object) -> Entry:
    empty = dict.fromkeys(EntryOptions.__dataclass_fields__)
    defaults = {"state": "present", "playbook": "a.b.c", "check": False, "randomized_delay": "0"}
    return Entry(options_of(EntryOptions, {**empty, **defaults, "name": "n", **options}), "entries[0]")


def run(own: Entry, **changes: Any) -> Run:
    common: dict[str, Any] = {
        "folder": "/etc/evenkeel/schedule/n",
        "user": "keel",
        "home": "/home/keel",
        "ansible_playbook": "/opt/a b/ansible-playbook",
        "flock": "/usr/bin/flock",
        "of_system": True,
        "writable": ["/home/keel/.ansible"],
    }
    return Run(own, **{**common, **changes})


@pytest.mark.parametrize(
    ("seconds", "expression"),
    [
        (60, "* * * * *"),
        (600, "*/10 * * * *"),
        (1800, "*/30 * * * *"),
        (3600, "0 * * * *"),
        (7200, "0 */2 * * *"),
        (86_400, "0 0 * * *"),
        (604_800, "0 0 * * 0"),
    ],
)
def test_cron_has_an_interval(seconds: float, expression: str) -> None:
    assert cron_of_interval(seconds, "interval") == expression


@pytest.mark.parametrize("seconds", [90, 420, 5400, 18_000, 172_800])
def test_an_interval_that_cron_does_not_have_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match=rf"interval: '{seconds}s' is not an interval of cron"):
        cron_of_interval(seconds, "interval")


@pytest.mark.parametrize(
    ("calendar", "expression"),
    [
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("02:00", "0 2 * * *"),
        ("*-*-* 02:05:00", "5 2 * * *"),
        ("Mon..Fri 02:00", "0 2 * * 1-5"),
        ("Sat,Sunday 23:15", "15 23 * * 6,0"),
        ("Thu..Sun 01:00", "0 1 * * 4-7"),
        ("*:0/10", "*/10 * * * *"),
        ("*:30", "30 * * * *"),
    ],
)
def test_a_calendar_is_translated_for_cron(calendar: str, expression: str) -> None:
    assert cron_of_calendar(calendar, "calendar") == expression


@pytest.mark.parametrize(
    "calendar", ["*-*-1 02:00", "02:00 Europe/Berlin", "25:00", "Foo 02:00", "Fri..Mon 02:00", "02:00:30"]
)
def test_a_calendar_that_is_not_translated_is_refused(calendar: str) -> None:
    with pytest.raises(InputError, match="can be translated for cron"):
        cron_of_calendar(calendar, "calendar")


@pytest.mark.parametrize(
    "text", ["0 2 * * *", "*/10 * * * *", "0 0-6/2 1,15 jan-mar mon-fri", "5 4 * * sun", "@daily"]
)
def test_an_expression_of_cron_is_taken(text: str) -> None:
    assert len(cron_expression(text, "cron").split()) == 5


@pytest.mark.parametrize(
    "text", ["", "0 2 * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "5/2 * * * *", "*/0 * * * *", "@reboot"]
)
def test_an_expression_that_cron_refuses_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an expression of cron"):
        cron_expression(text, "cron")


def test_a_unit_quotes_what_systemd_would_read_otherwise() -> None:
    options = {"arguments": ["--user", 'a $b "c" 50%'], "inventory": "/etc/my clusters.yml"}
    text = service_unit(run(entry(interval="1h", **options)))
    assert r'--user "a $$b \"c\" 50%%"' in text
    assert '-i "/etc/my clusters.yml"' in text
    assert '"/opt/a b/ansible-playbook"' in text
    assert "ProtectSystem=strict" in text
    assert "CapabilityBoundingSet=\n" in text
    assert "User=keel" in text
    of_user = service_unit(run(entry(interval="1h"), of_system=False))
    assert "User=" not in of_user
    assert "ProtectSystem" not in of_user


def test_a_timer_makes_up_for_missed_calendars_only() -> None:
    assert "Persistent=yes" in timer_unit(run(entry(calendar="daily")))
    assert "Persistent=no" in timer_unit(run(entry(calendar=["daily"], persistent=False)))
    text = timer_unit(run(entry(interval="10m", randomized_delay="90s")))
    assert "Persistent" not in text
    assert "OnUnitActiveSec=600\n" in text
    assert "RandomizedDelaySec=90\n" in text


def test_a_program_of_cron_has_its_timeout_outside_of_the_lock() -> None:
    own = entry(cron="* * * * *", timeout="1h", randomized_delay="60", output="/var/log/it's", check=True)
    text = cron_program(run(own))
    assert "timeout --kill-after=300 3600 /usr/bin/flock" in text
    assert "% 61 ))" in text


def test_folders_that_variables_name_are_open_for_writing() -> None:
    variables = {
        "balance_plan_path": "/var/lib/plans/prod.json",
        "balance_journal_path": "{{ inventory_hostname }}.journal",
        "balance_state_url": "sqlite:////var/lib/evenkeel/state.db",
    }
    own = entry(interval="1h", variables=variables, writable=["/srv/metrics"])
    assert folders_to_write(own, "/home/keel") == [
        "/home/keel/.ansible",
        "/home/keel/.local/state/evenkeel",
        "/srv/metrics",
        "/var/lib/plans",
        "/var/lib/evenkeel",
    ]


def test_a_transaction_is_taken_back_whole(tmp_path: Path) -> None:
    kept, own = tmp_path / "kept", {"uid": os.geteuid(), "gid": os.getegid()}
    kept.write_text("old")
    (tmp_path / "file").write_text("")
    changes = [
        Change(kept, None, Item("file", "new", **own)),
        Change(tmp_path / "a/b/new", None, Item("file", "new", **own)),
        Change(tmp_path / "file/below", None, Item("file", "new", **own)),
    ]
    with pytest.raises(FileError, match=r"file.below can't be written: Not a directory; nothing was changed"):
        Transaction().apply(changes)
    assert kept.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept"]


def test_cron_and_removal_below_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    options = {"root": str(root), "kind": "cron", "entries": [NIGHT]}
    installed = result("schedule", options, monkeypatch, check_mode=False)
    assert installed["changed"]
    assert not any("Zw31" in str(installed[key]) for key in installed)
    assert not result("schedule", options, monkeypatch, check_mode=False)["changed"]
    other = {**options, "exclusive": True, "entries": [{"name": "rules", "interval": "1h"}]}
    assert result("schedule", other, monkeypatch, check_mode=False)["removed"] == ["night"]
    gone = {"root": str(root), "state": "absent"}
    assert result("schedule", gone, monkeypatch, check_mode=True)["removed"] == ["rules"]
    result("schedule", {**options, "exclusive": True}, monkeypatch, check_mode=False)
    removed = result("schedule", gone, monkeypatch, check_mode=True)
    assert any(one["before_header"].endswith("night/environment") for one in removed["diff"])
    assert "Zw31" not in str(removed)
    result("schedule", other, monkeypatch, check_mode=False)
    assert result("schedule", gone, monkeypatch, check_mode=False)["removed"] == ["rules"]
    assert not result("schedule", gone, monkeypatch, check_mode=False)["changed"]
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert not (root / "etc/evenkeel").exists()


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "etc/cron.d/evenkeel-night"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("# mine\n")
    options = {"root": str(tmp_path), "kind": "cron", "entries": [NIGHT]}
    said = failure("schedule", options, monkeypatch, {})
    assert "was not written by this module" in said
    result("schedule", {"root": str(tmp_path), "state": "absent"}, monkeypatch, check_mode=False)
    assert foreign.read_text() == "# mine\n"
