# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans carried out on a rehearsal: a snapshot file is the cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import (
    DryRunClock,
    DryRunPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.errors import WrongCluster
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import MigrationOutcome, Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef, Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PlatformError,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    MigrationRequest,
    Objection,
    Platform,
    Prepared,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.tests.support.full_disk import full_after

GIB = 1024**3
CLUSTER = ClusterRef(id="c", name="prod")
LOCKED = Objection("it is locked (backup)", passing=True)


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


def run(
    path: Path,
    migrations: Sequence[Migration],
    dry: bool = False,
    *,
    rules: Sequence[Rule] = (),
    failure_policy: FailurePolicy = FailurePolicy(),  # noqa: B008
    stop_file: Path | None = None,
    journal_path: Path | None = None,
    cluster: ClusterRef = CLUSTER,
    emptied: frozenset[str] = frozenset(),
    ended: Callable[[MigrationOutcome], None] = lambda _outcome: None,
    platform: Platform | None = None,
) -> Outcome:
    platform = platform or RehearsalPlatform(str(path))
    if dry:
        sizes = {migration.guest.id: migration.cost.memory for migration in migrations}
        platform = DryRunPlatform(platform, sizes)
    work = MigrationJob(cluster=cluster, migrations=migrations, rules=rules, limits=Limits(), emptied=emptied)
    outcome = Executor(
        work,
        platform,
        concurrency=ConcurrencyLimits(cluster=8, per_host=2, per_datastore=2),
        failure_policy=failure_policy,
        journal=Journal(str(journal_path) if journal_path else None, work.digest()),
        stop=StopSignal(file=str(stop_file) if stop_file else None),
        clock=DryRunClock(),
        observe=lambda _progress: None,
        ended=ended,
    ).run()
    return outcome.as_planned() if dry else outcome


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


class Objecting(RehearsalPlatform):
    """A rehearsal that has an objection for the first `times` that it is asked."""

    def __init__(self, path: str, objection: Objection, times: int) -> None:
        super().__init__(path)
        self.objection = objection
        self.times = times
        self.asked = 0

    def prepare(self, request: MigrationRequest) -> Prepared:
        self.asked += 1
        prepared = super().prepare(request)
        return replace(prepared, objection=self.objection) if self.asked <= self.times else prepared


