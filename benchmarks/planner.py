# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks of the planner, measured in one run:

    .venv/bin/python benchmarks/planner.py [--full] [--only small,large,hbal,stability,makespan,scale,module]

hbal (Debian package ganeti-htools-3.0) is compared. Results with a time limit and all times depend on the
machine; everything else is the same in every run. Writes docs/benchmarks/planner.json and its plots.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import clusters
import hbal
import plots
from promises import LIMITS, Figures, makespan, share, stability

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
SPREADS = (30, 20, 15, 10)
# More steps than fit into 20 seconds.
BEST = 40000
OPEN = dict.fromkeys(LIMITS, 100)
# hbal takes some hours and a half for 64 x 2000.
PATIENCE, IMPATIENCE = 7200, 120


def policy(**more: object) -> Policy:
    """Returns four metrics and no limits, because hbal supports nothing else."""
    return Policy.from_json({"metrics": list(clusters.METRICS), "limits": OPEN, **more})


def timed(snapshot: Snapshot, asked: Policy) -> tuple[Plan, float]:
    started = time.perf_counter()
    result = plan(snapshot, asked)
    return result, time.perf_counter() - started


def small(full: bool) -> Figures:
    """8 hosts x 100 guests: how often the search finds, within 5 s, the number of migrations that is proven
    to be the minimum.
    """
    seeds = range(1, 51) if full else range(1, 6)
    rows = []
    for seed in seeds:
        snapshot = clusters.equal_hosts(8, 100, seed, tail=0.7)
        for spread in (30, 20):
            found, seconds = timed(snapshot, policy(max_spread=spread, effort=30000, time_limit=5))
            exact, longer = timed(
                snapshot,
                policy(max_spread=spread, effort=300, engine="exact", time_limit=1200 if full else 60),
            )
            rows.append(
                {
                    "seed": seed,
                    "spread": spread,
                    "status": found.status,
                    "search": len(found.migrations),
                    "seconds": seconds,
                    "exact": len(exact.migrations),
                    "proven": exact.proof.optimal,
                    "exact_seconds": longer,
                }
            )
            show(rows[-1])
    reachable = [row for row in rows if row["status"] == "balanced"]
    proven = [row for row in reachable if row["proven"]]
    return {
        "rows": rows,
        "search has the proven optimum": share(row["search"] == row["exact"] for row in proven),
        "exact proves it": share(row["proven"] for row in reachable),
        "slowest search": max(row["seconds"] for row in rows),
        "exact, median seconds": statistics.median(row["exact_seconds"] for row in rows),
        "exact, most seconds": max(row["exact_seconds"] for row in rows),
    }


def against_hbal(full: bool) -> Figures:
    """Measures on equal clusters the migrations until all four spreads are below a limit, and hbal's score at
    its own number of moves.
    """
    sizes = [(16, 300), (32, 1000)] + ([(64, 2000)] if full else [])
    rows = []
    for hosts, guests in sizes:
        for seed in (1, 2, 3) if hosts < 64 else (1,):
            snapshot = clusters.equal_hosts(hosts, guests, seed)
            with tempfile.TemporaryDirectory() as folder:
                patience = PATIENCE if full else IMPATIENCE
                peer = hbal.run(snapshot, clusters.METRICS, Path(folder), 10 * hosts, patience)
            reached, score = replay(snapshot, peer)
            for spread in SPREADS:
                first, quick = timed(snapshot, policy(max_spread=spread, effort=0))
                best, seconds = timed(snapshot, policy(max_spread=spread, effort=BEST, time_limit=20))
                rows.append(
                    {
                        "cluster": f"{hosts}x{guests}",
                        "seed": seed,
                        "spread": spread,
                        "hbal": reached.get(spread),
                        "first": len(first.migrations) if first.status == "balanced" else None,
                        "best": len(best.migrations) if best.status == "balanced" else None,
                        "bound": best.proof.migrations_lower_bound,
                        "hbal_seconds": peer.seconds,
                        "hbal_finished": peer.finished,
                        "first_seconds": quick,
                        "best_seconds": seconds,
                    }
                )
                show(rows[-1])
            level = policy(
                max_spread=0, max_migrations=len(peer.moves), effort=BEST, time_limit=20, min_gain=0
            )
            flat, seconds = timed(snapshot, level)
            rows.append(
                {
                    "cluster": f"{hosts}x{guests}",
                    "seed": seed,
                    "hbal_moves": len(peer.moves),
                    "hbal_score": score,
                    "moves": len(flat.migrations),
                    "score": score_of(snapshot_after(snapshot, flat)),
                    "seconds": seconds,
                }
            )
            show(rows[-1])
    fewer = [1 - row["best"] / row["hbal"] for row in rows if row.get("best") and row.get("hbal")]
    flatter = [row["score"] / row["hbal_score"] for row in rows if "score" in row]
    quicker = [row["first_seconds"] / row["hbal_seconds"] for row in rows if row.get("first")]
    return {
        "rows": rows,
        "fewer migrations than hbal, mean": statistics.mean(fewer),
        "least and most": (min(fewer), max(fewer)),
        "score against hbal's, mean": statistics.mean(flatter),
        "first plan's time against hbal's, mean": statistics.mean(quicker),
    }


