# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long planning of disk moves takes, how much memory, and how near it comes to its bound.

.venv/bin/python benchmarks/storage.py
.venv/bin/python benchmarks/storage.py --datastores 100 --disks 20000 --max-spread 10
.venv/bin/python benchmarks/storage.py --exact 200
"""

from __future__ import annotations

import argparse
import itertools
import math
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
    taken_by,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.tests.support.exact_storage import fewest_bytes
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.replay_storage import paper_end, random_defects

GIB = 1024**3
# Random executions of each plan.
REPLAYS = 20


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
    """Plans against the fewest bytes of any safe plan. `solvable`: clusters that are not in order yet
    and that a safe plan brings in order; `worst`: the most bytes of a plan by the fewest possible. Of the
    clusters that no safe plan brings in order the last three count as well.
    """

    solvable: int = 0
    in_order: int = 0
    fewest: int = 0
    proven: int = 0
    worst: float = 1.0
    bounds_above: int = 0
    "plans whose lower bound is above what the exact solver needs: there must be none"
    undecided: int = 0
    "clusters of which the exact solver knows a lower bound only, against which the plan is held"
    not_solvable: int = 0
    unsafe: int = 0
    "executions, of REPLAYS random ones for each plan, in which anything went wrong"
    not_empty: int = 0
    "clusters with a second plan that moves anything, though the use of all disks was known at first"
    measured: int = 0
    "the same where disks were measured meanwhile: what they leave is not counted on before"


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
        policies=0.3 * (seed % 4 == 1),
    )


def compare_with_exact(
    seeds: Iterable[int], most: int | None = None, show: Callable[[str], object] | None = None
) -> Comparison:
    """Plans of small clusters against an exact solver, until so many can be brought in order. show: called
    with a line for each cluster whose plan is not the best or not safe.
    """
    result = Comparison()
    for seed in seeds:
        snapshot = generate_storage(small_cluster(seed))
        policy = Policy.from_json({"goal": "storage", "storage": SMALL[seed % len(SMALL)]})
        storage = policy.storage
        assert storage is not None
        problem = build_problem(snapshot, storage)
        exact = fewest_bytes(problem)
        if exact.least == 0:
            continue
        plan = plan_storage(snapshot, policy)
        again = plan_storage(paper_end(snapshot, plan), policy)
        rules = [members.rule for members in problem.rules]
        unsafe = sum(
            bool(random_defects(snapshot, storage, rules, plan, Random(f"{seed}/{number}")))
            for number in range(REPLAYS)
        )
        result.unsafe += unsafe
        known = all(taken_by(disk) is not None for guest in snapshot.guests for disk in guest.disks)
        result.not_empty += bool(again.moves) and known
        result.measured += bool(again.moves) and not known
        result.undecided += not exact.is_exact
        ratio = 0.0
        if exact.least is None:
            result.not_solvable += 1
        else:
            ratio = plan.proof.bytes / exact.least if plan.status == "balanced" else math.inf
            result.solvable += 1
            result.bounds_above += plan.proof.bytes_lower_bound > (exact.reached or math.inf)
            result.in_order += plan.status == "balanced"
            result.fewest += ratio <= 1
            result.proven += plan.proof.optimal
            result.worst = max(result.worst, ratio)
        if show is not None and (ratio > 1 or unsafe or again.moves):
            show(
                f"seed {seed}: {plan.status}, {ratio:.3f} of the fewest bytes, {unsafe} unsafe executions, "
                f"{len(again.moves)} moves in the second plan"
            )
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
        print(compare_with_exact(itertools.count(), arguments.exact, show=partial(print, flush=True)))
        return
    for case in cases(arguments.datastores, arguments.disks, arguments.max_spread):
        print(measure(case), flush=True)


if __name__ == "__main__":
    main()
