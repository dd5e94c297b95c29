# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement of new guests: its duration, and the resulting balance, compared with Ganeti's hail.

    .venv/bin/python benchmarks/placement.py [--size 1000x40000] [--batch 500] [--seed 1] [--runs 3]

Hosts are equal, and only memory and assigned cores count, because hail supports nothing else that this
collection does. Both receive the same cluster and the same guests in the same run. The score is the one that
hail minimises: the standard deviation over the hosts in percent, summed over the two. Times are of one
request after the snapshot is loaded. hail reads its cluster first, so its reading time is measured separately
by a request that it can't meet. Its check that any one node may fail, which takes it minutes, is disabled.
Exits with 1 if one guest takes 200 ms of processor time or more, the batch 5 s, or if the cluster is less
balanced than after hail by half a percent.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import pstdev
from typing import TypeVar

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place

T = TypeVar("T")
PROGRAM = "/usr/lib/ganeti/3.0/usr/bin/htools"
GROUP = "00000000-0000-0000-0000-000000000001"
MIB = 1024**2
GIB = 1024**3
CORES = 64
OWN = 2048
# hail refuses more than 8 cores or 32 GiB for a guest unless its policy says otherwise.
SIZES = tuple((cores, gib * 1024) for cores in (1, 2, 4, 8) for gib in (2, 4, 8, 16, 32))
ONE_SECONDS, BATCH_SECONDS = 0.2, 5.0
MAX_SECONDS = 300.0


