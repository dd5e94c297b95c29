# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random plans for datastores, random faults, random kills: checks invariants, as the simulators saw them.

    .venv/bin/python benchmarks/storage_soak.py [--runs 200] [--seed 1] [--platform vcenter]…

A run has a generated cluster on its own simulator, a plan that moves disks, and up to three parts: each meets
up to three faults at random moments, or is killed in the middle. Then the faults end, and the same plan is
run once more. No disk may be lost or be in two places without being named, no datastore may get fuller than
the policy allows, and each result must be so. Prints a line for each violation, with the seed that reproduces
it (`--runs 1 --seed SEED --platform P`), and the totals at the end; exits with 1 if there was any violation,
or if none of many runs was rolled back.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import DiskMoveOutcome
from ansible_collections.evenkeel.cluster.tests.simulators.launch import LaunchError, Platform, Simulator
from ansible_collections.evenkeel.cluster.tests.support import storage_runs as runs
from ansible_collections.evenkeel.cluster.tests.support.storage_runs import MOVE_SECONDS, PlannedMoves

PLATFORMS: list[Platform] = ["vcenter", "proxmox"]
LOOKING = {"vcenter": "RetrievePropertiesEx", "proxmox": "GET /cluster/resources"}
STARTING = {"vcenter": "RelocateVM_Task", "proxmox": "POST /nodes/{node}/qemu/{vmid}/move_disk"}
ENOUGH = 40
"""Runs of which some must have been rolled back."""
Inject = Callable[[Simulator], object]


def some_fault(planned: PlannedMoves, platform: Platform, rng: random.Random) -> tuple[str, Inject]:
    """A random fault, on a guest or datastore of this plan."""
    storage = planned.plan.storage
    assert storage is not None
    move = rng.choice(storage.moves)
    guest, percent, times = move.guest.id, rng.uniform(0, 99), rng.randint(1, 3)
    places = {place.id: place for place in planned.snapshot.datastores}
    filled = places[move.target]
    left = int((filled.free or 0) * rng.uniform(0.0, 0.3))

    def failing(call: str, error: object) -> Inject:
        return lambda sim: sim.switches(fail_calls=[{"call": call, "error": error, "count": times}])

    def cut_off(call: str, when: str) -> Inject:
        return lambda sim: sim.switches(drop_connection=[{"call": call, "count": 1, "when": when}])

    choices: dict[str, Inject] = {
        "sessions end": lambda sim: sim.expire_sessions(),
        "503 on a look": failing(LOOKING[platform], 503),
        "503 on anything": failing("*", 503),
        "503 on a start": failing(STARTING[platform], 503),
        "look cut off": cut_off(LOOKING[platform], "before"),
        "start cut off before": cut_off(STARTING[platform], "before"),
        "start cut off after": cut_off(STARTING[platform], "after"),
        "slow answers": lambda sim: sim.switches(latency_seconds=0.02),
        "a datastore fills up": lambda sim: sim.change_storage(filled.name, free=left),
    }
    if platform == "proxmox":
        fault = {"guest": guest, "at_percent": percent, "error": "storage migration failed", "count": 1}
        choices |= {
            "a copy fails": lambda sim: sim.switches(fail_disk_moves=[{**fault, "leaves": False}]),
            "half a copy stays": lambda sim: sim.switches(fail_disk_moves=[{**fault, "leaves": True}]),
            "a task only says OK": lambda sim: sim.switches(fail_disk_moves=[{**fault, "error": "OK"}]),
            "an old copy stays": lambda sim: sim.switches(keep_sources=[guest]),
            "a storage is disabled": lambda sim: sim.change_storage(filled.name, disabled=True),
        }
    else:
        fault = {"guest": guest, "at_percent": percent, "error": "SystemError", "count": 1}
        stays = [{"guest": guest, "count": times}]
        choices |= {
            "a copy fails": lambda sim: sim.switches(fail_migrations=[fault]),
            "half a copy stays": lambda sim: sim.switches(fail_migrations=[fault], fail_deletions=stays),
            "a task only says OK": lambda sim: sim.switches(fail_migrations=[{**fault, "error": "OK"}]),
            "an old copy stays": lambda sim: sim.switches(fail_deletions=stays),
            "maintenance": lambda sim: sim.change_storage(filled.id, maintenance="inMaintenance"),
        }
    return rng.choice(sorted(choices.items()))


class Storm:
    """Injects faults during a run, each at its moment."""

    def __init__(self, simulator: Simulator, planned: PlannedMoves, rng: random.Random) -> None:
        platform: Platform = "vcenter" if simulator.connection.platform == "vcenter" else "proxmox"
        self._simulator = simulator
        self._faults = sorted(
            (
                # Some are there from the beginning: a vCenter moves all disks of a guest at once, and a plan
                # is often through before anything comes later.
                (rng.choice((0.0, rng.uniform(0, 4 * MOVE_SECONDS))), *some_fault(planned, platform, rng))
                for _number in range(rng.randint(0, 3))
            ),
            key=lambda entry: entry[0],
        )
        self.struck: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _blow(self) -> None:
        began = time.monotonic()
        for moment, name, inject in self._faults:
            if self._over.wait(max(0.0, began + moment - time.monotonic())):
                return
            # Such a thing may not be possible now.
            with suppress(LaunchError, EvenKeelError):
                inject(self._simulator)
                self.struck.append(name)


