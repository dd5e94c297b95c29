# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short run of the benchmark, and that its auditor notices what it is there to notice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.lease_audit import Verdict, audit
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import describe, get, give_back, pool

BENCHMARK = "ansible_collections.evenkeel.cluster.benchmarks.leases"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_crowd_in_which_some_are_killed(kind: str) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", BENCHMARK, "--processes=24", "--pools=4", "--seconds=5", "--kill-every=0.3",
            f"--database={kind}",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )  # fmt: skip
    # How long somebody waited is for the benchmark to judge, on a machine of its own.
    assert done.stderr == ""
    runs = re.findall(r"(\d+) leases .* (\d+) killed, (\d+) violations", done.stdout)
    assert len(runs) == 2, done.stdout
    for leases, _killed, violations in runs:
        assert int(leases) > 0
        assert int(violations) == 0, done.stdout


class World:
    """Two processes that had one lease each, one after the other, of a pool that has room for one."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/state.db"
        self.folder = folder / "diaries"
        self.folder.mkdir()
        self.diaries: dict[int, list[dict[str, Any]]] = {}
        self.killed: list[dict[str, Any]] = []
        with open_database(self.url) as database:
            describe(database, pool("p", {"networks": {"n": {}}}), pool("q"))
            for pid in (1, 2):
                lease = get(database, f"{pid}-0", vcpus=6, networks=1)
                give_back(database, f"{pid}-0")
                self.diaries[pid] = self._diary(lease, at=pid)

    @staticmethod
    def _diary(lease: Lease, at: float) -> list[dict[str, Any]]:
        pools = [
            {"name": one.name, "networks": [[one.place, network.port] for network in one.networks]}
            for one in lease.pools
        ]
        sizes = {"vcpus": lease.request.vcpus, "memory": 0, "storage": 0}
        return [
            {"name": lease.name, "what": "asks", "at": at},
            {"name": lease.name, "what": "has", "at": at + 0.2, "id": lease.id, "pools": pools, **sizes},
            {"name": lease.name, "what": "gives", "at": at + 0.8},
            {"name": lease.name, "what": "gave", "at": at + 0.9},
        ]

    def sql(self, statement: str) -> None:
        with open_database(self.url) as database:
            database.transaction(lambda connection: connection.execute(sqlalchemy.text(statement)))

    def violations(self) -> list[str]:
        return self.verdict().violations

    def verdict(self) -> Verdict:
        for pid, entries in self.diaries.items():
            lines = "".join(json.dumps(entry) + "\n" for entry in entries)
            # Half a line at the end is nothing.
            (self.folder / f"{pid}.jsonl").write_text(lines + '{"name"')
        killed = "".join(json.dumps(entry) + "\n" for entry in self.killed)
        (self.folder / "killed.jsonl").write_text(killed)
        return audit(self.url, self.folder)


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    assert World(tmp_path).violations() == []


def test_whoever_was_killed_had_it_until_then(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.diaries[1] = world.diaries[1][:2]
    world.killed = [{"pid": 1, "at": 2.1}]
    assert world.violations() == []
    world.killed = [{"pid": 1, "at": 2.3}]
    assert any("by the diaries: ('p', 'vcpus') 12 of 10" in found for found in world.violations())


def test_the_wait_of_whoever_was_killed_waiting_counts(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.diaries[3] = [{"name": "3-0", "what": "asks", "at": 3.0}]
    world.killed = [{"pid": 3, "at": 12.0}]
    verdict = world.verdict()
    assert verdict.violations == []
    assert (verdict.longest, verdict.median) == (9.0, pytest.approx(0.2))


def both_at_once(world: World) -> None:
    for entry in world.diaries[2]:
        entry["at"] -= 0.7


def numbers_cross(world: World) -> None:
    world.sql("UPDATE capacity_lease SET ended_number = 100 WHERE name = '1-0'")


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (both_at_once, "by the diaries: ('p', 'vcpus') 12 of 10"),
        (both_at_once, "network n') 2 of 1"),
        (numbers_cross, "by the history: ('p', 'vcpus') 12 of 10"),
        (lambda world: world.sql("DELETE FROM capacity_lease WHERE name = '1-0'"), "lease 1-0 is lost"),
        (
            lambda world: world.sql("UPDATE capacity_lease SET granted_number = NULL WHERE name = '1-0'"),
            "lease 1-0 is lost",
        ),
        (lambda world: world.diaries[2].clear(), "lease 2-0 was granted to nobody"),
        (
            lambda world: world.sql(
                "UPDATE capacity_lease SET name = '1-0', ended_number = ended_number + 9"
            ),
            "lease 1-0 was had twice at once",
        ),
        (
            lambda world: world.sql("UPDATE capacity_lease SET granted_number = 3"),
            "number 3 was given",
        ),
        (
            lambda world: world.sql("UPDATE capacity_lease SET ended_at = NULL WHERE name = '1-0'"),
            "lease 1-0 has not ended",
        ),
        (
            lambda world: world.sql("INSERT INTO capacity_grant VALUES ('x', 'p', 1, 1, 1)"),
            "1 rows are left in capacity_grant",
        ),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, spoil: Callable[[World], None], found: str) -> None:
    world = World(tmp_path)
    spoil(world)
    violations = world.violations()
    assert any(found in violation for violation in violations), violations


def test_other_pools_than_were_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.diaries[1][1]["pools"] = [{"name": "q", "networks": []}]
    assert world.violations() == ["lease 1-0 has other pools in the database"]
