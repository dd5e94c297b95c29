# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks on a rehearsal whose copies take their time and may go wrong, on a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import DryRunClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import DiskProgress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.dry_run import (
    DryRunStorage,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.executor import (
    DiskMoveExecutor,
    DiskMovesEnd,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.job import (
    DiskMoveJob,
    DiskSlots,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.policy_check import (
    PoliciesKept,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import DiskMoveOutcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import DiskMove, GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    AuthenticationFailed,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
    DiskMoveState,
    PreparedDiskMove,
    StorageNow,
)

GIB = 1024**3
HOSTS = ("h1", "h2")
REACH = {name: frozenset(HOSTS) for name in ("full", "free", "spare", "small")}


class Killed(BaseException):
    """As if the process had ended here."""


class SteppedClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> str:
        then = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)
        return then.strftime("%Y-%m-%dT%H:%M:%SZ")

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def disk(name: str, datastore: str, size: int = 10, **more: object) -> dict[str, object]:
    return {"id": name, "datastore": datastore, "size": size * GIB, "used": size * GIB, "thin": False, **more}


def guest(name: str, *disks: dict[str, object], host: str = "h1", **more: object) -> dict[str, object]:
    return {
        "id": name, "name": f"guest-{name}", "kind": "vm", "host": host, "power": "running",
        "assigned": {"cpu": 1, "memory": GIB}, "used": {"cpu": 0.1, "memory": GIB},
        "disks": list(disks), "migratable": True, **more,
    }  # fmt: skip


def datastore(name: str, capacity: int, free: int, **more: object) -> dict[str, object]:
    return {
        "id": name, "name": name, "shared": True, "hosts": list(HOSTS), "type": "NFS",
        "capacity": capacity * GIB, "free": free * GIB, "thin": False, **more,
    }  # fmt: skip


def cluster_file(
    folder: Path, guests: Sequence[dict[str, object]], places: Sequence[dict[str, Any]], **storage: object
) -> Path:
    path = folder / "cluster.json"
    seen = {
        str(place["name"]): {key: place[key] for key in ("shared", "capacity", "free")} for place in places
    }
    path.write_text(json.dumps({
        "schema": "evenkeel.cluster/snapshot/2", "platform": "rehearsal",
        "cluster": {"id": "c", "name": "prod"}, "taken_at": "2026-01-01T00:00:00Z", "window_seconds": 0,
        "hosts": [
            {
                "id": name, "name": name, "status": "online", "maintenance": False, "schedulable": True,
                "capacity": {"cpu": 16, "memory": 100 * GIB}, "used": {"cpu": 1, "memory": 10 * GIB},
                "datastores": seen,
            }
            for name in HOSTS
        ],
        "guests": list(guests), "rules": [], "datastores": list(places),
    }))  # fmt: skip
    (folder / "cluster.storage.json").write_text(json.dumps({"bandwidth": GIB, **storage}))
    return path


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """Four guests with one disk of 10 GiB, and one with two, on `full`."""
    return cluster_file(
        tmp_path,
        [guest(name, disk("scsi0", "full")) for name in "1234"]
        + [guest("5", disk("scsi0", "full", 4), disk("scsi1", "full", 6))],
        [
            datastore("full", 60, 10),
            datastore("free", 100, 100),
            datastore("spare", 100, 100),
            datastore("small", 20, 20),
        ],
    )


def move(
    step: int,
    name: str,
    target: str = "free",
    *disks: str,
    source: str = "full",
    after: tuple[int, ...] = (),
    size: int = 10,
) -> DiskMove:
    return DiskMove(
        step=step, wave=len(after) + 1, guest=GuestRef(id=name, name=f"guest-{name}"), host="h1",
        disks=disks or ("scsi0",), source=source, target=target, kind="space", why="", after=after,
        bytes=size * GIB, room=size * GIB, seconds=float(size),
    )  # fmt: skip


@dataclass
class Run:
    path: Path
    moves: Sequence[DiskMove]
    failure_policy: FailurePolicy = field(default_factory=FailurePolicy)
    slots: DiskSlots = field(default_factory=lambda: DiskSlots(per_datastore=8))
    utilisation: float = 100.0
    reserve: int = 0
    timeout: float | None = None
    journal: Path | None = None
    stop: StopSignal = field(default_factory=StopSignal)
    platform_type: type[RehearsalPlatform] = RehearsalPlatform
    rules: Sequence[StorageRule] = ()
    clock: SteppedClock = field(default_factory=SteppedClock)
    plan: str = "plan"
    policies: PoliciesKept = "all"

    def __post_init__(self) -> None:
        self.heard: list[DiskMoveOutcome] = []
        self.progress: list[DiskProgress] = []
        self.platform = self.platform_type(str(self.path), now=self.clock.monotonic)
        self.job = DiskMoveJob(
            cluster=ClusterRef(id="c", name="prod"),
            moves=self.moves,
            utilisation=self.utilisation,
            reserve=self.reserve,
            reach=REACH,
            sizes={
                (one.guest.id, name): one.bytes // len(one.disks) for one in self.moves for name in one.disks
            },
            timeout=self.timeout,
            last_step=max(one.step for one in self.moves),
            rules=self.rules,
            ignored=frozenset({("4", "ide2")}),
            policies=self.policies,
        )

    def run(self, halted: str | None = None) -> DiskMovesEnd:
        journal = Journal(str(self.journal) if self.journal else None, self.plan)
        end = DiskMoveExecutor(
            self.job,
            self.platform,
            slots=self.slots,
            failure_policy=self.failure_policy,
            journal=journal,
            stop=self.stop,
            clock=self.clock,
            observe=lambda progress, _paused: self.progress.append(progress),
            ended=self.heard.append,
            rng=lambda: 0.5,
        ).run(halted)
        journal.finish()
        return end

    def places(self) -> Mapping[str, tuple[str, ...]]:
        return {one.id: tuple(entry.datastore for entry in one.disks) for one in self.platform.read().guests}

    def free(self) -> Mapping[str, int]:
        return {place.id: (place.free or 0) // GIB for place in self.platform.read().datastores}

    def most(self, datastore: str = "") -> int:
        """The most moves under way at once, at one datastore or anywhere."""
        return max(
            sum(datastore in ("", one.source, one.target) for one in seen.moving) for seen in self.progress
        )


def results(end: DiskMovesEnd) -> list[str]:
    return [one.result for one in end.outcomes]


def change(path: Path, place: str, **values: object) -> None:
    """As somebody else changes the cluster meanwhile."""
    data = json.loads(path.read_text())
    for entry in data["datastores"]:
        if entry["id"] == place:
            entry.update(values)
    path.write_text(json.dumps(data))


def test_disks_are_moved_and_seen_on_their_target(cluster: Path) -> None:
    run = Run(cluster, [move(1, "1"), move(2, "2", "spare"), move(3, "5", "free", "scsi0", "scsi1")])
    end = run.run()
    assert end.status == "done"
    assert results(end) == ["migrated"] * 3
    assert run.places() == {
        "1": ("free",), "2": ("spare",), "3": ("full",), "4": ("full",), "5": ("free", "free"),
    }  # fmt: skip
    assert run.free() == {"full": 40, "free": 80, "spare": 90, "small": 20}
    assert [one.moved for one in end.outcomes] == [("scsi0",), ("scsi0",), ("scsi0", "scsi1")]
    assert all(one.tasks and one.started_at and one.seconds for one in end.outcomes)
    assert run.heard == list(end.outcomes)


def test_a_second_run_finds_nothing_to_do(cluster: Path) -> None:
    moves = [move(1, "1"), move(2, "5", "free", "scsi0", "scsi1")]
    Run(cluster, moves).run()
    again = Run(cluster, moves).run()
    assert (again.status, results(again)) == ("done", ["already_there"] * 2)


def test_a_datastore_takes_part_in_few_moves_at_once(cluster: Path) -> None:
    moves = [move(number, str(number), ("free", "spare")[number % 2]) for number in (1, 2, 3, 4)]
    run = Run(cluster, moves, slots=DiskSlots(per_datastore=2))
    assert run.run().status == "done"
    assert run.most("full") == 2
    assert run.most("free") <= 2


def test_few_bytes_are_under_way_and_a_larger_move_goes_alone(cluster: Path) -> None:
    moves = [move(number, str(number)) for number in (1, 2, 3)]
    run = Run(cluster, moves, slots=DiskSlots(per_datastore=8, bytes=20 * GIB))
    assert run.run().status == "done"
    assert run.most() == 2
    alone = Run(cluster, [replace(one, target="spare", source="free") for one in moves],
                slots=DiskSlots(per_datastore=8, bytes=GIB))  # fmt: skip
    assert alone.run().status == "done"
    assert alone.most() == 1


def test_a_guest_has_one_move_at_a_time(cluster: Path) -> None:
    run = Run(cluster, [move(1, "5", "free", "scsi0", size=4), move(2, "5", "spare", "scsi1", size=6)])
    assert run.run().status == "done"
    assert run.most() == 1
    assert run.places()["5"] == ("free", "spare")


def test_a_step_starts_once_those_before_it_have_ended(cluster: Path) -> None:
    run = Run(cluster, [move(1, "1"), move(2, "2", after=(1,))])
    end = run.run()
    assert end.status == "done"
    assert run.most() == 1
    assert end.outcomes[0].ended_at is not None
    assert (end.outcomes[1].started_at or "") >= end.outcomes[0].ended_at


def test_what_rests_on_a_failed_step_is_skipped(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full")), guest("2", disk("scsi0", "full"))],
        [datastore("full", 60, 40), datastore("free", 100, 100)],
        faults=[{"guest": "1", "what": "copy", "percent": 30}],
    )  # fmt: skip
    run = Run(path, [move(1, "1"), move(2, "2", after=(1,))])
    end = run.run()
    assert end.status == "partial"
    assert results(end) == ["failed", "skipped"]
    assert end.outcomes[0].why == "the copy failed at 30 %"
    assert end.outcomes[1].why == "depends on step 1, which was failed"
    assert run.places() == {"1": ("full",), "2": ("full",)}
    assert run.free() == {"full": 40, "free": 100}


def test_half_a_copy_that_stays_is_named_and_not_deleted(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full"))],
        [datastore("full", 60, 50), datastore("free", 100, 100)],
        faults=[{"guest": "1", "what": "copy", "percent": 30, "stays": True}],
    )  # fmt: skip
    run = Run(path, [move(1, "1")])
    end = run.run()
    assert end.outcomes[0].result == "failed"
    assert end.outcomes[0].left_behind == ("half a copy of scsi0: free",)
    assert run.free() == {"full": 50, "free": 90}


def test_an_old_copy_that_cannot_be_deleted_is_named(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full"))],
        [datastore("full", 60, 50), datastore("free", 100, 100)],
        faults=[{"guest": "1", "what": "delete"}],
    )  # fmt: skip
    run = Run(path, [move(1, "1")])
    end = run.run()
    assert (end.status, end.outcomes[0].result) == ("done", "migrated")
    assert end.outcomes[0].left_behind == ("old copy of scsi0: full",)
    assert run.free() == {"full": 50, "free": 90}


def test_a_datastore_whose_free_space_is_no_longer_reported_takes_nothing(cluster: Path) -> None:
    change(cluster, "free", free=None)
    run = Run(cluster, [move(1, "1"), move(2, "2", "spare")])
    end = run.run()
    assert (end.status, results(end)) == ("partial", ["skipped", "migrated"])
    assert end.outcomes[0].why == "the free space of datastore free is not reported"


def relocate(path: Path, name: str, *disks: dict[str, object]) -> None:
    """As somebody else moves the disks of a guest meanwhile."""
    data = json.loads(path.read_text())
    for entry in data["guests"]:
        if entry["id"] == name:
            entry["disks"] = list(disks)
    path.write_text(json.dumps(data))


def rule(*guests: str, disks: tuple[str, ...] = (), kind: Any = "anti_affinity") -> StorageRule:
    return StorageRule(name="web", kind=kind, guests=guests, disks=disks, source="policy:name_prefix")


def test_a_rule_holds_also_where_another_disk_has_come_to_the_target_meanwhile(cluster: Path) -> None:
    relocate(cluster, "4", disk("scsi0", "free"), disk("ide2", "spare"))
    run = Run(
        cluster, [move(1, "1"), move(2, "2", "spare"), move(3, "3")], rules=[rule("2", "4"), rule("1", "4")]
    )
    end = run.run()
    assert results(end) == ["skipped", "migrated", "migrated"]
    assert end.outcomes[0].why == "it would break rule web: disk scsi0 of guest 4 is on free"


def test_disks_that_must_be_apart_never_meet_on_the_way(cluster: Path) -> None:
    """The plan lets one wait for the other; a disk under way is on both of its datastores."""
    relocate(cluster, "4", disk("scsi0", "free"))
    moves = [replace(move(1, "4", "spare"), source="free"), move(2, "1", after=(1,))]
    run = Run(cluster, moves, rules=[rule("1", "4")])
    assert results(run.run()) == ["migrated", "migrated"]
    relocate(cluster, "4", disk("scsi0", "free"))
    relocate(cluster, "1", disk("scsi0", "full"))
    hasty = Run(cluster, [moves[0], replace(moves[1], after=())], rules=[rule("1", "4")])
    assert results(hasty.run()) == ["migrated", "skipped"]


def test_disks_of_one_guest_stay_apart(cluster: Path) -> None:
    relocate(cluster, "5", disk("scsi0", "full", 4), disk("scsi1", "free", 6))
    run = Run(cluster, [move(1, "5", "free", "scsi0", size=4)], rules=[rule("5", disks=("scsi0", "scsi1"))])
    end = run.run()
    assert (results(end), end.outcomes[0].why) == (
        ["skipped"], "it would break rule web: disk scsi1 is on free",
    )  # fmt: skip


def test_guests_that_must_be_together_end_together(cluster: Path) -> None:
    together = rule("1", "2", kind="affinity")
    alone = Run(cluster, [move(1, "1")], rules=[together]).run()
    assert (results(alone), alone.outcomes[0].why) == (
        ["skipped"], "it would break rule web: disks of guest 2 stay on full",
    )  # fmt: skip
    assert results(Run(cluster, [move(1, "1"), move(2, "2")], rules=[together]).run()) == ["migrated"] * 2


def test_a_datastore_that_has_filled_up_meanwhile_takes_nothing(cluster: Path) -> None:
    change(cluster, "free", free=9 * GIB)
    run = Run(cluster, [move(1, "1"), move(2, "2", "spare")])
    end = run.run()
    assert (end.status, results(end)) == ("partial", ["skipped", "migrated"])
    assert end.outcomes[0].why == (
        "datastore free has too little free space: 93184 MiB in use or arriving, 10240 MiB needed,"
        " 102400 MiB allowed"
    )


@pytest.mark.parametrize(("limits", "fits"), [
    ({"utilisation": 10.0}, True), ({"utilisation": 9.0}, False),
    ({"reserve": 90 * GIB}, True), ({"reserve": 91 * GIB}, False),
])  # fmt: skip
def test_a_target_keeps_the_utilisation_and_the_reserve_of_the_policy(
    cluster: Path, limits: dict[str, Any], fits: bool
) -> None:
    assert results(Run(cluster, [move(1, "1")], **limits).run()) == ["migrated" if fits else "skipped"]


def test_a_move_waits_for_room_that_another_one_makes(cluster: Path) -> None:
    """Though nothing says so, the second may start only when the first is counted."""
    run = Run(cluster, [move(1, "1", "small"), move(2, "2", "small")], utilisation=50.0)
    assert results(run.run()) == ["migrated", "skipped"]
    both = Run(cluster, [move(1, "3", "small", source="full")], utilisation=100.0)
    assert results(both.run()) == ["migrated"]


@pytest.mark.parametrize(("values", "why"), [
    ({"maintenance": True}, "datastore free takes no disks now: it is in maintenance"),
    ({"closed_because": "read-only"}, "datastore free takes no disks now: read-only"),
])  # fmt: skip
def test_a_closed_datastore_takes_nothing(cluster: Path, values: dict[str, Any], why: str) -> None:
    change(cluster, "free", **values)
    end = Run(cluster, [move(1, "1")]).run()
    assert (results(end), end.outcomes[0].why) == (["skipped"], why)


@pytest.mark.parametrize(("planned", "why"), [
    (move(1, "9"), "the guest no longer exists"),
    (move(1, "1", "free", "scsi7"), "the guest has no disk scsi7 any more"),
    (move(1, "1", source="spare"), "disk scsi0 is on full, not on spare as planned"),
    (move(1, "1", "gone"), "there is no datastore gone any more"),
])  # fmt: skip
def test_a_move_that_no_longer_makes_sense_is_skipped(cluster: Path, planned: DiskMove, why: str) -> None:
    end = Run(cluster, [planned]).run()
    assert (results(end), end.outcomes[0].why) == (["skipped"], why)


def test_a_guest_that_went_to_another_host_that_has_both_datastores_is_no_obstacle(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full"), host="h2")],
        [datastore("full", 60, 50), datastore("free", 100, 100)],
    )  # fmt: skip
    assert results(Run(path, [move(1, "1")]).run()) == ["migrated"]


def test_a_host_without_the_target_is_an_obstacle(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full"), host="h2")],
        [datastore("full", 60, 50), datastore("free", 100, 100, hosts=["h1"])],
    )  # fmt: skip
    run = Run(path, [move(1, "1")])
    run.job = replace(run.job, reach={**REACH, "free": frozenset({"h1"})}, names={"h2": "pve2"})
    end = run.run()
    assert end.outcomes[0].why == "the guest is on pve2, which does not have datastore free"


def test_what_the_platform_objects_to_is_refused(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full", blockers=["linked_clone"]))],
        [datastore("full", 60, 50), datastore("free", 100, 100)],
    )  # fmt: skip
    end = Run(path, [move(1, "1")]).run()
    assert results(end) == ["refused"]
    assert "linked clone" in end.outcomes[0].why


def test_a_guest_that_is_being_migrated_is_waited_for_and_then_left_alone(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest("1", disk("scsi0", "full"), migrating_to="h2"), guest("2", disk("scsi0", "full"))],
        [datastore("full", 60, 40), datastore("free", 100, 100)],
    )  # fmt: skip
    run = Run(path, [move(1, "1"), move(2, "2")])
    end = run.run()
    assert results(end) == ["skipped", "migrated"]
    assert end.outcomes[0].why == "the guest is busy: it is being migrated to h2"
    assert run.clock.seconds >= 1060


def test_a_stop_lets_what_runs_go_on_and_starts_nothing_more(cluster: Path) -> None:
    stop = StopSignal()

    class Stopping(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            stop.request("SIGTERM asked for it")
            return super().start_disk_move(prepared)

    run = Run(
        cluster, [move(1, "1"), move(2, "2")], stop=stop, slots=DiskSlots(per_datastore=1),
        platform_type=Stopping,
    )  # fmt: skip
    end = run.run()
    assert (end.status, results(end)) == ("stopped", ["migrated", "skipped"])
    assert end.outcomes[1].why == "SIGTERM asked for it"


def test_a_stop_can_cancel_what_runs(cluster: Path) -> None:
    stop = StopSignal(deadline=1003.0)
    policy = FailurePolicy(on_stop="cancel")
    run = Run(cluster, [move(1, "1")], stop=stop, failure_policy=policy)
    end = run.run()
    assert (end.status, results(end)) == ("stopped", ["cancelled"])
    assert end.outcomes[0].why == "the time limit of the run was reached"
    assert run.places()["1"] == ("full",)
    assert run.free()["free"] == 100


def test_a_pause_lets_what_runs_go_on(cluster: Path) -> None:
    stop = StopSignal()

    class Pausing(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            stop.pause("somebody looks at it")
            return super().start_disk_move(prepared)

        def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
            found = super().poll_disk_moves(tasks)
            if all(state.state != "running" for state in found.values()):
                stop.resume()
            return found

    run = Run(
        cluster, [move(1, "1"), move(2, "2")], stop=stop, slots=DiskSlots(per_datastore=1),
        platform_type=Pausing,
    )  # fmt: skip
    assert run.run().status == "done"


def test_a_move_that_takes_too_long_is_cancelled_and_failed(cluster: Path) -> None:
    end = Run(cluster, [move(1, "1")], timeout=3.0).run()
    assert results(end) == ["failed"]
    assert end.outcomes[0].why == "exceeded its timeout of 3 s"


def test_the_time_limit_grows_with_the_estimate() -> None:
    job = DiskMoveJob(cluster=ClusterRef(id="c", name="c"), moves=())
    assert job.seconds_allowed(move(1, "1", size=5000), 3600.0) == 20_000.0
    assert job.seconds_allowed(move(1, "1", size=5), 3600.0) == 3600.0


def test_a_start_that_was_not_answered_is_looked_for(cluster: Path) -> None:
    class Unheard(RehearsalPlatform):
        calls = 0

        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            super().start_disk_move(prepared)
            Unheard.calls += 1
            raise Unreachable("no answer to the start")

    run = Run(cluster, [move(1, "1")], platform_type=Unheard)
    end = run.run()
    assert (end.status, results(end), Unheard.calls) == ("done", ["migrated"], 1)
    assert run.free()["free"] == 90


def test_a_platform_that_is_silent_for_a_while_is_asked_again(cluster: Path) -> None:
    class Silent(RehearsalPlatform):
        silent = 6

        def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
            if Silent.silent:
                Silent.silent -= 1
                raise Unreachable("no answer")
            return super().poll_disk_moves(tasks)

    assert Run(cluster, [move(1, "1")], platform_type=Silent).run().status == "done"


def test_a_session_that_is_gone_for_good_ends_the_run_and_raises_nothing(cluster: Path) -> None:
    class Locked(RehearsalPlatform):
        def look_at_storage(self, guests: Collection[str]) -> StorageNow:
            raise AuthenticationFailed("the password is wrong")

    end = Run(cluster, [move(1, "1")], platform_type=Locked).run()
    assert (end.status, results(end)) == ("stopped", ["skipped"])
    assert "the password is wrong" in end.outcomes[0].why


def test_another_cluster_is_left_alone(cluster: Path) -> None:
    run = Run(cluster, [move(1, "1")])
    run.job = replace(run.job, cluster=ClusterRef(id="other", name="other"))
    end = run.run()
    assert results(end) == ["skipped"]
    assert "the platform has the cluster with the id c" in end.outcomes[0].why
    assert run.places()["1"] == ("full",)


def test_nothing_is_started_when_the_migrations_were_stopped(cluster: Path) -> None:
    end = Run(cluster, [move(1, "1")]).run("the migrations were rolled back")
    assert (end.status, results(end)) == ("stopped", ["skipped"])
    assert end.outcomes[0].why == "the migrations were rolled back"


def test_too_many_failures_stop_the_run(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest(name, disk("scsi0", "full")) for name in "123"],
        [datastore("full", 60, 30), datastore("free", 100, 100)],
        faults=[{"guest": "1", "what": "copy"}],
    )  # fmt: skip
    run = Run(
        path, [move(n, str(n)) for n in (1, 2, 3)], slots=DiskSlots(per_datastore=1),
        failure_policy=FailurePolicy(on_failure="stop"),
    )  # fmt: skip
    end = run.run()
    assert (end.status, results(end)) == ("stopped", ["failed", "skipped", "skipped"])
    assert end.outcomes[1].why == "1 move of disks failed"


def test_a_rollback_moves_back_only_what_has_moved(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest(name, disk("scsi0", "full")) for name in "123"],
        [datastore("full", 60, 30), datastore("free", 100, 100)],
        faults=[{"guest": "2", "what": "copy"}],
    )  # fmt: skip
    run = Run(
        path, [move(n, str(n)) for n in (1, 2, 3)], slots=DiskSlots(per_datastore=1),
        failure_policy=FailurePolicy(on_failure="rollback"), utilisation=40.0,
    )  # fmt: skip
    end = run.run()
    assert (end.status, results(end)) == ("rolled_back", ["migrated", "failed", "skipped", "migrated"])
    back = end.outcomes[-1]
    assert (back.step, back.guest.id, back.source, back.target) == (4, "1", "free", "full")
    assert run.places() == dict.fromkeys("123", ("full",))
    assert run.free() == {"full": 30, "free": 100}


def test_a_rollback_without_room_leaves_the_disk_where_it_is(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest(name, disk("scsi0", "full")) for name in "12"],
        [datastore("full", 60, 40), datastore("free", 100, 100)],
        faults=[{"guest": "2", "what": "copy"}],
    )  # fmt: skip

    class Filling(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            if prepared.request.guest == "2":
                change(path, "full", free=GIB)
            return super().start_disk_move(prepared)

    run = Run(
        path, [move(1, "1"), move(2, "2", after=(1,))], platform_type=Filling,
        failure_policy=FailurePolicy(on_failure="rollback"),
    )  # fmt: skip
    end = run.run()
    assert (end.status, results(end)) == ("partial", ["migrated", "failed", "skipped"])
    assert run.places()["1"] == ("free",)


def test_a_killed_run_is_finished_and_nothing_is_moved_twice(cluster: Path, tmp_path: Path) -> None:
    class Dying(RehearsalPlatform):
        def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
            raise Killed

    moves = [move(1, "1"), move(2, "2", "spare"), move(3, "3", after=(1,))]
    journal = tmp_path / "journal.jsonl"
    first = Run(cluster, moves, journal=journal, platform_type=Dying)
    with pytest.raises(Killed):
        first.run()
    starts: list[str] = []

    class Counting(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            starts.append(prepared.request.guest)
            return super().start_disk_move(prepared)

    second = Run(cluster, moves, journal=journal, platform_type=Counting, clock=first.clock)
    end = second.run()
    assert (end.status, results(end)) == ("done", ["migrated"] * 3)
    assert starts == ["3"]
    assert second.free() == {"full": 40, "free": 80, "spare": 90, "small": 20}
    assert not journal.exists()


def test_room_for_copies_of_a_killed_run_is_left_by_runs_of_other_plans(
    cluster: Path, tmp_path: Path
) -> None:
    class Dying(RehearsalPlatform):
        def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
            raise Killed

    journal = tmp_path / "journal.jsonl"
    first = Run(cluster, [move(1, "1", "small")], journal=journal, platform_type=Dying)
    with pytest.raises(Killed):
        first.run()
    arrives = first.clock.seconds + 10
    # One that ends before the copy does, and needs no room there.
    second = Run(cluster, [move(1, "5", "spare", size=4)], journal=journal, plan="second", clock=first.clock)
    assert results(second.run()) == ["migrated"]
    assert first.clock.seconds < arrives
    assert journal.exists()
    third = Run(cluster, [move(1, "2", "small")], journal=journal, plan="third", clock=first.clock)
    assert results(third.run()) == ["migrated"]
    assert first.clock.seconds >= arrives + 10
    assert third.free()["small"] == 0
    assert not journal.exists()


def test_what_has_ended_while_no_run_was_there_is_known(cluster: Path, tmp_path: Path) -> None:
    class Dying(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            super().start_disk_move(prepared)
            raise Killed

    journal = tmp_path / "journal.jsonl"
    data = json.loads((cluster.with_name("cluster.storage.json")).read_text())
    data["faults"] = [{"guest": "1", "what": "delete"}]
    cluster.with_name("cluster.storage.json").write_text(json.dumps(data))
    first = Run(cluster, [move(1, "1")], journal=journal, platform_type=Dying)
    with pytest.raises(Killed):
        first.run()
    locked = {
        one.id for one in first.platform.read().guests if "locked" in one.blockers and not one.migratable
    }
    assert locked == {"1"}
    first.clock.seconds += 3600
    assert not any("locked" in one.blockers for one in first.platform.read().guests)
    end = Run(cluster, [move(1, "1")], journal=journal, clock=first.clock).run()
    assert results(end) == ["migrated"]
    assert end.outcomes[0].why == "Completed while no run was monitoring it."
    assert end.outcomes[0].left_behind == ("old copy of scsi0: full",)


def test_a_kill_on_the_way_back_is_finished_on_the_way_back(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path, [guest(name, disk("scsi0", "full")) for name in "12"],
        [datastore("full", 60, 40), datastore("free", 100, 100)],
        faults=[{"guest": "2", "what": "copy"}],
    )  # fmt: skip

    class Dying(RehearsalPlatform):
        def start_disk_move(self, prepared: PreparedDiskMove) -> str:
            task = super().start_disk_move(prepared)
            if prepared.request.target == "full":
                raise Killed
            return task

    journal = tmp_path / "journal.jsonl"
    moves = [move(1, "1"), move(2, "2", after=(1,))]
    policy = FailurePolicy(on_failure="rollback")
    first = Run(path, moves, journal=journal, failure_policy=policy, platform_type=Dying)
    with pytest.raises(Killed):
        first.run()
    second = Run(path, moves, journal=journal, failure_policy=policy, clock=first.clock)
    end = second.run()
    assert end.status == "rolled_back"
    assert second.places() == {"1": ("full",), "2": ("full",)}
    assert second.free() == {"full": 40, "free": 100}


def test_a_disk_that_is_not_where_it_was_reported_is_no_success(cluster: Path) -> None:
    class Lying(RehearsalPlatform):
        def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
            for task in tasks:
                self.cancel_disk_move(task)
            return {task: DiskMoveState(state="migrated") for task in tasks}

    end = Run(cluster, [move(1, "1")], platform_type=Lying).run()
    assert (end.status, results(end)) == ("partial", ["failed"])
    assert end.outcomes[0].why == "after it, scsi0 is on full"
    assert end.outcomes[0].moved == ()


def test_a_disk_that_was_parked_is_found_where_the_last_step_took_it(cluster: Path) -> None:
    moves = [move(1, "1", "spare"), move(2, "1", "free", source="spare", after=(1,))]
    run = Run(cluster, moves)
    assert run.run().status == "done"
    assert run.places()["1"] == ("free",)
    again = Run(cluster, moves).run()
    assert results(again) == ["already_there", "already_there"]


def test_progress_counts_bytes(cluster: Path) -> None:
    run = Run(cluster, [move(1, "1"), move(2, "2", after=(1,))])
    run.run()
    half = [seen for seen in run.progress if seen.moving and 0 < (seen.moving[0].percent or 0) < 99]
    assert half
    one = half[-1].moving[0]
    assert one.bytes == 10 * GIB
    assert 0 < one.bytes_copied < one.bytes
    assert all(seen.bytes_copied + seen.bytes_left == 20 * GIB for seen in half)
    assert (run.progress[-1].bytes_copied, run.progress[-1].bytes_left) == (20 * GIB, 0)
    assert half[-1].seconds_left is not None


def test_check_mode_asks_the_platform_and_moves_nothing(cluster: Path) -> None:
    data = json.loads(cluster.read_text())
    data["guests"][1]["disks"][0]["blockers"] = ["snapshot_chain"]
    cluster.write_text(json.dumps(data))
    before = cluster.read_text(), cluster.with_name("cluster.storage.json").read_text()
    run = Run(cluster, [move(1, "1"), move(2, "2"), move(3, "3", "gone"), move(4, "1", "spare", source="free",
                                                                             after=(1,))])  # fmt: skip
    end = DiskMoveExecutor(
        run.job, DryRunStorage(run.platform, run.job, {}), slots=run.slots, failure_policy=FailurePolicy(),
        journal=Journal(None, "plan"), stop=StopSignal(), clock=DryRunClock(), pauses=False,
    ).run()  # fmt: skip
    assert results(end) == ["migrated", "refused", "skipped", "migrated"]
    assert (cluster.read_text(), cluster.with_name("cluster.storage.json").read_text()) == before


def test_in_check_mode_a_move_frees_what_its_disk_takes_and_not_what_is_copied(tmp_path: Path) -> None:
    path = cluster_file(
        tmp_path,
        [
            guest("1", disk("scsi0", "full", 30, used=5 * GIB, copied_whole=True)),
            guest("2", disk("scsi0", "spare", 20)),
        ],
        [datastore("full", 60, 10), datastore("spare", 100, 70), datastore("free", 100, 100)],
    )
    way = move(1, "1", size=30), move(2, "1", "spare", source="free", after=(1,), size=30)
    run = Run(path, [*way, move(3, "2", "full", source="spare", after=(2,), size=20)])
    run.job = replace(run.job, taken={("1", "scsi0"): 5 * GIB, ("2", "scsi0"): 20 * GIB})
    dry = DryRunStorage(run.platform, run.job, {})
    end = DiskMoveExecutor(
        run.job, dry, slots=run.slots, failure_policy=FailurePolicy(), journal=Journal(None, "plan"),
        stop=StopSignal(), clock=DryRunClock(), pauses=False,
    ).run()  # fmt: skip
    now = dry.look_at_storage([]).datastores
    assert results(end) == ["migrated", "migrated", "skipped"]
    assert {name: (place.free or 0) // GIB for name, place in now.items()} == {
        "full": 15,
        "spare": 40,
        "free": 100,
    }
    assert results(run.run()) == results(end)
    assert run.free() == {"full": 15, "spare": 40, "free": 100}


def test_check_mode_looks_at_guests_where_they_would_be(cluster: Path) -> None:
    """One that is to be migrated to a host first is asked about where it is now."""
    run = Run(cluster, [replace(move(1, "1"), host="h2")])
    run.job = replace(run.job, reach={**REACH, "free": frozenset({"h2"})})
    storage = DryRunStorage(run.platform, run.job, {"1": "h2"})
    end = DiskMoveExecutor(
        run.job, storage, slots=run.slots, failure_policy=FailurePolicy(), journal=Journal(None, "plan"),
        stop=StopSignal(), clock=DryRunClock(), pauses=False,
    ).run()  # fmt: skip
    assert results(end) == ["migrated"]


def test_the_rehearsal_survives_a_kill_between_its_two_files(cluster: Path) -> None:
    run = Run(cluster, [move(1, "1")])
    before = Snapshot.from_json(json.loads(cluster.read_text()))
    request = DiskMoveRequest(guest="1", host="h1", disks=("scsi0",), source="full", target="free")
    run.platform.start_disk_move(PreparedDiskMove(request=request))
    storage = cluster.with_name("cluster.storage.json")
    data = json.loads(storage.read_text())
    data["snapshot"] = json.loads(cluster.read_text())
    storage.write_text(json.dumps(data))
    cluster.write_text(json.dumps(before.to_json()))
    assert run.free()["free"] == 90
    run.clock.seconds += 100
    run.platform.poll_disk_moves({})
    assert run.free() == {"full": 20, "free": 90, "spare": 100, "small": 20}
    assert json.loads(cluster.read_text())["guests"][0]["disks"][0]["datastore"] == "free"
