# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file in scenarios/: a story, pools, and what happens step by step. Sizes are GiB.

A step is one of: `ask` with `gets` (pools in order), `networks` (of each pool in order), or `waits` (position
in the queue), or `fails` (the error); `release`, `renew`, `later` (hours), `pool` (what changes), `remove`,
`reap`. `says` is part of the error or of the reason. Each may be followed by what must be then: `queue`,
`leased` (of each pool), `phases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.expire_and_grant import (
    end_expired,
    end_without_owner,
    grant_queue,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import (
    Requester,
    release,
    renew,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import remove_pool, save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.report import (
    pools_report,
    queue_report,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.repository import Repository
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import (
    GIB,
    describe,
    pass_time,
    pool,
    request,
)

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yml"))
KNOWN = {
    "ask", "gets", "networks", "waits", "fails", "says", "release", "renew", "later", "pool", "remove",
    "reap", "queue", "leased", "phases", "without_place",
}  # fmt: skip
A_YEAR = 366 * 86_400.0


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_scenario(file: Path, database: Database) -> None:
    scenario = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(scenario) <= {"story", "pools", "steps"}
    describe(database, *(pool(name, values) for name, values in scenario["pools"].items()))
    for number, step in enumerate(scenario["steps"], start=1):
        assert set(step) <= KNOWN, f"step {number}"
        try:
            take(database, step)
            check(database, step)
        except AssertionError as error:
            raise AssertionError(f"step {number}, {step}: {error}") from error


def take(database: Database, step: Mapping[str, Any]) -> None:
    if "later" in step:
        pass_time(database, step["later"] * 3600)
    failed, said = "", ""
    try:
        said = act(database, step)
    except EvenKeelError as error:
        failed, said = type(error).__name__, str(error)
    assert failed == step.get("fails", ""), said
    assert step.get("says", "") in said, said


def act(database: Database, step: Mapping[str, Any]) -> str:
    if "ask" in step:
        return ask(database, step)
    if "release" in step:
        _before, after = write_transaction(database, lambda books: release(books, step["release"], None))
        return "" if after is None else after.reason
    if "renew" in step:
        write_transaction(database, lambda books: renew(books, step["renew"], None, None))
    if "pool" in step:
        write_transaction(database, lambda books: change_pool(books, dict(step["pool"])))
    if "remove" in step:
        write_transaction(database, lambda books: remove_pool(books, known(books, step["remove"])))
    if "reap" in step:
        owners = step["reap"]

        def reap(books: Repository) -> None:
            end_expired(books)
            end_without_owner(books, owners.get("gone", ()), owners.get("living"), owners.get("grace", 0))
            grant_queue(books)

        write_transaction(database, reap)
    return ""


def ask(database: Database, step: Mapping[str, Any]) -> str:
    wanted = dict(step["ask"])
    name, resize = wanted.pop("name"), wanted.pop("resize", False)
    lease = wait_for_lease(
        database,
        name,
        request(**wanted),
        Requester(waiter=this_process()),
        WaitOptions(keep=0 if step.get("without_place") or "gets" in step else A_YEAR),
        resize=resize,
    ).after
    if "waits" in step:
        assert lease.phase == "Pending"
        assert f"at position {step['waits']} of the queue" in lease.reason
    if "gets" in step:
        assert [one.name for one in lease.pools] == step["gets"]
    if "networks" in step:
        assert [[network.name for network in one.networks] for one in lease.pools] == step["networks"]
    return lease.reason


def known(books: Repository, name: str) -> Pool:
    return next(one for one in books.pools() if one.name == name)


def change_pool(books: Repository, values: dict[str, Any]) -> None:
    name, allowed = values.pop("name"), values.pop("below_leased", False)
    for size in ("memory", "storage"):
        if size in values:
            values[size] *= GIB
    if "networks" in values:
        values["networks"] = [{"name": key, **(more or {})} for key, more in values["networks"].items()]
    body = {**known(books, name).to_json(), **values}
    save_pool(books, Pool.from_json(body), below_leased=allowed)


def check(database: Database, step: Mapping[str, Any]) -> None:
    if "queue" in step:
        queue = read_transaction(database, queue_report)
        assert [entry["name"] for entry in queue] == step["queue"], queue
        assert [entry["position"] for entry in queue] == list(range(1, len(queue) + 1))
    report = {entry["name"]: entry["usage"] for entry in read_transaction(database, pools_report)}
    for name, sizes in step.get("leased", {}).items():
        unit = {"memory": GIB, "storage": GIB}
        found = {key: report[name][key]["leased"] // unit.get(key, 1) for key in sizes}
        assert found == sizes, name
    for name, phase in step.get("phases", {}).items():
        lease = read_transaction(database, lambda books: books.last(name))  # noqa: B023
        assert lease is not None
        assert lease.phase == phase, lease
    never_too_full(database)


def never_too_full(database: Database) -> None:
    """Whatever happened, no more was leased than there was, and no network twice."""
    leases = [
        lease
        for lease in read_transaction(database, lambda books: books.leases())
        if lease.phase == "Fulfilled"
    ]
    report = {entry["name"]: entry["usage"] for entry in read_transaction(database, pools_report)}
    for name, usage in report.items():
        here = [lease.request for lease in leases if name in {one.name for one in lease.pools}]
        for resource in ("vcpus", "memory", "storage"):
            assert usage[resource]["leased"] == sum(getattr(one, resource) for one in here)
    users: dict[tuple[str, str], set[str]] = {}
    for lease in leases:
        for one in lease.pools:
            for network in one.networks:
                users.setdefault((one.place, network.port), set()).add(lease.request.group or lease.id)
    assert [spot for spot, who in users.items() if len(who) > 1] == []
