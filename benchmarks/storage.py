# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long planning of disk moves takes, how much memory, and how near it comes to its bound.

.venv/bin/python benchmarks/storage.py
.venv/bin/python benchmarks/storage.py --datastores 100 --disks 20000 --max-spread 10
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

GIB = 1024**3


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
    arguments = parser.parse_args()
    for case in cases(arguments.datastores, arguments.disks, arguments.max_spread):
        print(measure(case), flush=True)


if __name__ == "__main__":
    main()
