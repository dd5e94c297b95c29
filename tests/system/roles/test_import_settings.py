# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook import_settings: files of other balancers become an inventory with which a dry run works."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform, start
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

PASSWORD = "pa ss #{{ no_variable }}"
VAULT = "group_vars/clusters/vault.yml"


def run(folder: Path, *words: str) -> tuple[int, str]:
    """The exit code and the words of ansible-playbook in the folder."""
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "PWD": str(folder),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    return done.returncode, done.stdout + done.stderr


def take_over(folder: Path, name: str, *words: str) -> tuple[int, str]:
    return run(
        folder, "evenkeel.cluster.import_settings", "-e", f"import_from={name}", "-vv", "--diff", *words
    )


FILES = {
    "vm-balancer.env": (
        "vmmanager",
        "VMMANAGER_HOST=https://{host}:{port}\nVMMANAGER_USERNAME={user}\nVMMANAGER_PASSWORD='{password}'\n"
        "VERIFY_SSL=false\nMAX_MIGRATIONS_PER_CYCLE=3\nLOG_LEVEL=INFO\n",
        "LOG_LEVEL",
    ),
    "prs.conf": (
        "proxmox",
        "[proxmox]\napi_host: {host}:{port}\napi_user: {user}\napi_pass: {password}\nverify_ssl: 0\n"
        "[balancing]\nmethod: memory\n[service]\ndaemon: 1\n",
        "service.daemon",
    ),
    "proxlb.yaml": (
        "proxmox",
        "proxmox_api:\n  hosts: ['{host}:{port}']\n  user: {user}\n  pass: '{password}'\n"
        "  ssl_verification: false\n  retries: 2\nbalancing: {{method: memory, mode: used}}\n",
        "proxmox_api.retries",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_dry_run_works_with_the_inventory_that_was_imported(tmp_path: Path, name: str) -> None:
    platform, text, left = FILES[name]
    password = PASSWORD.replace(" #", "") if name == "prs.conf" else PASSWORD
    (tmp_path / "cluster.json").write_text(json.dumps(generate(Shape(hosts=3, guests=12, seed=5)).to_json()))
    known: Platform = "vmmanager" if platform == "vmmanager" else "proxmox"
    with start(known, [tmp_path / "cluster.json"], tmp_path / "simulator", password=password) as served:
        access = {"host": served.host, "port": served.port, "user": served.user, "password": password}
        (tmp_path / name).write_text(text.format(**access))
        code, words = take_over(tmp_path, name)
        assert code == 0, words
        assert f"not carried over: {left}: " in words
        assert "no_variable" not in words
        assert "no_variable" not in (tmp_path / "clusters.yml").read_text()
        assert stat.S_IMODE((tmp_path / VAULT).stat().st_mode) == 0o600
        code, words = run(tmp_path, "evenkeel.cluster.balance", "-i", "clusters.yml", "--check", "--diff")
        assert code == 0, words
        assert "no_variable" not in words


def test_paths_are_relative_to_where_the_user_started_and_check_mode_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.env").write_text("VMMANAGER_HOST=vm\nVMMANAGER_PASSWORD=hunter2\n")
    more = ("-e", "import_inventory=new/prod.yml", "-e", "import_name=dc1")
    code, words = take_over(tmp_path, "old.env", *more, "--check")
    assert code == 0, words
    assert not (tmp_path / "new").exists()
    code, words = take_over(tmp_path, "old.env", *more)
    assert code == 0, words
    assert "hunter2" not in words
    assert list(yaml.safe_load((tmp_path / "new/prod.yml").read_text())["clusters"]["hosts"]) == ["dc1"]
    assert "hunter2" in (tmp_path / "new" / VAULT).read_text()


def test_what_exists_is_kept_unless_it_is_to_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "old.env").write_text("VMMANAGER_HOST=vm\nVMMANAGER_PASSWORD=hunter2\n")
    (tmp_path / "clusters.yml").write_text("mine: {}\n")
    code, words = take_over(tmp_path, "old.env")
    assert code != 0
    assert f"{tmp_path}/clusters.yml exists already. Set another import_inventory" in words
    assert (tmp_path / "clusters.yml").read_text() == "mine: {}\n"
    assert not (tmp_path / VAULT).exists()
    code, words = take_over(tmp_path, "old.env", "-e", "import_overwrite=true")
    assert code == 0, words
    assert "clusters" in yaml.safe_load((tmp_path / "clusters.yml").read_text())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (),
            "import_from is required: the path of vm-balancer's .env, PRS' prs.conf or ProxLB's proxlb.yaml.",
        ),
        (("-e", "import_from=none.yml"), "none.yml is not a file that this user can read."),
        (("-e", "import_from=."), "is not a file that this user can read."),
        (("-e", "import_from=other.txt"), "other.txt: The file is not from a balancer that is supported"),
    ],
)
def test_a_file_that_is_of_no_use_is_named(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "other.txt").write_text("hello\n")
    code, words = run(tmp_path, "evenkeel.cluster.import_settings", *arguments)
    assert code != 0
    assert sentence in words
    assert not (tmp_path / "clusters.yml").exists()
