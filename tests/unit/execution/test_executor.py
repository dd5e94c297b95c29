# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans carried out on a rehearsal: a snapshot file is the cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import DryRun
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.errors import WrongCluster
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import execute
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.options import ExecutionOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PlatformError,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform

GIB = 1024**3
CLUSTER = ClusterRef(id="c", name="prod")


class Hurry(SystemClock):
    """Waiting takes no time: a rehearsal has nothing to wait for."""

    def sleep(self, seconds: float) -> None:
        pass


def host(name: str, used: int = 20, **more: object) -> dict[str, object]:
    return {
        "id": name, "name": f"host-{name}", "status": "online", "maintenance": False, "schedulable": True,
        "capacity": {"cpu": 16, "memory": 100 * GIB}, "used": {"cpu": 1, "memory": used * GIB},
        "datastores": {"san": {"shared": True}}, "networks": ["lan"], **more,
    }  # fmt: skip


def guest(name: str, where: str, memory: int = 10, **more: object) -> dict[str, object]:
    return {
        "id": name, "name": f"guest-{name}", "kind": "vm", "host": where, "power": "running",
        "assigned": {"cpu": 2, "memory": memory * GIB}, "used": {"cpu": 0.5, "memory": memory * GIB},
        "disks": [{"datastore": "san", "size": GIB}], "networks": ["lan"], "migratable": True, **more,
    }  # fmt: skip


def step(
    number: int, name: str, source: str, target: str, after: Sequence[int] = (), memory: int = 10
) -> Migration:
    return Migration(
        step=number, wave=len(after) + 1, guest=GuestRef(id=name, name=f"guest-{name}"), source=source,
        target=target, kind="balance", why="", after=tuple(after), cost=Cost(memory=memory * GIB, seconds=1),
    )  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({
        "schema": "evenkeel.cluster/snapshot/1", "platform": "rehearsal",
        "cluster": {"id": "c", "name": "prod"},
        "taken_at": "2026-01-01T00:00:00Z", "window_seconds": 0, "rules": [],
        "hosts": [host("a", 60), host("b"), host("c", 85), host("d", maintenance=True)],
        "guests": [guest("1", "a"), guest("2", "a"), guest("3", "c"), guest("4", "a", networks=["dmz"]),
                   guest("5", "a", migratable=False, blockers=["passthrough_device"])],
    }))  # fmt: skip
    return path


def run(path: Path, migrations: Sequence[Migration], dry: bool = False) -> Outcome:
    platform = RehearsalPlatform(str(path))
    if dry:
        sizes = {migration.guest.id: migration.cost.memory for migration in migrations}
        return execute(migrations, CLUSTER, DryRun(platform, sizes), ExecutionOptions(), Hurry()).as_planned()
    return execute(migrations, CLUSTER, platform, ExecutionOptions(), Hurry())


def places(path: Path) -> dict[str, str]:
    return {entry["id"]: entry["host"] for entry in json.loads(path.read_text())["guests"]}


def test_all_is_done_and_done_again_changes_nothing(cluster: Path) -> None:
    plan = [step(1, "1", "a", "b"), step(2, "3", "c", "b"), step(3, "2", "a", "c", after=[2])]
    first = run(cluster, plan)
    assert [migration.result for migration in first.migrations] == ["migrated"] * 3
    assert (first.status, places(cluster)["1"], places(cluster)["2"]) == ("done", "b", "c")
    text = cluster.read_text()
    assert [migration.result for migration in run(cluster, plan).migrations] == ["already_there"] * 3
    assert cluster.read_text() == text


def test_loads_go_along(cluster: Path) -> None:
    run(cluster, [step(1, "1", "a", "b")])
    used = {entry["id"]: entry["used"] for entry in json.loads(cluster.read_text())["hosts"]}
    assert used["a"] == {"cpu": 0.5, "memory": 50 * GIB}
    assert used["b"] == {"cpu": 1.5, "memory": 30 * GIB}


def test_check_mode_plans_what_the_run_does(cluster: Path) -> None:
    plan = [step(1, "3", "c", "b"), step(2, "2", "a", "c", after=[1])]
    text = cluster.read_text()
    outcome = run(cluster, plan, dry=True)
    assert ([migration.result for migration in outcome.migrations], outcome.status) == (
        ["planned"] * 2,
        "planned",
    )
    assert cluster.read_text() == text


@pytest.mark.parametrize("dry", [False, True])
def test_what_can_not_be_is_skipped_and_what_comes_after_it_too(cluster: Path, dry: bool) -> None:
    plan = [
        step(1, "4", "a", "b"),
        step(2, "5", "a", "b"),
        step(3, "1", "a", "d"),
        step(4, "2", "a", "c"),
        step(5, "3", "b", "a"),
        step(6, "9", "a", "b"),
        step(7, "1", "a", "b", after=[3]),
    ]
    outcome = run(cluster, plan, dry)
    text = cluster.read_text()
    assert outcome.status == "partial"
    assert [migration.result for migration in outcome.migrations] == ["skipped"] * 7
    for migration, why in zip(
        outcome.migrations,
        [
            "lacks network dmz",
            "passthrough_device",
            "takes no guests",
            "no room",
            "on c, not on b",
            "gone",
            "comes after step 3",
        ],
        strict=True,
    ):
        assert why in migration.why
    assert cluster.read_text() == text


def test_a_guest_that_goes_two_ways_is_found_at_the_end(cluster: Path) -> None:
    plan = [step(1, "1", "a", "b"), step(2, "1", "b", "c", after=[1], memory=1)]
    first = run(cluster, plan)
    assert [migration.result for migration in first.migrations] == ["migrated"] * 2
    assert [migration.result for migration in run(cluster, plan).migrations] == ["already_there"] * 2


def test_a_plan_for_another_cluster_starts_nothing(cluster: Path) -> None:
    with pytest.raises(WrongCluster, match=r"cluster .prod. \(other\), the platform serves c"):
        execute(
            [step(1, "1", "a", "b")],
            ClusterRef(id="other", name="prod"),
            RehearsalPlatform(str(cluster)),
            ExecutionOptions(),
            Hurry(),
        )
    assert places(cluster)["1"] == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "snapshot: \\[\\] is not an object"),
        ('{"schema": "x"}', "snapshot.schema: 'x' is not"),
    ],
)
def test_a_file_that_is_no_cluster(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(text)
    with pytest.raises(PlatformError, match=message):
        RehearsalPlatform(str(path)).read()


def test_no_file_and_another_name(cluster: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such file"):
        RehearsalPlatform(str(tmp_path / "none.json")).read()
    with pytest.raises(NotFound, match=r"there is no cluster 'test'\. The file holds 'prod'"):
        RehearsalPlatform(str(cluster), "test").read()
