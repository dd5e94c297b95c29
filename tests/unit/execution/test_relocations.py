# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that take their disks along: looked at right before they start, and after they have arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import DryRunPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.relocations import (
    relocation_check,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import StorageRule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Prepared
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
)
from ansible_collections.evenkeel.cluster.tests.unit.execution.test_disk_moves import (
    GIB,
    SteppedClock,
    change,
    cluster_file,
    datastore,
    disk,
    guest,
)


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """Two guests on a datastore that only h1 has, and another one that only h2 has."""
    guests = [guest(name, disk("scsi0", "mine"), migratable=False, blockers=["local_disk"]) for name in "12"]
    path = cluster_file(tmp_path, guests, [])
    data = json.loads(path.read_text())
    data["datastores"] = [
        {**datastore("mine", 100, 80), "shared": False, "hosts": ["h1"]},
        {**datastore("theirs", 100, 100), "shared": False, "hosts": ["h2"]},
    ]
    for host, name in (("h1", "mine"), ("h2", "theirs")):
        entry = next(entry for entry in data["datastores"] if entry["name"] == name)
        seen = {key: entry[key] for key in ("shared", "capacity", "free")}
        next(one for one in data["hosts"] if one["id"] == host)["datastores"] = {name: seen}
    path.write_text(json.dumps(data))
    return path


def planned(path: Path, **storage: Any) -> Plan:
    wanted = {"relocate": True, "evacuate": {"names": ["mine"]}, **storage}
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": wanted})
    found = make_plan(RehearsalPlatform(str(path)).read(), policy)
    assert [step.kind for step in found.migrations] == ["storage", "storage"]
    return found


def run(
    plan: Plan,
    platform: RehearsalPlatform,
    *,
    rules: tuple[StorageRule, ...] = (),
    check_mode: bool = False,
    failure_policy: FailurePolicy = FailurePolicy(),  # noqa: B008
) -> Outcome:
    job = MigrationJob(cluster=plan.cluster, migrations=plan.migrations, rules=(), limits=Limits())
    return Executor(
        job,
        DryRunPlatform(platform, {}) if check_mode else platform,
        concurrency=ConcurrencyLimits(cluster=4, per_host=4, per_datastore=4),
        failure_policy=failure_policy,
        journal=Journal(None, "plan"),
        stop=StopSignal(),
        clock=SteppedClock(),
        observe=lambda _progress: None,
        rng=lambda: 0.5,
        disks=relocation_check(plan, platform.read(), platform, rules, check_mode=check_mode),
    ).run()


def results(outcome: Outcome) -> list[str]:
    return [one.result for one in outcome.migrations]


def places(path: Path) -> Mapping[str, tuple[str, str]]:
    found = RehearsalPlatform(str(path)).read()
    return {one.id: (one.host, one.disks[0].datastore) for one in found.guests}


def test_guests_arrive_with_their_disks_and_both_datastores_show_it(cluster: Path) -> None:
    outcome = run(planned(cluster), RehearsalPlatform(str(cluster)))
    assert (outcome.status, results(outcome)) == ("done", ["migrated", "migrated"])
    assert places(cluster) == {"1": ("h2", "theirs"), "2": ("h2", "theirs")}
    free = {place.id: place.free for place in RehearsalPlatform(str(cluster)).read().datastores}
    assert free == {"mine": 100 * GIB, "theirs": 80 * GIB}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"free": 25 * GIB}, "datastore theirs has too little free space"),
        ({"closed_because": "in maintenance mode"}, "takes no disks now: in maintenance mode"),
    ],
)
def test_a_target_that_takes_no_disk_any_more_gets_none(
    cluster: Path, values: dict[str, Any], why: str
) -> None:
    plan = planned(cluster)
    change(cluster, "theirs", **values)
    outcome = run(plan, RehearsalPlatform(str(cluster)))
    assert results(outcome) == ["skipped", "skipped"]
    assert why in outcome.migrations[0].why
    assert places(cluster)["1"] == ("h1", "mine")


