# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that move disks, run by the real executor over a real adapter against a simulator.

What must be true of every run, as the simulator saw it, is in `violations`. As a program it runs one plan in
a process of its own, so that it may be killed: storage_runs.py WORKDIR [--on-failure rollback].
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.executor import (
    DiskMoveExecutor,
    DiskMovesEnd,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.job import (
    DiskSlots,
    disk_move_job,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.codec import decode, encode
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import DiskMoveOutcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import (
    DatastoreSelector,
    StoragePolicy,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.connection import (
    ProxmoxConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import QuickClock, connect, quickly
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

MOVE_SECONDS = 0.25
STEPS = range(2, 9)
"""How many moves a plan has: fewer are no journey, more take long."""
Places = Mapping[tuple[str, str], str]
"""By guest and disk the datastore."""

CALM: Mapping[str, Mapping[str, object]] = {
    "proxmox": {
        "fail_calls": [], "drop_connection": [], "latency_seconds": 0, "late_cancels": False,
        "fail_disk_moves": [], "keep_sources": [], "disk_move_seconds": MOVE_SECONDS,
    },
    "vcenter": {
        "fail_calls": [], "drop_connection": [], "latency_seconds": 0, "late_cancels": False,
        "fail_migrations": [], "fail_deletions": [], "migration_seconds": MOVE_SECONDS,
    },
}  # fmt: skip


@dataclass(frozen=True)
class PlannedMoves:
    """A cluster as it was read from a running simulator, and its plan."""

    snapshot: Snapshot
    plan: Plan

    @property
    def guests(self) -> tuple[str, ...]:
        moves = () if self.plan.storage is None else self.plan.storage.moves
        return tuple(sorted({move.guest.id for move in moves}))

    def goal(self, before: Places) -> dict[tuple[str, str], str]:
        """Where the disks are after an undisturbed run."""
        moves = () if self.plan.storage is None else self.plan.storage.moves
        return {**before, **{(move.guest.id, disk): move.target for move in moves for disk in move.disks}}


def storage_platform(
    connection: launch.Connection, timeout: float = 30.0
) -> VSpherePlatform | ProxmoxPlatform:
    """A session of its own that reads disks, too."""
    if connection.platform == "vcenter":
        found = connect(connection, timeout)
        assert isinstance(found, VSpherePlatform)
        return found
    return ProxmoxPlatform(
        ProxmoxConnection(
            api_hosts=(connection.host,),
            api_port=connection.port,
            api_user=connection.user,
            api_password=connection.password,
            ca_path=connection.ca_path,
            api_timeout=timeout,
            storage=True,
        ),
        monotonic=quickly,
    )


def cluster_for(platform: str, rng: random.Random) -> Snapshot:
    """A small cluster with some datastores that are too full, as a simulator of the platform loads it."""
    snapshot = generate_storage(
        StorageShape(
            datastores=rng.randint(3, 6), disks=rng.randint(10, 26), hosts=2, fill=rng.uniform(0.4, 0.6),
            skew=5, seed=rng.randrange(10**9), fixed=0, unequal=1.5,
        )
    )  # fmt: skip
    if platform == "vcenter":
        return replace(snapshot, storage_rules=())
    places = tuple(
        replace(place, type="nfs" if number % 2 else "rbd", thin=True, latency=None)
        for number, place in enumerate(snapshot.datastores)
    )
    formats = {place.name: "qcow2" if place.type == "nfs" else "raw" for place in places}
    return replace(
        snapshot,
        platform="proxmox",
        datastores=places,
        guests=tuple(
            replace(guest, disks=tuple(replace(disk, format=formats[disk.datastore]) for disk in guest.disks))
            for guest in snapshot.guests
        ),
        storage_rules=(),
    )


@contextmanager
def planned_moves(
    platform: launch.Platform, folder: Path, seed: int, policy: StoragePolicy | None = None
) -> Iterator[tuple[launch.Simulator, PlannedMoves]]:
    """A running simulator, and a plan of some moves for what was read from it."""
    rng = random.Random(f"{platform} {seed}")
    for attempt in range(100):
        work = folder / f"{platform}{seed}-{attempt}"
        work.mkdir(parents=True)
        cluster = cluster_for(platform, rng)
        (work / "cluster.json").write_text(json.dumps(cluster.to_json()))
        with launch.start(platform, [work / "cluster.json"], work, switches=CALM[platform]) as simulator:
            with closing(storage_platform(simulator.connection)) as session:
                snapshot = session.read()
            wanted = policy or _some_policy(snapshot, rng)
            found = make_plan(snapshot, Policy(goal="storage", storage=wanted))
            if found.storage is not None and len(found.storage.moves) in STEPS:
                yield simulator, PlannedMoves(snapshot, found)
                return
    raise AssertionError("no cluster had a plan of some moves")


def _some_policy(snapshot: Snapshot, rng: random.Random) -> StoragePolicy:
    if rng.random() < 0.25:
        leaving = rng.choice(snapshot.datastores).id
        return StoragePolicy(utilisation=90, evacuate=DatastoreSelector(names=(leaving,)))
    together = rng.random() < 0.5
    return StoragePolicy(utilisation=rng.choice((70, 75, 80)), keep_together=together)


def carry_out(
    planned: PlannedMoves,
    simulator: launch.Connection,
    *,
    journal: Path | None = None,
    failure_policy: FailurePolicy = FailurePolicy(),  # noqa: B008
    stop: StopSignal | None = None,
    ended: Callable[[DiskMoveOutcome], None] = lambda _outcome: None,
) -> DiskMovesEnd:
    """Run the moves of the plan over a session of its own."""
    with closing(storage_platform(simulator)) as platform:
        job = disk_move_job(
            planned.plan, planned.snapshot, {}, timeout=None,
            last_step=max(move.step for move in planned.plan.storage.moves) if planned.plan.storage else 0,
            settling_seconds=platform.capacities.settling_seconds,
        )  # fmt: skip
        assert job is not None
        kept = Journal(None if journal is None else str(journal), "plan")
        end = DiskMoveExecutor(
            job, platform, slots=DiskSlots(per_datastore=2), failure_policy=failure_policy,
            journal=kept, stop=stop or StopSignal(), clock=QuickClock(), ended=ended,
        ).run()  # fmt: skip
        kept.finish()
        return end


def places(simulator: launch.Simulator) -> dict[tuple[str, str], str]:
    """Where each disk of each guest is, as the simulator has it; volumes that no guest uses are left out."""
    state = simulator.state()
    if simulator.connection.platform == "vcenter":
        return {
            (guest, disk): datastore
            for guest, entry in state["guests"].items()
            for disk, datastore in entry["disks"].items()
        }
    return {
        (guest, slot): volume.partition(":")[0]
        for guest, disks in state["disks"].items()
        for slot, volume in disks.items()
        if not slot.startswith("unused")
    }


def unused(simulator: launch.Simulator) -> set[str]:
    """Volumes and files that no guest uses."""
    state = simulator.state()
    if simulator.connection.platform == "vcenter":
        return {
            path if path.startswith("[") else f"[{name}] {path}"
            for name, entry in state["datastores"].items()
            for path in entry["left_behind"]
        }
    strays = {orphan for entry in state["storages"].values() for orphan in entry["orphans"]}
    return strays | {
        volume
        for disks in state["disks"].values()
        for slot, volume in disks.items()
        if slot.startswith("unused")
    }


def least_free(simulator: launch.Simulator) -> dict[str, int]:
    """By datastore the fewest bytes that were ever free."""
    state = simulator.state()
    if simulator.connection.platform == "vcenter":
        return {name: entry["lowest_free"] for name, entry in state["datastores"].items()}
    return {
        name: min(space["least"] for space in entry["spaces"].values())
        for name, entry in state["storages"].items()
        if entry["spaces"]
    }


def settle(simulator: launch.Simulator) -> None:
    """Wait until no disk is being moved."""
    alarm = time.monotonic() + PATIENCE_SECONDS
    while any(move["state"] == "running" for move in simulator.state()["disk_moves"]):
        assert time.monotonic() < alarm, simulator.state()["disk_moves"]
        time.sleep(0.02)


def lost_or_doubled(before: Places, after: Places) -> list[str]:
    """Disks that are no more, or that came from nowhere."""
    return [
        *(f"disk {disk} of guest {guest} is lost" for guest, disk in sorted(before.keys() - after.keys())),
        *(f"disk {disk} of guest {guest} is new" for guest, disk in sorted(after.keys() - before.keys())),
    ]


def unnamed(simulator: launch.Simulator, named: Sequence[str]) -> list[str]:
    """Copies that no guest uses and nobody has named."""
    return [
        f"{volume} is left behind and not named"
        for volume in sorted(unused(simulator))
        if not any(volume in text for text in named)
    ]


def overfull(planned: PlannedMoves, simulator: launch.Simulator, filled: Sequence[str] = ()) -> list[str]:
    """Datastores that were fuller than the policy allows, but for those that were so before, and those that
    somebody else has `filled`.
    """
    policy = planned.plan.policy.storage or StoragePolicy()
    least, found = least_free(simulator), []
    for place in planned.snapshot.datastores:
        if place.capacity is None or place.free is None or place.name in filled or place.name not in least:
            continue
        allowed = max(place.capacity * policy.utilisation / 100, place.capacity - place.free)
        most = place.capacity - least[place.name]
        if most > allowed + 1:
            found.append(f"{place.name} held {most} bytes, and {allowed:.0f} are allowed")
    return found


def untrue(end: DiskMovesEnd, after: Places) -> list[str]:
    """Results that are not so."""
    last = {(one.guest.id, disk): one for one in end.outcomes for disk in one.disks}
    found = []
    for (guest, disk), outcome in last.items():
        there = after.get((guest, disk)) == outcome.target
        if outcome.result in ("migrated", "already_there") and not there:
            found.append(f"{disk} of guest {guest} is called {outcome.result} and is not on {outcome.target}")
        elif outcome.result in ("failed", "cancelled") and there != (disk in outcome.moved):
            found.append(f"{disk} of guest {guest} is called {outcome.result}, moved {outcome.moved}")
    return found


def write(folder: Path, planned: PlannedMoves, connection: launch.Connection) -> None:
    """What this program needs to know."""
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "connection": asdict(connection),
        "snapshot": planned.snapshot.to_json(),
        "plan": planned.plan.to_json(),
    }
    (folder / "planned.json").write_text(json.dumps(document))


def begin(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """The process; what it says goes to `worker.log`."""
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen([sys.executable, __file__, str(folder), *options], stdout=log, stderr=log)


def journal_events(folder: Path) -> list[str]:
    """The events that are in the journal by now."""
    try:
        lines = (folder / "journal").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["event"] for line in lines if line.endswith("}")]


def heard(folder: Path) -> list[DiskMoveOutcome]:
    """The ends that processes have reported so far."""
    try:
        lines = (folder / "heard").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [decode(DiskMoveOutcome, json.loads(line), "outcome") for line in lines if line.endswith("}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--on-failure", choices=["continue", "rollback"], default="continue")
    given = parser.parse_args()
    document = json.loads((given.folder / "planned.json").read_text())
    planned = PlannedMoves(Snapshot.from_json(document["snapshot"]), Plan.from_json(document["plan"]))
    with (given.folder / "heard").open("a") as stream:

        def ended(outcome: DiskMoveOutcome) -> None:
            stream.write(json.dumps(encode(outcome)) + "\n")
            stream.flush()

        end = carry_out(
            planned,
            launch.Connection(**document["connection"]),
            journal=given.folder / "journal",
            failure_policy=FailurePolicy(on_failure=given.on_failure),
            ended=ended,
        )
    print(end.status)


if __name__ == "__main__":
    main()