def cluster(hosts: int, guests: int, seed: int) -> Snapshot:
    """Returns equal hosts, two thirds full, with guests of a few sizes on random hosts."""
    rng = random.Random(seed)
    shapes = [rng.choice(SIZES) for _guest in range(guests)]
    memory = int(sum(mib for _cores, mib in shapes) / hosts / 0.6)
    rooms = [memory - OWN] * hosts
    places = []
    for _cores, mib in shapes:
        chosen = max((rng.randrange(hosts) for _try in range(2)), key=lambda host: rooms[host])
        rooms[chosen] -= mib
        places.append(chosen)
    return Snapshot(
        platform="synthetic",
        cluster=ClusterRef(id="benchmark", name="benchmark"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=0,
        hosts=tuple(
            Host(
                id=f"h{index}",
                name=f"h{index}",
                status="online",
                maintenance=False,
                schedulable=True,
                capacity={"cpu": float(CORES), "memory": memory * MIB},
                used={"cpu": 1.0, "memory": (memory - left) * MIB},
            )
            for index, left in enumerate(rooms)
        ),
        guests=tuple(
            Guest(
                id=f"g{index}",
                name=f"g{index}",
                kind="vm",
                host=f"h{home}",
                power="running",
                assigned={"cpu": cores, "memory": mib * MIB},
                used={"cpu": 0.01, "memory": mib * MIB},
                migratable=True,
            )
            for index, ((cores, mib), home) in enumerate(zip(shapes, places, strict=True))
        ),
        rules=(),
    )


def wanted(count: int, seed: int) -> dict[str, tuple[int, int]]:
    rng = random.Random(seed + 1)
    return {f"new{index}": rng.choice(SIZES) for index in range(count)}


def ours(snapshot: Snapshot, vms: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    request = PlacementRequest.from_json(
        {
            "vms": [
                {"name": name, "cpu": cores, "memory": mib * MIB, "used": {"cpu": 0.01}}
                for name, (cores, mib) in vms.items()
            ],
            "policy": {"metrics": ["memory", "vcpu"], "demand": "assigned"},
        }
    )
    answer = place([snapshot], request)
    return {one.name: one.host.id for one in answer.placements}


def write(snapshot: Snapshot, folder: Path) -> Path:
    """Writes the cluster as hail reads it, sizes in MiB."""
    held: dict[str, int] = {}
    for guest in snapshot.guests:
        held[guest.host] = held.get(guest.host, 0) + int(guest.assigned["memory"] or 0) // MIB
    nodes = []
    for host in snapshot.hosts:
        memory = int(host.capacity["memory"] or 0) // MIB
        free = memory - OWN - held.get(host.id, 0)
        nodes.append(
            f"{host.id}|{memory}|{OWN}|{free}|100000000|100000000|{CORES}|N|{GROUP}|1000000||N|1000000|0|1.0"
        )
    guests = []
    for guest in snapshot.guests:
        mib, cores = int(guest.assigned["memory"] or 0) // MIB, int(guest.assigned["cpu"] or 0)
        guests.append(f"{guest.id}|{mib}|1024|{cores}|running|Y|{guest.host}||ext||1")
    path = folder / "cluster.data"
    path.write_text("\n".join([f"default|{GROUP}|preferred||", "", *nodes, "", *guests, "", "", ""]) + "\n")
    return path


def hail(data: Path, name: str, cores: int, mib: int) -> str | None:
    """Returns the host that hail selects, or None if it refuses or does not end."""
    asked = {
        "type": "allocate",
        "name": name,
        "memory": mib,
        "vcpus": cores,
        "disks": [{"size": 1024, "mode": "rw", "spindles": 1}],
        "disk_space_total": 1024,
        "disk_template": "ext",
        "tags": [],
        "required_nodes": 1,
        "spindle_use": 1,
        "nics": [],
        "os": "x",
        "hypervisor": "kvm",
    }
    empty = {"nodegroups": {}, "ipolicy": {}, "nodes": {}, "instances": {}, "cluster_tags": []}
    request = data.with_suffix(".json")
    request.write_text(
        json.dumps(
            {"version": 2, "cluster_name": "c", "enabled_hypervisors": ["kvm"], **empty, "request": asked}
        )
    )
    command = [PROGRAM, "--ignore-dynu", "--no-capacity-checks", "-t", str(data), str(request)]
    environment = {**os.environ, "HTOOLS": "hail"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=MAX_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise RuntimeError(f"hail: {done.stdout[-500:]}{done.stderr[-500:]}")
    answer = json.loads(done.stdout)
    return str(answer["result"][0]) if answer["success"] else None


def in_turn(
    snapshot: Snapshot, vms: Mapping[str, tuple[int, int]], folder: Path
) -> tuple[dict[str, str], float]:
    """Returns the host that hail selects for each guest after the previous ones are placed, and hail's
    seconds.

    Its own request for several guests never uses a node twice, and so leaves the cluster less balanced.
    """
    places: dict[str, str] = {}
    seconds = 0.0
    for name, (cores, mib) in vms.items():
        data = write(snapshot, folder)
        host, took, _busy = timed(1, lambda data=data, name=name, c=cores, m=mib: hail(data, name, c, m))
        seconds += took
        if host is None:
            return {}, seconds
        places[name] = host
        new = Guest(
            id=name,
            name=name,
            kind="vm",
            host=host,
            power="running",
            assigned={"cpu": cores, "memory": mib * MIB},
            used={"cpu": 0.01, "memory": mib * MIB},
            migratable=True,
        )
        snapshot = replace(snapshot, guests=(*snapshot.guests, new))
    return places, seconds


def score(snapshot: Snapshot, vms: Mapping[str, tuple[int, int]], places: Mapping[str, str]) -> float:
    """Returns the sum of the two standard deviations, in percent."""
    memory = {host.id: (host.used["memory"] or 0) / MIB for host in snapshot.hosts}
    cores = dict.fromkeys(memory, 0.0)
    for guest in snapshot.guests:
        cores[guest.host] += guest.assigned["cpu"] or 0
    for name, host in places.items():
        cores[host] += vms[name][0]
        memory[host] += vms[name][1]
    size = (snapshot.hosts[0].capacity["memory"] or 1) / MIB
    return 100 * (pstdev(memory.values()) / size + pstdev(cores.values()) / CORES)


def timed(runs: int, work: Callable[[], T]) -> tuple[T, float, float]:
    """Returns the result, and the shortest duration in seconds of wall time and of processor time."""
    clock, processor = [], []
    for _run in range(runs):
        begun, used = time.perf_counter(), time.process_time()
        result = work()
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return result, min(clock), min(processor)


def compare(
    snapshot: Snapshot, folder: Path, vms: Mapping[str, tuple[int, int]], limit: float, runs: int
) -> bool:
    """Prints a row. Returns whether the placement is fast enough and no worse than hail, if hail has a
    result.
    """
    places, seconds, busy = timed(runs, lambda: ours(snapshot, vms))
    good = len(places) == len(vms) and busy < limit
    own = score(snapshot, vms, places)
    print(
        f"{len(places)} guests: ours {seconds:.3f} s ({busy:.3f} s of processor), score {own:.4f}", flush=True
    )
    if not Path(PROGRAM).exists():
        print("    hail is not there: apt-get install ganeti-htools")
        return good
    data = write(snapshot, folder)
    _none, reading, _busy = timed(1, lambda: hail(data, "huge", 1, 10**9))
    first = dict([next(iter(vms.items()))])
    theirs, total = in_turn(snapshot, first, folder)
    if theirs and len(vms) > 1 and total * len(vms) < MAX_SECONDS:
        theirs, total = in_turn(snapshot, vms, folder)
    elif len(vms) > 1:
        whole = total * len(vms)
        print(f"    hail would take about {whole:.0f} s, {whole / seconds:.0f} times as long")
        return good
    if not theirs:
        print(f"    hail has no answer after {total:.0f} s")
        return good
    peer = score(snapshot, vms, theirs)
    net = max(total - reading * len(vms), 1e-3)
    print(f"    hail {total:.3f} s, {reading * len(vms):.3f} s of it to read; score {peer:.4f}")
    times = f"{net / seconds:.2f} without reading, {total / seconds:.1f} with it"
    print(f"    hail / ours: time {times}; score {peer / own:.4f}", flush=True)
    return good and own <= peer * 1.005


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1000x40000")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--small", default="60x2000", help="a cluster that hail can place a batch on")
    parser.add_argument("--small-batch", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    good = True
    for size, batch in ((options.small, options.small_batch), (options.size, options.batch)):
        hosts, guests = (int(part) for part in size.split("x"))
        snapshot = cluster(hosts, guests, options.seed)
        print(f"{hosts} hosts, {guests} guests, score before {score(snapshot, {}, {}):.4f}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            good &= compare(snapshot, Path(folder), wanted(1, options.seed), ONE_SECONDS, options.runs)
            good &= compare(snapshot, Path(folder), wanted(batch, options.seed), BATCH_SECONDS, options.runs)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