def one_part(
    simulator: Simulator,
    planned: PlannedMoves,
    folder: Path,
    rng: random.Random,
    named: list[str],
    seen: Counter[str],
) -> list[str]:
    """Runs the plan once, killed or not; returns the violations."""
    policy = FailurePolicy(on_failure=rng.choice(["continue", "stop", "rollback", "rollback"]))
    killed = rng.random() < 0.3
    told: list[DiskMoveOutcome] = []
    found: list[str] = []
    end = None
    with Storm(simulator, planned, rng) as storm:
        if killed:
            _kill(folder, rng, rollback=policy.on_failure == "rollback")
        else:
            with suppress(EvenKeelError):
                # When it could not even begin, nothing was said that could be wrong.
                end = runs.carry_out(
                    planned,
                    simulator.connection,
                    journal=folder / "journal",
                    failure_policy=policy,
                    ended=told.append,
                )
    seen.update(storm.struck)
    seen["killed"] += killed
    seen["rolled back"] += end is not None and end.status == "rolled_back"
    if end is not None:
        # Who lost contact says so.
        lost = any("Lost contact" in one.why for one in end.outcomes)
        runs.settle(simulator)
        found += [] if lost else runs.untrue(end, runs.places(simulator))
        told += end.outcomes
    named += [text for one in [*told, *runs.heard(folder)] for text in one.left_behind]
    return found


def _kill(folder: Path, rng: random.Random, *, rollback: bool) -> None:
    process = runs.begin(folder, *(["--on-failure", "rollback"] if rollback else []))
    event, times = rng.choice(["plan", "begin", "started", "ended"]), rng.randint(1, 3)
    alarm = time.monotonic() + 20
    while (
        process.poll() is None
        and runs.journal_events(folder).count(event) < times
        and time.monotonic() < alarm
    ):
        time.sleep(0.005)
    time.sleep(rng.uniform(0, MOVE_SECONDS))
    process.kill()
    process.wait()


def one_run(platform: Platform, seed: int, folder: Path, seen: Counter[str]) -> list[str]:
    """The violations of one run."""
    rng = random.Random(f"{platform} {seed} run")
    with runs.planned_moves(platform, folder, seed) as (simulator, planned):
        work = folder / f"work{seed}"
        runs.write(work, planned, simulator.connection)
        before = runs.places(simulator)
        named: list[str] = []
        found: list[str] = []
        for _part in range(rng.randint(1, 3)):
            found += one_part(simulator, planned, work, rng, named, seen)
            runs.settle(simulator)
            found += runs.lost_or_doubled(before, runs.places(simulator))
        _clear_up(simulator, planned)
        for _number in range(2):
            # An earlier part that was going back goes there first.
            end = runs.carry_out(planned, simulator.connection, journal=work / "journal")
            named += [text for one in end.outcomes for text in one.left_behind]
        after = runs.places(simulator)
        found += runs.lost_or_doubled(before, after) + runs.untrue(end, after)
        goal = planned.goal(before)
        for one in end.outcomes:
            astray = [
                disk for disk in one.disks if after.get((one.guest.id, disk)) != goal[one.guest.id, disk]
            ]
            # What was left behind takes room that others were to have.
            if astray and "too little free space" not in one.why and "depends on" not in one.why:
                found.append(f"{astray} of guest {one.guest.id} stay: {one.result}: {one.why}")
        found += runs.unnamed(simulator, named)
        seen["volumes left behind"] += len(runs.unused(simulator))
        negative = [name for name, free in runs.least_free(simulator).items() if free < 0]
        found += [f"{name} was overfull" for name in negative]
        if not seen["rolled back"] and "a datastore fills up" not in seen:
            found += runs.overfull(planned, simulator)
        seen["moves"] += len(end.outcomes)
        return found


def _clear_up(simulator: Simulator, planned: PlannedMoves) -> None:
    """As if nothing had ever gone wrong; what others have put onto a datastore is gone."""
    platform = simulator.connection.platform
    simulator.switches(**runs.CALM[platform])
    used = _used_by_disks(simulator, planned)
    for place in planned.snapshot.datastores:
        change: dict[str, object] = (
            {"disabled": False} if platform == "proxmox" else {"maintenance": "normal"}
        )
        if place.capacity is not None and place.free is not None:
            change["free"] = place.free + used.get(place.id, 0)
        simulator.change_storage(place.name if platform == "proxmox" else place.id, **change)


def _used_by_disks(simulator: Simulator, planned: PlannedMoves) -> dict[str, int]:
    """By datastore the bytes that have left it, less those that came, by what each disk takes."""
    now, gained = runs.places(simulator), Counter[str]()
    names = {place.name: place.id for place in planned.snapshot.datastores}
    for guest in planned.snapshot.guests:
        for disk in guest.disks:
            here = now.get((guest.id, disk.id or ""))
            if here is not None and here != names.get(disk.datastore):
                gained[names[disk.datastore]] += disk.used or 0
                gained[here] -= disk.used or 0
    return dict(gained)


def soak(platforms: Sequence[Platform], count: int, seed: int) -> int:
    """Runs them all; returns the number of violations."""
    violations = 0
    for platform in platforms:
        total: Counter[str] = Counter()
        began = time.monotonic()
        for number in range(seed, seed + count):
            seen: Counter[str] = Counter()
            with tempfile.TemporaryDirectory() as folder:
                found = one_run(platform, number, Path(folder), seen)
            total.update(seen)
            violations += len(found)
            for line in found:
                print(f"{platform} --seed {number}: {line} ({', '.join(sorted(seen))})", flush=True)
        if count >= ENOUGH and not total["rolled back"]:
            violations += 1
            print(f"{platform}: no run of {count} was rolled back, so nothing is known of that", flush=True)
        print(f"{platform}: {count} runs in {time.monotonic() - began:.0f} s, {dict(total)}", flush=True)
    print(f"{violations} violations", flush=True)
    return violations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--platform", choices=PLATFORMS, action="append")
    given = parser.parse_args()
    sys.exit(1 if soak(given.platform or PLATFORMS, given.runs, given.seed) else 0)


if __name__ == "__main__":
    main()
