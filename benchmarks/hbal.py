# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ganeti's hbal for comparison: the same cluster in its text format, and the list of moves that it prints.

hbal never divides the dynamic load by the capacity of a host, so only clusters of equal hosts can be
compared. With vCPUs, spindles and memory at 0 its score is exactly the sum over the resources of the standard
deviation of the load.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

PROGRAM = "/usr/lib/ganeti/3.0/usr/bin/hbal"
GROUP = "00000000-0000-0000-0000-000000000001"
MOVE = re.compile(r"^\s*\d+\.\s+(\S+)\s+(\S+)\s+=>\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Run:
    """The moves of one run, (guest, target) in order, and its duration in seconds."""

    moves: tuple[tuple[str, str], ...]
    seconds: float
    finished: bool


def write(snapshot: Snapshot, metrics: tuple[str, ...], folder: Path) -> tuple[Path, Path]:
    """Writes the cluster as hbal reads it (-t), and the loads of the guests as shares of a host (-U)."""
    capacity = snapshot.hosts[0].capacity
    nodes = [
        f"{host.id}|1000000|0|1000000|1000000|1000000|1000|N|{GROUP}|1000||N|1000|1000|1.0"
        for host in snapshot.hosts
    ]
    guests = [f"{g.id}|0|0|0|running|Y|{g.host}||ext||0" for g in snapshot.guests]
    loads = []
    for guest in snapshot.guests:
        shares = [(guest.used[name] or 0.0) / (capacity[name] or 1.0) for name in metrics]
        loads.append(" ".join([guest.id, *(f"{share:.9f}" for share in [*shares, 0.0, 0.0, 0.0, 0.0][:4])]))
    data, util = folder / "cluster.data", folder / "cluster.util"
    data.write_text("\n".join([f"default|{GROUP}|preferred||", "", *nodes, "", *guests, "", "", ""]) + "\n")
    util.write_text("\n".join(loads) + "\n")
    return data, util


def run(snapshot: Snapshot, metrics: tuple[str, ...], folder: Path, most: int, timeout: float) -> Run:
    """Runs hbal for at most `most` moves; the moves printed before the time limit count."""
    data, util = write(snapshot, metrics, folder)
    command = [PROGRAM, "-t", data, "-U", util, "-g", "1e-7", "--min-gain-limit", "0", "-l", str(most)]
    started = time.perf_counter()
    log = folder / "hbal.out"
    with log.open("w") as out:
        try:
            subprocess.run(
                ["stdbuf", "-oL", *map(str, command)],
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
            finished = True
        except subprocess.TimeoutExpired:
            finished = False
    seconds = time.perf_counter() - started
    moves = [match.groups() for line in log.read_text().splitlines() if (match := MOVE.match(line))]
    return Run(
        moves=tuple((guest, target.split(":")[0]) for guest, _, target in moves),
        seconds=seconds,
        finished=finished,
    )