def large(full: bool) -> Figures:
    """100 hosts x 5000 guests at 20 points: the first plan, and the best plan of 40 s."""
    snapshot = clusters.equal_hosts(100, 5000, 1)
    first, quick = timed(snapshot, policy(max_spread=20, effort=0))
    best, seconds = timed(snapshot, policy(max_spread=20, effort=BEST, time_limit=40 if full else 10))
    return {
        "first": len(first.migrations) if first.status == "balanced" else None,
        "first_seconds": quick,
        "best": len(best.migrations) if best.status == "balanced" else None,
        "best_seconds": seconds,
        "bound": best.proof.migrations_lower_bound,
    }


def replay(snapshot: Snapshot, peer: hbal.Run) -> tuple[dict[int, int], float]:
    """Returns the number of moves after which hbal is below each limit, and its final score."""
    size = {guest.id: guest.used for guest in snapshot.guests}
    at = {guest.id: guest.host for guest in snapshot.guests}
    load = {host.id: dict(host.used) for host in snapshot.hosts}
    reached: dict[int, int] = {}
    for number, (guest, target) in enumerate(peer.moves, 1):
        for name in clusters.METRICS:
            load[at[guest]][name] = (load[at[guest]][name] or 0) - (size[guest][name] or 0)
            load[target][name] = (load[target][name] or 0) + (size[guest][name] or 0)
        at[guest] = target
        widest = max(
            100
            * (max(v[name] or 0 for v in load.values()) - min(v[name] or 0 for v in load.values()))
            / clusters.CAPACITY[name]
            for name in clusters.METRICS
        )
        for spread in SPREADS:
            if widest <= spread:
                reached.setdefault(spread, number)
    return reached, score(load)


def score(load: Mapping[str, Mapping[str, float | None]]) -> float:
    return sum(
        statistics.pstdev([(values[name] or 0) / clusters.CAPACITY[name] for values in load.values()])
        for name in clusters.METRICS
    )


def score_of(snapshot: Snapshot) -> float:
    return score({host.id: host.used for host in snapshot.hosts})


def scale(full: bool) -> Figures:
    """Measures the duration of a plan as clusters grow, including reading the snapshot."""
    rows = []
    for hosts, guests in [(8, 200), (64, 2000), (64, 3000), (100, 5000)] + ([(1000, 40000)] if full else []):
        text = json.dumps(generate(Shape(hosts=hosts, guests=guests, seed=1)).to_json())
        started = time.perf_counter()
        snapshot = Snapshot.from_json(json.loads(text))
        read = time.perf_counter() - started
        result, seconds = timed(snapshot, Policy())
        rows.append(
            {
                "cluster": f"{hosts}x{guests}",
                "read": read,
                "plan": seconds,
                "status": result.status,
                "migrations": len(result.migrations),
                "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
        show(rows[-1])
    return {"rows": rows}


def module(full: bool) -> Figures:
    """Measures a large cluster at 15 points, by the module from file to file, including Ansible."""
    hosts, guests = (1000, 40000) if full else (100, 4000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = generate(Shape(hosts=hosts, guests=guests, seed=1))
        (folder / "snapshot.json").write_text(json.dumps(snapshot.to_json()))
        options = {
            "snapshot_path": f"{folder}/snapshot.json",
            "plan_path": f"{folder}/plan.json",
            "max_spread": 15,
        }
        started = time.perf_counter()
        subprocess.run(
            [
                Path(sys.executable).with_name("ansible"),
                "localhost",
                "--module-name=evenkeel.cluster.balance_plan",
                f"--args={json.dumps(options)}",
            ],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        seconds = time.perf_counter() - started
        result = Plan.from_json(json.loads((folder / "plan.json").read_text()))
    return {
        "cluster": f"{hosts}x{guests}",
        "status": result.status,
        "migrations": len(result.migrations),
        "rules left broken": len(result.after.violations),
        "widest spread": max(value or 0.0 for value in result.after.spread.values()),
        "seconds": seconds,
        "MiB of the largest process": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def show(row: Mapping[str, Any]) -> None:
    cells = [
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    ]
    print("  " + ", ".join(cells), flush=True)


SECTIONS: dict[str, Callable[[bool], Figures]] = {
    "scale": scale,
    "module": module,
    "makespan": makespan,
    "stability": stability,
    "small": small,
    "large": large,
    "hbal": against_hbal,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="all sizes and seeds; takes some hours")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / "planner.json"
    figures: dict[str, Figures] = json.loads(file.read_text()) if file.exists() else {}
    for name in asked.only.split(","):
        print(f"{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}", flush=True)
        figures[name] = SECTIONS[name](asked.full)
        show({key: value for key, value in figures[name].items() if key != "rows"})
        file.write_text(json.dumps(figures, indent=1) + "\n")
    plots.draw(figures, RESULTS)


if __name__ == "__main__":
    main()
