# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages for those who come from other systems: each begins with their commands, and ours run as written.

The clusters of `clusters.yml` are rehearsals of the example cluster, with hosts named as on the page.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.service import TOKEN, Service

ROOT: Final = Path(__file__).resolve().parents[3]
PAGES: Final = sorted(page for page in (ROOT / "docs" / "coming-from").glob("*.md") if page.stem != "index")
IMPORTED: Final = ROOT / "tests" / "unit" / "ansible" / "imported"
PROGRAMS: Final = ("ansible ", "ansible-doc ", "ansible-galaxy ", "ansible-playbook ", "curl ")
MAX_ROWS: Final = 10
# The preset of a page, and what its hosts are called.
PRESETS: Final = {
    "fdrs": ("fdrs", "esx0{}"),
    "drs": ("drs", "esx0{}"),
    "storage-drs": ("sdrs", "esx0{}"),
    "vmmanager-balancer": ("vmmanager", "node-{}"),
    "proxmox-rebalancing": ("proxmox_rebalancing", "pve{}"),
    "proxlb": ("proxlb", "virt0{}"),
    "virtflow-scheduler": (None, "bm-{}"),
    "vsphere-capacity-manager": (None, "esx0{}"),
}
POOL: Final = {
    "name": "dal10",
    "platform": "vsphere",
    "server": "vcenter.example.com",
    "vcpus": 240,
    "memory": 2684 * 1024**3,
    "storage": 50 * 1024**4,
    "networks": [{"name": "ci-vlan-1296", "vlan": 1296}],
}


@dataclass(frozen=True)
class Row:
    """A row of the table that a page begins with: their command, and ours."""

    page: str
    theirs: str
    ours: str

    @property
    def commands(self) -> list[str]:
        """The commands of ours that are written in full."""
        return [span for span in re.findall(r"`([^`]+)`", self.ours) if span.startswith(PROGRAMS)]


def rows(page: Path) -> list[Row]:
    title, _empty, intro, _none, head, rule, *lines = page.read_text().splitlines()
    assert title.startswith("# Coming from "), page.name
    assert intro.endswith(" here:"), page.name
    assert (head, rule) == ("| your command | here |", "|---|---|"), page.name
    table = lines[: lines.index("")]
    return [Row(page.stem, *line.strip("| ").split(" | ")) for line in table]


ROWS: Final = [row for page in PAGES for row in rows(page)]
# What pages call their hosts and guests, and how one of them names its own folder.
NAMES: Final = re.compile(r"\b(?:esx0|pve|virt0)(?=\d\b)|\b(?:new-vm|ci-3)\b|\$PWD/")


def to_run() -> Iterator[Row]:
    """What several pages say, but for names of hosts and guests, runs for the first of them."""
    known: set[str] = set()
    # Rows of several commands come first: those that are one of these have run then.
    for row in sorted(ROWS, key=lambda row: -len(row.commands)):
        commands = {NAMES.sub("", command) for command in row.commands}
        if "curl " not in row.ours and not commands <= known:
            known |= commands
            yield row


RUN: Final = tuple(to_run())


def cluster(folder: Path, name: str, hosts: str, example: str = "cluster") -> Path:
    """The example cluster, with other names of hosts."""
    snapshot = json.loads((ROOT / f"playbooks/files/example-{example}.json").read_text())
    snapshot["cluster"] = {"id": name, "name": name}
    for number, host in enumerate(snapshot["hosts"], 1):
        host["name"] = hosts.format(number)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(snapshot))
    return path


def site(folder: Path, page: str, *, clusters: Sequence[str] = ("production",)) -> None:
    """The files that the page speaks of."""
    preset, names = PRESETS[page]
    example = "datastores" if page == "storage-drs" else "cluster"
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "balance_platform": "rehearsal",
            "balance_rehearsal_path": str(cluster(folder, name, names, example)),
            **({"balance_preset": preset} if preset else {}),
        }
        for name in clusters
    }
    (folder / "clusters.yml").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    shutil.copy(IMPORTED / "vm-balancer.env", folder / ".env")
    for name in ("prs.conf", "proxlb.yaml"):
        shutil.copy(IMPORTED / name, folder)


def shell(folder: Path, command: str) -> tuple[int, str]:
    """The exit code and the words of a command that a user types in the folder."""
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PWD": str(folder),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "EVENKEEL_SERVICE_TOKEN": TOKEN,
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    return done.returncode, done.stdout + done.stderr


def test_each_page_has_a_table_and_a_preset_here() -> None:
    assert {page.stem for page in PAGES} == set(PRESETS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_at_most_ten_commands_and_names_what_has_no_equal(page: Path) -> None:
    table = rows(page)
    assert len(table) <= MAX_ROWS
    assert any("none" in f"{row.theirs} {row.ours}" for row in table)
    for row in table:
        known = row.commands or row.ours.startswith(
            (
                "none",
                "the first command",
                "`extensions/service/evenkeel-service ",
                "`http://127.0.0.1:8080/docs`",
            )
        )
        assert known, row


def _remember_the_pool(folder: Path) -> None:
    """In the state database where a user has it who says nothing else."""
    folder.mkdir(parents=True)
    with open_database(f"sqlite:///{folder}/state.db") as database:
        write_transaction(database, lambda books: save_pool(books, Pool.from_json(POOL), below_leased=False))


@pytest.mark.parametrize("row", RUN, ids=lambda row: f"{row.page}: {row.theirs}")
def test_a_command_runs_as_it_is_written(tmp_path: Path, row: Row) -> None:
    site(
        tmp_path,
        row.page,
        clusters=("production", "test") if "production,test" in row.ours else ("production",),
    )
    if "import_settings" in row.ours:
        (tmp_path / "clusters.yml").unlink()
    if row.page == "vsphere-capacity-manager":
        _remember_the_pool(tmp_path / "state" / "evenkeel")
    for command in row.commands:
        code, words = shell(tmp_path, command)
        assert code == 0, f"{command}\n{words}"
        if " -i clusters.yml" in command:
            assert "no hosts matched" not in words, words
    if "import_settings" in row.ours:
        assert (tmp_path / "clusters.yml").exists()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    site(tmp_path, "virtflow-scheduler")
    inventory = json.loads((tmp_path / "clusters.yml").read_text())
    state = f"sqlite:///{tmp_path}/state.db"
    running = Service(tmp_path / "service", {"http": {"port": 0}, "work": {"poll": 0.5}}, state, inventory)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_the_commands_of_virtflow_are_answered_by_the_service(tmp_path: Path, service: Service) -> None:
    """At its port instead of 8080, which may be in use here."""
    commands = [command for row in ROWS if row.page == "virtflow-scheduler" for command in row.commands]
    asked = [
        command.replace("http://127.0.0.1:8080", service.url) for command in commands if "curl" in command
    ]
    answers = {}
    for command in asked:
        code, words = shell(tmp_path, command)
        assert code == 0, f"{command}\n{words}"
        answer = json.loads(words)
        answers[answer["id"]] = service.ended(answer["id"])
    assert {answers[name]["status"] for name in ("build-1", "build-2")} == {"completed"}, answers
