# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the service, which systemd's own programs have checked, below a root of its own."""

from __future__ import annotations

import getpass
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.service_setup import _try_out
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    options_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.machine import User
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.service_setup.unit import (
    ServiceSetupOptions,
    unit_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result
from ansible_collections.evenkeel.cluster.tests.support.service import PROGRAM, TOKEN

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze (systemd)"
)
OPTIONS: dict[str, Any] = {
    "config": {"http": {"port": 8080}, "work": {"stop_within": 120}},
    "inventory": ["/etc/evenkeel/clusters.yml", "/srv/it's 50%/more.yml"],
    "environment": {"PROXMOX_HOST": "pve1", "A_TEXT": 'say "50%" \\ $HOME'},
    "secrets": {"EVENKEEL_SERVICE_TOKEN": TOKEN, "PROXMOX_PASSWORD": """fr"ä$ul `ein`\\ 'x'"""},
    "credentials": {"HOOK_CI": "Zw31felhaft"},
    "vault_password": "Zw31felhaft",
    "directory": "/srv/it's 50%",
    "writable": ["/srv/my files"],
    "program": "/opt/evenkeel-service",
}
HIDDEN = ("Zw31felhaft", TOKEN, 'fr"ä')


def test_installed_changed_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    options = {"root": str(root), **OPTIONS}
    assert result("service_setup", options, monkeypatch, check_mode=True)["changed"]
    assert not root.exists()
    installed = result("service_setup", options, monkeypatch, check_mode=False)
    assert (installed["changed"], installed["unit"], installed["user"]) == (
        True,
        "evenkeel-service.service",
        getpass.getuser(),
    )
    assert not any(secret in str(installed) for secret in HIDDEN)
    units = root / "etc/systemd/system"
    unit = units / "evenkeel-service.service"
    assert (units / "multi-user.target.wants/evenkeel-service.service").resolve() == unit
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert [line for line in ended.stderr.splitlines() if "evenkeel-service.service:" in line] == []
    text = unit.read_text()
    assert not any(secret in text for secret in HIDDEN)
    lines = text.splitlines()
    for line in (
        "Type=notify",
        "Restart=always",
        "KillMode=mixed",
        "TimeoutStopSec=150",
        "ProtectSystem=strict",
        "LoadCredential=HOOK_CI:/etc/evenkeel/service/credentials/HOOK_CI",
        "EnvironmentFile=/etc/evenkeel/service/environment",
        f"ExecStart={sys.executable} /opt/evenkeel-service --config /etc/evenkeel/service/service.json"
        ' --inventory /etc/evenkeel/clusters.yml --inventory "/srv/it\'s 50%%/more.yml"',
        "WantedBy=multi-user.target",
    ):
        assert line in lines
    folder = root / "etc/evenkeel/service"
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {
        "credentials": 0o700,
        "credentials/HOOK_CI": 0o600,
        "credentials/vault_password": 0o600,
        "environment": 0o600,
        "service.json": 0o644,
    }
    assert not result("service_setup", options, monkeypatch, check_mode=False)["changed"]
    # What is not wanted any more goes.
    less = {**options, "credentials": None, "vault_password": None, "config": {"http": {"port": 8081}}}
    changed = result("service_setup", less, monkeypatch, check_mode=False)
    assert {one["after_header"] for one in changed["diff"]} == {
        str(path) for path in (folder / "service.json", unit, folder / "credentials",
                               folder / "credentials/HOOK_CI", folder / "credentials/vault_password")
    }  # fmt: skip
    gone = {"root": str(root), "state": "absent"}
    removed = result("service_setup", gone, monkeypatch, check_mode=True)
    assert any(one["before_header"].endswith("service/environment") for one in removed["diff"])
    assert not any(secret in str(removed) for secret in HIDDEN)
    assert unit.exists()
    assert result("service_setup", gone, monkeypatch, check_mode=False)["changed"]
    assert not result("service_setup", gone, monkeypatch, check_mode=False)["changed"]
    assert [path for path in root.rglob("*") if not path.is_dir() or "evenkeel" in path.name] == []


def test_a_unit_of_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = tmp_path / "etc/systemd/system/evenkeel-service.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    for options in ({**OPTIONS, "root": str(tmp_path)}, {"root": str(tmp_path), "state": "absent"}):
        said = failure("service_setup", options, monkeypatch, {})
        assert said == (
            "/etc/systemd/system/evenkeel-service.service exists and was not written by this module. "
            "Remove or rename it"
        )
    assert unit.read_text() == "[Service]\n"


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no configuration": ({"config": None}, "config is required when state is present. An example is"),
    "no inventory": ({"inventory": None}, "inventory is required when state is present"),
    "a port": ({"config": {"http": {"port": "x"}}}, "config.http.port: 'x' is not a whole number"),
    "a field": ({"config": {"htp": {}}}, "config.htp: 'htp' is not a known field"),
    "a path": ({"program": "evenkeel\nservice"}, "program: 'evenkeel\\nservice' is not a text of one line"),
    "two places": (
        {"environment": {"A": "1"}, "secrets": {"A": "2"}},
        "environment.A and secrets.A are mutually exclusive",
    ),
    "a name": ({"secrets": {"A B": "1"}}, "secrets.A B is not a possible name"),
    "a user": ({"user": "nobody-here"}, "user: 'nobody-here' is not a user of this machine"),
    "the program of this machine": (
        {"root": "/", "program": "/nowhere"},
        "program: '/nowhere' is not a file on this machine",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_install_nothing(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, expected = MISTAKES[what]
    said = failure("service_setup", {"root": str(tmp_path), **OPTIONS, **given}, monkeypatch, {})
    assert said.startswith(expected)
    assert [*tmp_path.iterdir()] == []


def test_the_service_itself_is_asked_before_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "clusters.yml").write_text("{}")
    me = pwd.getpwnam(getpass.getuser())
    user = User(me.pw_name, me.pw_uid, me.pw_gid, str(tmp_path))
    receiver = {"name": "ci", "url": "https://ci.example.com", "secret_env": "HOOK"}
    options = {
        "state": "present",
        "config": {"http": {}, "receivers": [receiver]},
        "inventory": [str(tmp_path / "clusters.yml")],
        "secrets": {"EVENKEEL_SERVICE_TOKEN": TOKEN},
        "credentials": {"HOOK": "whsec_" + "QXVk" * 10},
        "root": "/",
    }
    keys = ("user", "environment", "vault_password", "directory", "writable", "program", "python")
    params = {**dict.fromkeys(keys), **options}
    _try_out(unit_of(options_of(ServiceSetupOptions, params), user, str(PROGRAM), sys.executable))
    params["credentials"] = None
    with pytest.raises(InputError) as refusal:
        _try_out(unit_of(options_of(ServiceSetupOptions, params), user, str(PROGRAM), sys.executable))
    said = str(refusal.value)
    assert said.startswith(f"config is refused by the service as user {me.pw_name}. It says: ")
    assert said.endswith("receivers[0]: the environment variable HOOK is empty or not there")
