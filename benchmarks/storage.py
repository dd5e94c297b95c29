# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long planning of disk moves takes, how much memory, and how near it comes to its bound.

.venv/bin/python benchmarks/storage.py
.venv/bin/python benchmarks/storage.py --datastores 100 --disks 20000 --max-spread 10
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.tests.support.exact_storage import fewest_bytes
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

GIB = 1024**3


SMALL: tuple[dict[str, object], ...] = (
    {},
    {"max_spread": 15},
    {"keep_together": False},
    {"max_spread": 20, "growth": 20},
    {"latency": 15},
    {"utilisation": 70, "growth": 10},
)


@dataclass
class Comparison:
    """Plans against the fewest bytes. solvable: clusters that can be brought in order, and are not yet."""

    solvable: int = 0
    in_order: int = 0
    fewest: int = 0
    proven: int = 0
    worst: float = 1.0
    bounds_above: int = 0
    not_solvable: int = 0


def small_cluster(seed: int) -> StorageShape:
    """Three to six datastores with 10 to 30 disks."""
    return StorageShape(
        seed=seed,
        datastores=3 + seed % 4,
        disks=10 + seed % 21,
        local=int(seed % 5 == 0),
        unmeasured=0.2 * (seed % 7 == 0),
        rules=seed % 3,
        maintenance=int(seed % 6 == 0),
        busy=0.3 * (seed % 3 == 0),
        fill=0.4 + 0.05 * (seed % 5),
        fixed=0.03,
    )


def compare_with_exact(seeds: Iterable[int], most: int | None = None) -> Comparison:
    """Plans of small clusters against an integer program, until so many can be brought in order."""
    result = Comparison()
    for seed in seeds:
        snapshot = generate_storage(small_cluster(seed))
        policy = Policy.from_json({"goal": "storage", "storage": SMALL[seed % len(SMALL)]})
        least = None if policy.storage is None else fewest_bytes(build_problem(snapshot, policy.storage))
        if not least:
            result.not_solvable += least is None
            continue
        plan = plan_storage(snapshot, policy)
        result.solvable += 1
        result.bounds_above += plan.proof.bytes_lower_bound > least
        if plan.status == "balanced":
            result.in_order += 1
            result.fewest += plan.proof.bytes <= least
            result.proven += plan.proof.optimal
            result.worst = max(result.worst, plan.proof.bytes / least)
        if result.solvable == most:
            break
    return result


@dataclass(frozen=True)
class Case:
    """A cluster and the policy for it."""

    shape: StorageShape
    policy: Policy


def cases(datastores: int, disks: int, max_spread: float | None) -> list[Case]:
    """Space alone, the same with levelling, and a datastore to be emptied beside busy ones."""
    plain = StorageShape(datastores=datastores, disks=disks, hosts=8, fill=0.6, rules=disks // 40)
    busy = StorageShape(datastores=datastores, disks=disks, hosts=8, fill=0.6, maintenance=1, busy=0.1)
    policies: list[dict[str, object]] = [{}, {"max_spread": 10.0 if max_spread is None else max_spread}]
    found = [Case(plain, Policy.from_json({"goal": "storage", "storage": storage})) for storage in policies]
    found.append(Case(busy, Policy.from_json({"preset": "sdrs"})))
    return found


def measure(case: Case) -> str:
    """One line of figures."""
    snapshot = generate_storage(case.shape)
    start = time.process_time()
    plan = plan_storage(snapshot, case.policy)
    seconds = time.process_time() - start
    moved = [MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in plan.moves]
    start = time.process_time()
    again = plan_storage(snapshot_after_disk_moves(snapshot, moved), case.policy)
    second = time.process_time() - start
    proof = plan.proof
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{case.shape.datastores:4} datastores {case.shape.disks:6} disks: {plan.status}, "
        f"{len(plan.moves)} moves in {max((move.wave for move in plan.moves), default=0)} waves, "
        f"{proof.bytes / GIB:.1f} GiB (bound {proof.bytes_lower_bound / GIB:.1f}), "
        f"{len(plan.unresolved)} unresolved, {seconds:.1f} s of processor time; "
        f"second plan {len(again.moves)} moves, {second:.1f} s; peak {memory:.0f} MiB"
    )


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datastores", type=int, default=20)
    parser.add_argument("--disks", type=int, default=2000)
    parser.add_argument("--max-spread", type=float)
    parser.add_argument("--exact", type=int, metavar="CLUSTERS")
    arguments = parser.parse_args()
    if arguments.exact:
        print(compare_with_exact(itertools.count(), arguments.exact))
        return
    for case in cases(arguments.datastores, arguments.disks, arguments.max_spread):
        print(measure(case), flush=True)


if __name__ == "__main__":
    main()
