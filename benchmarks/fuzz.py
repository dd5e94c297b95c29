# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed inputs for everything that reads inputs: each must end with a message or a result.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.benchmarks.fuzz [--inputs 5000] [--modules 200]

The same `--seed` produces the same inputs. Takes about twenty minutes. Prints a line for each input that was
not handled, with the options that reproduce it (`--only TARGET --inputs 1 --seed SEED`), and the totals at
the end; exits with 1 if there was any. Inputs that Ansible's own argument check does not handle, before a
module starts, are counted separately.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.fuzz import (
    HANG_SECONDS,
    NASTY,
    Bearers,
    Failure,
    fuzz,
    spoilt,
)
from ansible_collections.evenkeel.cluster.tests.support.modules import begin_module

Options = Callable[[Bearers, random.Random, Path], dict[str, Any]]


def _plan(bearers: Bearers, rng: random.Random, _folder: Path) -> dict[str, Any]:
    return {
        "snapshot": bearers.snapshot,
        **spoilt(
            {
                "goal": "spread",
                "aggressiveness": 4,
                "exclude": {"guests": {"names": ["a"], "regex": "b"}},
                "rules": [{"by": "tag", "kind": "affinity"}],
                "cooldown": 5,
            },
            rng,
        ),
    }


def _snapshot(bearers: Bearers, rng: random.Random, _folder: Path) -> dict[str, Any]:
    return {"snapshot": spoilt(bearers.snapshot, rng)}


def _placement(bearers: Bearers, rng: random.Random, _folder: Path) -> dict[str, Any]:
    asked = {"vms": [{"name": "a", "cpu": 1, "memory": "1G", "hosts": {"regex": "x"}}], "strategy": "spread"}
    return {"snapshot": bearers.snapshot, **spoilt(asked, rng)}


def _lease(_bearers: Bearers, rng: random.Random, folder: Path) -> dict[str, Any]:
    asked = {
        "name": "a",
        "vcpus": 1,
        "memory": "1G",
        "pools": 0,
        "wait": 0,
        "lifetime": 60,
        "placements_seen": {"c": 1},
        "keep_place": 1,
        "placements": [{"cluster": "c", "guest": "g", "host": "h", "cpu": 1, "memory": "1G"}],
    }
    return {**spoilt(asked, rng), "state_url": f"sqlite:///{folder}/leases.db"}


def _pool(bearers: Bearers, rng: random.Random, folder: Path) -> dict[str, Any]:
    asked = {
        "name": "p",
        "snapshot": bearers.snapshot,
        "storage": "1T",
        "share": {"hosts": ["host01"], "percent": 50},
    }
    return {**spoilt(asked, rng), "state_url": f"sqlite:///{folder}/leases.db"}


def _migrate(bearers: Bearers, rng: random.Random, folder: Path) -> dict[str, Any]:
    (folder / "cluster.json").write_text(json.dumps(bearers.snapshot))
    asked = {
        "guest": "100",
        "target": "host02",
        "timeout": 60,
        "max_failures": "10%",
        "lock_wait": 0,
        "journal_path": str(folder / "journal"),
        "outcome_path": str(folder / "outcome"),
    }
    given = spoilt(asked, rng)
    place = {"platform": "rehearsal", "rehearsal_path": str(folder / "cluster.json")}
    return {**given, **place} if isinstance(given, dict) else place


MODULES: Sequence[tuple[str, Options]] = (
    ("balance_plan", _plan),
    ("balance_plan", _snapshot),
    ("vm_placement", _placement),
    ("capacity_lease", _lease),
    ("capacity_pool", _pool),
    ("vm_migrate", _migrate),
)


@dataclass
class Through:
    """The results of inputs that went through modules: those that were not handled, and how many ended in
    Ansible's own argument check, before any code of the collection.
    """

    failures: list[Failure] = field(default_factory=list)
    ansible_s_own: int = 0


def through_modules(bearers: Bearers, folder: Path, inputs: int, seed: int) -> Through:
    """Runs the given number of inputs, each in its own process."""
    found = Through()
    for number in range(inputs):
        name, options = MODULES[number % len(MODULES)]
        rng = random.Random(f"module {name} {seed + number}")
        try:
            given = options(bearers, rng, folder)
            # What it takes for the path of a file is none in the folder of whoever runs this.
            with chdir(folder):
                process = begin_module(name, folder, given)
        except (TypeError, ValueError, RecursionError):
            # Ansible itself would not have taken it.
            found.ansible_s_own += 1
            continue
        try:
            printed, _none = process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            found.failures.append(Failure(name, seed + number, "a hang"))
            continue
        result = result_in(printed)
        traceback = printed if result is None else str(result.get("exception") or "")
        if result is not None and "Traceback" not in traceback:
            continue
        if is_ansible_s_own(traceback):
            found.ansible_s_own += 1
        else:
            found.failures.append(Failure(name, seed + number, printed[-1500:]))
    return found


def is_ansible_s_own(traceback: str) -> bool:
    """Returns whether it ended in Ansible's code before the module starts: Ansible does not handle a number
    in place of a list of dictionaries, or an unpaired surrogate.
    """
    places = [line for line in traceback.splitlines() if line.lstrip().startswith('File "')]
    return bool(places) and "/ansible/module_utils/" in places[-1]


def result_in(printed: str) -> dict[str, Any] | None:
    """Returns the module's result, or None if it ended otherwise. A traceback before the result counts as
    none.
    """
    lines = printed.strip().splitlines()
    try:
        result = json.loads(lines[-1])
    except (ValueError, IndexError):
        return None
    is_result = isinstance(result, dict) and ("msg" in result or "changed" in result)
    return result if is_result and not any(line.startswith("Traceback") for line in lines[:-1]) else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--modules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="TARGET")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_database(f"sqlite:///{folder}/state.db") as database:
        bearers = Bearers(Path(folder), database)
        failures = fuzz(bearers, options.inputs, options.seed, options.only)
        modules = 0 if options.only else options.modules
        through = through_modules(bearers, Path(folder), modules, options.seed)
        failures += through.failures
    for failure in failures:
        print(f"{failure.target}, seed {failure.seed}: {failure.what}")
    print(
        f"{options.inputs} inputs, {modules} through modules, of which {through.ansible_s_own} ended in"
        f" Ansible's own check of arguments; {len(NASTY)} kinds of nonsense"
    )
    print(f"{len(failures)} not borne {dict(Counter(failure.target for failure in failures)) or ''}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
