# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out from diaries and from the database's history whether anything was leased that was not there.

It shares no code with what it audits: the diaries tell who had what when, by one clock, and the history is
read by plain SQL.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy

RESOURCES = ("vcpus", "memory", "storage")
# An entry that counts something up or down: its order, what is counted, by how much, and who.
Step = tuple[float, int, tuple[str, str], int, str]


@dataclass
class Verdict:
    """What was found: violations, and figures. `cut_short` are the waits, in seconds as the others, of those
    who were killed while they waited: each would have been at least so long.
    """

    violations: list[str] = field(default_factory=list)
    leases: int = 0
    killed: int = 0
    waits: list[float] = field(default_factory=list)
    cut_short: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.waits)

    @property
    def longest(self) -> float:
        return max(self.waits + self.cut_short)


def audit(url: str, folder: Path) -> Verdict:
    """Compare what the processes of a crowd wrote down with what the database remembers."""
    verdict = Verdict()
    diaries, killed = _diaries(folder)
    verdict.killed = len(killed)
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        pools = _capacities(connection)
        found = connection.execute(sqlalchemy.text("SELECT * FROM capacity_lease")).mappings()
        rows: list[dict[str, Any]] = [dict(row) for row in found]
        verdict.violations += _left_behind(connection)
    engine.dispose()
    had = [entry for entries in diaries.values() for entry in _had(entries)]
    verdict.leases = len(had)
    verdict.waits = [entry["waited"] for entry in had]
    verdict.cut_short = [
        killed[pid] - entries[-1]["at"]
        for pid, entries in diaries.items()
        if pid in killed and entries and entries[-1]["what"] == "asks"
    ]
    verdict.violations += _overfull("by the diaries", pools, _steps_of_diaries(had, killed))
    verdict.violations += _overfull("by the history", pools, _steps_of_history(rows))
    verdict.violations += _differences(had, rows, set(killed))
    return verdict


def _diaries(folder: Path) -> tuple[Mapping[int, list[dict[str, Any]]], Mapping[int, float]]:
    killed = {entry["pid"]: entry["at"] for entry in _lines(folder / "killed.jsonl")}
    found = {int(path.stem): _lines(path) for path in sorted(folder.glob("*.jsonl")) if path.stem != "killed"}
    return found, killed


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    # Whoever was killed may have left a line half written.
    return [json.loads(line) for line in lines[:-1]]


