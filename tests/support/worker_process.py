# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out in a process of its own, so that a test or the soak may kill it.

    worker_process.py WORKDIR [--on-stop cancel] [--on-failure rollback] [--linger SECONDS]

WORKDIR holds planned_run.json (see `write`); there it keeps its journal, heeds the file `stop`, and leaves
outcome.json, and state.db, its memory. `--linger`: when all has ended it waits so long before it says so.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.execution import (
    ExecutionOptions,
    stop_signal,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    RunOptions,
    run_state,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.codec import decode, encode
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Connection, Simulator
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import (
    PlannedRun,
    carry_out,
    cluster_of,
    connect,
)


def write(folder: Path, planned: PlannedRun, simulator: Simulator) -> None:
    """What `worker_process.py` needs to know."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "connection": asdict(simulator.connection),
        "snapshot": planned.snapshot.to_json(),
        "migrations": [encode(step) for step in planned.migrations],
        "rules": [encode(rule) for rule in planned.rules],
    }
    (folder / "planned_run.json").write_text(json.dumps(document))


def begin(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """The process; what it says goes to `worker.log`."""
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen([sys.executable, __file__, str(folder), *options], stdout=log, stderr=log)


def outcome(folder: Path) -> Outcome:
    return Outcome.from_json(json.loads((folder / "outcome.json").read_text()))


def journal(folder: Path) -> list[str]:
    """The events that are in the journal by now."""
    path = folder / "journal"
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["event"] for line in lines if line.endswith("}")]


def remembered(folder: Path) -> list[tuple[str, str]]:
    """The guest and the result of every migration that the memory holds, the oldest first."""
    if not (folder / "state.db").exists():
        return []
    with sqlite3.connect(folder / "state.db") as database:
        rows = database.execute("SELECT guest, result FROM migration_history ORDER BY ended_at, guest")
        return [(str(guest), str(result)) for guest, result in rows]


def _memory(folder: Path) -> RunOptions:
    """Options of the state database. The lock is another matter."""
    url = f"sqlite:///{folder}/state.db"
    return RunOptions(platform="proxmox", state_url=url, lock=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--on-stop", choices=["finish", "cancel"], default="finish")
    parser.add_argument("--on-failure", choices=["continue", "rollback"], default="continue")
    parser.add_argument("--linger", type=float, default=0)
    options = parser.parse_args()
    folder: Path = options.workdir
    document = json.loads((folder / "planned_run.json").read_text())
    planned = PlannedRun(
        snapshot=Snapshot.from_json(document["snapshot"]),
        migrations=[decode(Migration, step, "migration") for step in document["migrations"]],
        rules=[decode(Rule, rule, "rule") for rule in document["rules"]],
    )
    stop = stop_signal(ExecutionOptions(stop_file=str(folder / "stop")), SystemClock())

    def observe(progress: Progress) -> None:
        if not progress.moving and not progress.left:
            time.sleep(options.linger)

    try:
        with (
            closing(connect(Connection(**document["connection"]))) as platform,
            run_state(_memory(folder), cluster_of(platform), {}, check_mode=False) as kept,
        ):
            result = carry_out(
                planned,
                platform,
                cluster_of(platform),
                failure_policy=FailurePolicy(on_stop=options.on_stop, on_failure=options.on_failure),
                journal=folder / "journal",
                observe=observe,
                ended=kept.record,
                stop=stop,
            )
    except EvenKeelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    (folder / "outcome.json").write_text(json.dumps(result.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