@pytest.mark.parametrize(
    ("objection", "times", "ended", "asked"),
    [
        (LOCKED, 3, ("migrated", ""), range(4, 5)),
        (LOCKED, 999, ("skipped", LOCKED.why), range(5, 10)),
        (Objection("pve2 lacks storage san"), 1, ("refused", "pve2 lacks storage san"), range(1, 2)),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_an_objection_that_may_pass_is_asked_about_again_and_is_no_refusal(
    objection: Objection, times: int, ended: tuple[str, str], asked: range, dry: bool, cluster: Path
) -> None:
    platform = Objecting(str(cluster), objection, times)
    outcome = run(cluster, [step(1, "1", "a", "b")], dry, platform=platform)
    found = outcome.migrations[0]
    if dry:
        # Nothing changes while nothing really happens, so that one question is enough.
        assert (found.result, found.why) == (ended[0] if times == 1 else "skipped", objection.why)
        assert platform.asked == 1
    else:
        assert (found.result, found.why) == ended
        assert platform.asked in asked


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
def test_what_can_not_be_is_refused_or_skipped_and_what_comes_after_it_too(cluster: Path, dry: bool) -> None:
    plan = [
        step(1, "4", "a", "b"),
        step(2, "5", "a", "b"),
        step(3, "1", "a", "d"),
        step(4, "2", "a", "c"),
        step(5, "3", "b", "a"),
        step(6, "9", "a", "b"),
        step(7, "1", "a", "b", after=[3]),
        step(8, "1", "a", "b", after=[1]),
    ]
    outcome = run(cluster, plan, dry)
    text = cluster.read_text()
    assert outcome.status == "partial"
    assert [migration.result for migration in outcome.migrations] == ["refused"] * 2 + ["skipped"] * 6
    assert (outcome.count("refused"), outcome.counts()["refused"]) == (2, 2)
    for migration, why in zip(
        outcome.migrations,
        [
            "lacks network dmz",
            "passthrough_device",
            "does not accept guests",
            "too little free memory",
            "on c, not on b",
            "no longer exists",
            "depends on step 3",
            "depends on step 1, which was refused",
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
    with pytest.raises(WrongCluster, match=r"cluster .prod. \(id other\), and .* the id c"):
        run(cluster, [step(1, "1", "a", "b")], cluster=ClusterRef(id="other", name="prod"))
    assert places(cluster)["1"] == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("1" + "0" * 5000, "is not JSON: .*digits"),
        ("[" * 100_000, "is not JSON: .*recursion"),
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


def test_a_rule_that_would_break_now_keeps_a_migration_back(cluster: Path) -> None:
    apart = Rule(name="web", kind="anti_affinity", guests=("1", "3"), strict=True, source="test")
    outcome = run(cluster, [step(1, "1", "a", "b"), step(2, "3", "c", "b")], rules=[apart])
    assert [migration.result for migration in outcome.migrations] == ["migrated", "skipped"]
    assert outcome.migrations[1].why == "it would break rule web: guest 1 is on b"


def test_partners_are_not_torn_apart(cluster: Path) -> None:
    together = Rule(name="pair", kind="affinity", guests=("1", "2"), strict=True, source="test")
    alone = run(cluster, [step(1, "1", "a", "b")], rules=[together]).migrations[0]
    assert (alone.result, "other guests of it stay on a" in alone.why) == ("skipped", True)
    assert run(cluster, [step(1, "1", "a", "b"), step(2, "2", "a", "b")], rules=[together]).status == "done"


def test_guests_stay_evenly_spread(cluster: Path) -> None:
    even = Rule(name="web", kind="even_spread", guests=("1", "2", "3"), strict=True, source="test")
    assert run(cluster, [step(1, "1", "a", "b")], rules=[even]).status == "done"
    outcome = run(cluster, [step(1, "3", "c", "b")], rules=[even])
    assert outcome.migrations[0].why == "it would break rule web: its guests on two hosts would differ by 2"


def test_who_leaves_an_emptied_host_may_fill_another_further(cluster: Path) -> None:
    levelling = step(1, "2", "a", "c")
    assert run(cluster, [levelling]).migrations[0].result == "skipped"
    assert run(cluster, [replace(levelling, kind="evacuate")]).status == "done"


def test_a_host_that_is_emptied_does_not_count_in_an_even_spread(cluster: Path) -> None:
    even = Rule(name="web", kind="even_spread", guests=("1", "2", "3"), strict=True, source="test")
    assert run(cluster, [step(1, "2", "a", "b")], rules=[even]).status == "done"
    away = [step(1, "1", "a", "b")]
    assert run(cluster, away, rules=[even]).migrations[0].result == "skipped"
    assert run(cluster, away, rules=[even], emptied=frozenset({"a"})).status == "done"


def test_a_host_that_never_has_a_member_does_not_count_as_empty(cluster: Path) -> None:
    even = Rule(name="web", kind="even_spread", guests=("1", "2"), strict=True, source="test")
    assert run(cluster, [step(1, "2", "a", "b")], rules=[even]).status == "done"
    # The plan knows why none of them may go to c: it was not asked for.
    assert run(cluster, [step(1, "1", "a", "b")], rules=[even], emptied=frozenset({"a"})).status == "done"


def test_ends_of_a_killed_run_are_told_again_whatever_the_plan(cluster: Path, tmp_path: Path) -> None:
    first = [step(1, "1", "a", "b"), step(2, "3", "c", "b")]
    journal = Journal(str(tmp_path / "journal"), "another plan, of a run that was killed")
    lost = run(cluster, first[:1]).migrations[0]
    journal.ended(lost)
    journal._stream.close()  # type: ignore[union-attr]
    heard: list[MigrationOutcome] = []
    outcome = run(cluster, first, journal_path=tmp_path / "journal", ended=heard.append)
    assert [migration.result for migration in outcome.migrations] == ["already_there", "migrated"]
    assert heard[0] == lost
    assert [(each.step, each.result) for each in heard[1:]] == [(1, "already_there"), (2, "migrated")]
    assert all(each.ended_at for each in heard)


def test_what_a_killed_run_has_done_is_told_even_when_nothing_more_may_start(
    cluster: Path, tmp_path: Path
) -> None:
    plan = [step(1, "1", "a", "b"), step(2, "3", "c", "b")]
    work = MigrationJob(cluster=CLUSTER, migrations=plan, rules=(), limits=Limits())
    journal = Journal(str(tmp_path / "journal"), work.digest())
    journal.begin(1, "2026-01-01T00:00:00Z")
    journal.ended(run(cluster, plan[:1]).migrations[0])
    journal._stream.close()  # type: ignore[union-attr]
    (tmp_path / "stop").touch()
    outcome = run(cluster, plan, journal_path=tmp_path / "journal", stop_file=tmp_path / "stop")
    assert [migration.result for migration in outcome.migrations] == ["migrated", "skipped"]
    assert outcome.status == "stopped"


def test_a_stop_file_lets_nothing_start(cluster: Path, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    outcome = run(cluster, [step(1, "1", "a", "b")], stop_file=tmp_path / "stop")
    assert (outcome.status, outcome.migrations[0].result) == ("stopped", "skipped")
    assert "stop file" in outcome.migrations[0].why
    assert places(cluster)["1"] == "a"


@pytest.mark.parametrize("on_failure", ["stop", "rollback"])
@pytest.mark.parametrize("left", [0, 300, 600])
def test_the_disk_of_the_journal_fills(cluster: Path, tmp_path: Path, on_failure: str, left: int) -> None:
    """Nothing more begins, and the result comes all the same; what has been done is not undone half-way."""
    path = tmp_path / "journal"
    plan = [step(1, "1", "a", "b"), step(2, "2", "a", "b", after=[1]), step(3, "3", "c", "b", after=[2])]
    work = MigrationJob(cluster=CLUSTER, migrations=plan, rules=(), limits=Limits())
    journal = Journal(str(path), work.digest())
    journal.begin(99, "2026-01-01T00:00:00Z")
    journal._stream.close()  # type: ignore[union-attr]
    # The journal is the largest file here: it alone reaches the limit.
    with path.open("a") as stream:
        stream.write("x" * 100_000 + "\n")
    failure_policy = FailurePolicy(on_failure=on_failure)  # type: ignore[arg-type]
    with full_after(path.stat().st_size + 120 + left):
        outcome = run(cluster, plan, journal_path=path, failure_policy=failure_policy)
    results = [migration.result for migration in outcome.migrations]
    assert outcome.status == "stopped"
    assert "skipped" in results
    assert {migration.why for migration in outcome.migrations if migration.result == "skipped"} == {
        f"journal_path: {path} can't be written: File too large. Free space there, or set another path"
    }
    moved = [migration.guest.id for migration in outcome.migrations if migration.result == "migrated"]
    assert [name for name in ("1", "2", "3") if places(cluster)[name] == "b"] == moved
