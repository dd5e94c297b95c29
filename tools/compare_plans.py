# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the plans of 43 fixed clusters before and after a change that must not change any plan.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.compare_plans record /tmp/before.json
    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.compare_plans compare /tmp/before.json

The clusters come from generate_cluster.py and generate_storage.py in tests/support. Together they have every
goal, every preset and rules of every kind. `compare` exits with 1 and names the first difference of each plan
that is not the same.
`--without-texts` ignores the wording that is meant for people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..plugins.module_utils._model.errors import EvenKeelError
from ..plugins.module_utils._model.placement_request import PlacementRequest
from ..plugins.module_utils._model.policy.policy import Policy
from ..plugins.module_utils._planning.placement.placer import place
from ..plugins.module_utils._planning.planner import plan
from ..tests.support.generate_cluster import Shape, generate
from ..tests.support.generate_storage import StorageShape, generate_storage
from .run import cores

GIB = 1024**3
TEXTS = frozenset({"reason", "reasons", "notices", "why", "text", "error", "hint", "message", "details"})

RULES = (
    {"by": "regex", "pattern": "^(.*)-db", "kind": "anti_affinity"},
    {"by": "name_prefix", "kind": "even_spread"},
    {"by": "regex", "pattern": "^(.*)-cache", "kind": "affinity", "strict": False},
    {
        "by": "guests",
        "kind": "host_anti_affinity",
        "guests": {"names": ["*-desktop-*"]},
        "hosts": {"names": ["*1"]},
    },
    {
        "by": "guests",
        "kind": "host_affinity",
        "guests": {"names": ["*-tool-*"]},
        "hosts": {"names": ["*2", "*3"]},
        "strict": False,
    },
)


@dataclass(frozen=True)
class Case:
    """A cluster, and what is asked of the planner: a policy, or a request for a placement."""

    shape: Shape | StorageShape
    policy: Mapping[str, object] = field(default_factory=dict)
    request: Mapping[str, object] | None = None