def _had(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a process had: each lease with the moments between which it surely had it."""
    found: dict[str, dict[str, Any]] = {}
    asked: dict[str, float] = {}
    for entry in entries:
        name = entry["name"]
        if entry["what"] == "asks":
            asked[name] = entry["at"]
        elif entry["what"] == "has":
            found[name] = {**entry, "waited": entry["at"] - asked[name], "until": None}
        elif entry["what"] == "gives":
            found[name]["until"] = entry["at"]
    return list(found.values())


def _steps_of_diaries(had: Iterable[Mapping[str, Any]], killed: Mapping[int, float]) -> list[Step]:
    steps: list[Step] = []
    for entry in had:
        until = entry["until"]
        if until is None:
            until = killed[int(entry["name"].partition("-")[0])]
        for key, amount in _takes(entry["pools"], entry):
            steps += [(entry["at"], 1, key, amount, entry["name"]), (until, 0, key, -amount, entry["name"])]
    return steps


def _takes(
    pools: Iterable[Mapping[str, Any]], sizes: Mapping[str, Any]
) -> Iterable[tuple[tuple[str, str], int]]:
    for pool in pools:
        for resource in RESOURCES:
            yield (pool["name"], resource), sizes[resource]
        for place, port in pool["networks"]:
            yield (place, f"network {port}"), 1


def _steps_of_history(rows: Iterable[Mapping[str, Any]]) -> list[Step]:
    """In the order that the database numbered what happened."""
    steps: list[Step] = []
    for row in rows:
        if row["granted_number"] is None:
            continue
        end = float("inf") if row["ended_number"] is None else row["ended_number"]
        request = json.loads(row["request"])
        pools = []
        for text in json.loads(row["result"]):
            pool = json.loads(text)
            networks = [
                [_place(pool), network["port_group"] or network["name"]] for network in pool["networks"]
            ]
            pools.append({"name": pool["name"], "networks": networks})
        for key, amount in _takes(pools, request):
            steps += [
                (row["granted_number"], 1, key, amount, row["name"]),
                (end, 0, key, -amount, row["name"]),
            ]
    return steps


def _place(pool: Mapping[str, Any]) -> str:
    return json.dumps([pool["server"], pool["datacenter"]])


def _capacities(connection: sqlalchemy.Connection) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for (body,) in connection.execute(sqlalchemy.text("SELECT body FROM capacity_pool")):
        pool = json.loads(body)
        found[pool["name"], "vcpus"] = int(pool["vcpus"] * pool["cpu_overcommit"] + 0.001)
        found[pool["name"], "memory"] = pool["memory"]
        found[pool["name"], "storage"] = pool["storage"]
    return found


def _overfull(source: str, capacities: Mapping[tuple[str, str], int], steps: list[Step]) -> list[str]:
    """Where more was taken than there is. A network is there once."""
    taken: Counter[tuple[str, str]] = Counter()
    users: dict[tuple[str, str], list[str]] = defaultdict(list)
    found = []
    # At one moment, what is given back comes first.
    for at, _order, key, amount, who in sorted(steps):
        taken[key] += amount
        if amount > 0:
            users[key].append(who)
        elif who in users[key]:
            users[key].remove(who)
        if taken[key] > capacities.get(key, 1):
            found.append(f"{source}: {key} {taken[key]} of {capacities.get(key, 1)} at {at}: {users[key]}")
    return found


def _differences(
    had: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], killed: set[int]
) -> list[str]:
    """Leases that only one side knows, or both differently; whoever was killed wrote down the less."""
    history = {row["id"]: row for row in rows}
    found = []
    found += _twice_at_once(history.values())
    numbers = Counter(
        number
        for row in history.values()
        for number in (row["number"], row["granted_number"], row["ended_number"])
        if number is not None
    )
    found += [f"number {number} was given {count} times" for number, count in numbers.items() if count > 1]
    diaries = {entry["id"]: entry for entry in had}
    for identity, entry in diaries.items():
        row = history.get(identity)
        if row is None or row["granted_number"] is None:
            found.append(f"lease {entry['name']} is lost")
        elif [json.loads(pool)["name"] for pool in json.loads(row["result"])] != [
            pool["name"] for pool in entry["pools"]
        ]:
            found.append(f"lease {entry['name']} has other pools in the database")
    for identity, row in history.items():
        silent = row["granted_number"] is not None and identity not in diaries
        if silent and int(row["name"].partition("-")[0]) not in killed:
            found.append(f"lease {row['name']} was granted to nobody")
    return found


def _twice_at_once(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names that had a lease while they had another. One after the other is what a name is for."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row["granted_number"] is not None:
            end = float("inf") if row["ended_number"] is None else row["ended_number"]
            spans[row["name"]].append((row["granted_number"], end))
    return [
        f"lease {name} was had twice at once"
        for name, found in spans.items()
        for (_start, end), (start, _end) in itertools.pairwise(sorted(found))
        if start < end
    ]


def _left_behind(connection: sqlalchemy.Connection) -> list[str]:
    """What leases still have although all have ended."""
    found = []
    for table in ("capacity_grant", "capacity_network_use", "capacity_hold"):
        count = connection.execute(sqlalchemy.text(f"SELECT count(*) FROM {table}")).scalar()
        if count:
            found.append(f"{count} rows are left in {table}")
    live = connection.execute(sqlalchemy.text("SELECT name FROM capacity_lease WHERE ended_at IS NULL"))
    return found + [f"lease {name} has not ended" for (name,) in live]