def test_a_storage_policy_that_was_assigned_meanwhile_keeps_a_guest(cluster: Path) -> None:
    plan = planned(cluster)
    data = json.loads(cluster.read_text())
    data["guests"][0]["disks"][0].update(storage_policy="gold", targets=["mine"])
    cluster.write_text(json.dumps(data))
    outcome = run(plan, RehearsalPlatform(str(cluster)))
    assert results(outcome) == ["skipped", "migrated"]
    why = "datastore theirs does not comply with storage policy gold of disk scsi0"
    assert outcome.migrations[0].why == why
    assert places(cluster) == {"1": ("h1", "mine"), "2": ("h2", "theirs")}


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_has_just_come_counts_beside_what_is_to_come(cluster: Path, check_mode: bool) -> None:
    plan = planned(cluster)
    # 80 % of 100 GiB are allowed, and 65 are in use: one disk of 10 GiB more, not two.
    change(cluster, "theirs", free=35 * GIB)
    outcome = run(plan, RehearsalPlatform(str(cluster)), check_mode=check_mode)
    assert results(outcome) == ["migrated", "skipped"]
    assert places(cluster)["1"] == (("h1", "mine") if check_mode else ("h2", "theirs"))


def test_a_disk_that_is_elsewhere_by_now_keeps_its_guest(cluster: Path) -> None:
    plan = planned(cluster)
    data = json.loads(cluster.read_text())
    data["hosts"][0]["datastores"]["other"] = data["hosts"][0]["datastores"]["mine"]
    data["datastores"].append({**data["datastores"][0], "id": "other", "name": "other"})
    data["guests"][0]["disks"][0]["datastore"] = "other"
    cluster.write_text(json.dumps(data))
    outcome = run(plan, RehearsalPlatform(str(cluster)))
    assert results(outcome) == ["skipped", "migrated"]
    assert "on a datastore that it was to leave" in outcome.migrations[0].why


def test_a_rule_for_disks_holds_where_they_come_to(cluster: Path) -> None:
    rule = StorageRule(name="apart", kind="anti_affinity", guests=("1", "2"), source="storage-drs-rule:apart")
    plan = planned(cluster)
    data = json.loads(cluster.read_text())
    data["guests"][1] |= {"host": "h2"}
    data["guests"][1]["disks"][0]["datastore"] = "theirs"
    cluster.write_text(json.dumps(data))
    outcome = run(plan, RehearsalPlatform(str(cluster)), rules=(rule,))
    assert results(outcome) == ["skipped", "already_there"]
    assert outcome.migrations[0].why.startswith("it would break rule apart")


def test_a_guest_that_arrives_without_its_disks_has_failed(cluster: Path) -> None:
    class Lying(RehearsalPlatform):
        def start(self, prepared: Prepared) -> str:
            return super().start(
                replace(prepared, request=replace(prepared.request, storage={"mine": "backup"}))
            )

    plan = planned(cluster)
    data = json.loads(cluster.read_text())
    data["hosts"][1]["datastores"]["backup"] = data["hosts"][1]["datastores"]["theirs"]
    data["datastores"].append({**data["datastores"][1], "id": "backup", "name": "backup"})
    cluster.write_text(json.dumps(data))
    outcome = run(plan, Lying(str(cluster)))
    assert (outcome.status, results(outcome)) == ("partial", ["failed", "failed"])
    assert outcome.migrations[0].why == "after it, scsi0 is on backup"


def test_copies_that_stay_behind_are_named(cluster: Path) -> None:
    class Leaving(RehearsalPlatform):
        def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
            assert (request.host, request.source, request.disks) == ("h1", "mine", ("scsi0",))
            return (f"mine:vm-{request.guest}",)

    outcome = run(planned(cluster), Leaving(str(cluster)))
    assert [one.left_behind for one in outcome.migrations] == [("mine:vm-1",), ("mine:vm-2",)]


def test_a_rollback_takes_the_disks_back(cluster: Path) -> None:
    plan = planned(cluster)
    change(cluster, "theirs", free=35 * GIB)

    class Failing(RehearsalPlatform):
        def start(self, prepared: Prepared) -> str:
            if prepared.request.guest == "2":
                return "rehearsal:2:nowhere"
            return super().start(prepared)

    change(cluster, "theirs", free=100 * GIB)
    outcome = run(plan, Failing(str(cluster)), failure_policy=FailurePolicy(on_failure="rollback"))
    assert (outcome.status, results(outcome)) == ("rolled_back", ["migrated", "failed", "migrated"])
    assert places(cluster) == {"1": ("h1", "mine"), "2": ("h1", "mine")}