def cases() -> dict[str, Case]:
    """The 43 cases, by name."""
    spread = {
        "default": Case(Shape(seed=1)),
        "large": Case(Shape(hosts=16, guests=300, seed=2)),
        "mixed": Case(Shape(seed=3, mixed=True, skew=6)),
        "full": Case(Shape(seed=4, fill=0.8, cpu_fill=0.7)),
        "level": Case(Shape(seed=5), {"max_spread": 0}),
        "narrow": Case(Shape(seed=6, skew=8), {"aggressiveness": 5}),
        "by-metric": Case(
            Shape(seed=7), {"max_spread": {"cpu": 10, "memory": 6}, "metrics": ["cpu", "memory"]}
        ),
        "four-metrics": Case(
            Shape(seed=8),
            {
                "metrics": ["cpu", "memory", "disk_io", "network_io"],
                "assumed_capacity": {"disk_io": 4e9, "network_io": 1.25e9},
            },
        ),
        "assigned": Case(Shape(seed=9), {"demand": "assigned"}),
        "larger-of-both": Case(Shape(seed=10), {"demand": "max", "limits": {"memory_overcommit": 1.5}}),
        "vcpu": Case(Shape(seed=11), {"metrics": ["vcpu", "memory"]}),
        "limits": Case(Shape(seed=12, fill=0.7), {"limits": {"memory": 75, "memory_reserve": 8 * GIB}}),
        "few-migrations": Case(Shape(seed=13, skew=8), {"aggressiveness": 5, "max_migrations": 3}),
        "own-rules": Case(Shape(seed=14), {"rules": list(RULES)}),
        "excluded": Case(
            Shape(seed=15, skew=6),
            {
                "exclude": {
                    "sources": {"names": ["*1"]},
                    "targets": {"names": ["*2"]},
                    "guests": {"names": ["*web*"]},
                }
            },
        ),
        "maintenance": Case(Shape(seed=16, maintenance=1)),
        "window": Case(
            Shape(seed=17),
            {"maintenance_windows": [{"hosts": {"names": ["*1"]}, "start": "00:00", "hours": 4}]},
        ),
        "priorities": Case(
            Shape(seed=18, skew=6), {"priorities": [{"guests": {"names": ["*db*"]}, "priority": 9}]}
        ),
        "no-effort": Case(Shape(hosts=16, guests=300, seed=19, skew=5), {"effort": 0}),
        "broken": Case(Shape(seed=20, broken=0.7)),
        "chains": Case(Shape(hosts=6, guests=30, seed=21, chains=2)),
        "arriving": Case(Shape(seed=22, arriving=3, paused=0.1, agents=4)),
        "unequal": Case(Shape(hosts=6, guests=40, seed=23, unequal=3)),
        "exact": Case(Shape(hosts=4, guests=20, seed=24), {"engine": "exact", "max_spread": 10}),
    }
    others = {
        "rules": Case(Shape(seed=31, broken=0.6), {"goal": "rules"}),
        "rules-maintenance": Case(Shape(seed=32, broken=0.4, maintenance=1), {"goal": "rules"}),
        "relieve": Case(
            Shape(seed=33, skew=6),
            {"goal": "relieve", "relieve": {"overload": {"memory": 65}, "target": {"memory": 60}}},
        ),
        "relieve-smallest": Case(
            Shape(seed=34, skew=6),
            {"goal": "relieve", "relieve": {"overload": {"memory": 65}, "first": "smallest"}},
        ),
        "relieve-cpu": Case(
            Shape(seed=35), {"goal": "relieve", "relieve": {"overload": {"cpu": 45, "vcpus_per_core": 2}}}
        ),
        "evacuate": Case(Shape(seed=36, fill=0.5), {"goal": "evacuate", "evacuate": {"names": ["*1"]}}),
        "evacuate-two": Case(
            Shape(hosts=10, guests=90, seed=37, fill=0.55),
            {"goal": "evacuate", "evacuate": {"names": ["*1", "*2"]}},
        ),
        "consolidate": Case(Shape(seed=38, fill=0.35, cpu_fill=0.2), {"goal": "consolidate"}),
        "consolidate-three": Case(
            Shape(seed=39, fill=0.3, cpu_fill=0.2),
            {"goal": "consolidate", "consolidate": {"min_hosts": 3, "fill": 80}},
        ),
    }
    presets = {
        f"preset-{name}": Case(Shape(seed=50 + number, skew=5), {"preset": name})
        for number, name in enumerate(
            ("fdrs", "vmmanager", "proxmox_rebalancing", "proxlb", "drs", "proxmox")
        )
    }
    guests = [
        {"name": "new-web#", "count": 4, "cpu": 2, "memory": 4 * GIB, "name_prefix": "anti_affinity"},
        {"name": "new-db", "cpu": 8, "memory": 32 * GIB, "disks": [{"size": 50 * GIB}]},
    ]
    placements = {
        "place-spread": Case(Shape(seed=61, storage=4000), request={"vms": guests, "spare": 1}),
        "place-room": Case(
            Shape(hosts=4, guests=30, seed=62, fill=0.78),
            request={
                "vms": [{"name": "big", "cpu": 8, "memory": 48 * GIB}],
                "strategy": "pack",
                "make_room": True,
            },
        ),
    }
    datastores = {
        "storage": Case(
            StorageShape(disks=60, datastores=6, seed=70, rules=2, maintenance=1),
            {"goal": "storage", "storage": {"max_spread": 20, "rules": [{"by": "name_prefix"}]}},
        ),
        "preset-sdrs": Case(StorageShape(disks=60, datastores=6, seed=71, busy=0.2), {"preset": "sdrs"}),
    }
    return {**spread, **others, **presets, **placements, **datastores}


def answers() -> dict[str, Any]:
    """The plan, placement or refusal of every case, as JSON, by the case's name."""
    found = cases()
    with ProcessPoolExecutor(cores()) as workers:
        return dict(zip(found, workers.map(_answer, found.values()), strict=True))


def _answer(case: Case) -> Any:
    shape = case.shape
    snapshot = generate_storage(shape) if isinstance(shape, StorageShape) else generate(shape)
    try:
        if case.request is not None:
            return place([snapshot], PlacementRequest.from_json(case.request)).to_json()
        return plan(snapshot, Policy.from_json(case.policy)).to_json()
    except EvenKeelError as refusal:
        return {"refused": str(refusal)}


def differences(before: Any, after: Any, *, texts: bool, path: str = "") -> Iterator[str]:
    """Every place where two JSON values differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if texts or key not in TEXTS:
                yield from differences(before.get(key), after.get(key), texts=texts, path=f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, texts=texts, path=f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {json.dumps(before)[:100]} before, {json.dumps(after)[:100]} now"


def main() -> int:
    """Record the plans, or compare them; returns 1 where one differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--without-texts", action="store_true", help="ignore the wording that is meant for people"
    )
    options = parser.parse_args()
    now = answers()
    if options.action == "record":
        options.file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        print(f"{len(now)} plans recorded in {options.file}")
        return 0
    before = json.loads(options.file.read_text(encoding="utf-8"))
    changed = 0
    for name in {**before, **now}:
        first = next(differences(before.get(name), now.get(name), texts=not options.without_texts), None)
        if first is not None:
            changed += 1
            print(f"{name}{first}")
    print(f"{changed} of {len(now)} plans differ")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
