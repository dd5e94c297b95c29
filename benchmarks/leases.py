# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""200 processes acquire and release leases concurrently for a minute, on SQLite and on its own PostgreSQL.

    .venv/bin/python benchmarks/leases.py [--processes 200] [--pools 20] [--seconds 60] [--database sqlite]

About once a second one of them is killed by SIGKILL at a random moment, and another replaces it. Afterwards
an auditor reads the records of each process and the history in the database: no pool may ever have exceeded
its capacity, no network may have been leased twice, no lease may be lost or duplicated. There is capacity for
all processes, so no wait may exceed three times the median. A second round has capacity for a third of them,
so that they queue. Exits with 1 if a check failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.expire_and_grant import (
    end_expired,
    end_without_process,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.lease_audit import Verdict, audit
from ansible_collections.evenkeel.cluster.tests.support.lease_crowd import Crowd, run
from ansible_collections.evenkeel.cluster.tests.support.postgresql import running

FAIR = 3.0
"""The longest wait in medians, if there is capacity for all."""
SCARCE = 0.33


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/state.db"
        return
    with running() as server:
        yield server.new_database()


def one_run(kind: str, crowd: Crowd) -> tuple[Verdict, float]:
    """Returns the verdict, and the duration of the run in seconds."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-leases-") as temporary:
        folder = Path(temporary)
        diaries = folder / "diaries"
        diaries.mkdir()
        with database(kind, folder) as url:
            seconds = run(url, crowd, diaries)
            with open_database(url) as opened:
                # What those had who were killed last.
                write_transaction(opened, end_expired)
                write_transaction(opened, end_without_process)
            return audit(url, diaries), seconds


def report(kind: str, crowd: Crowd, verdict: Verdict, seconds: float) -> list[str]:
    """Returns the line of figures, and the failed checks."""
    plenty = crowd.room > 1
    ratio = verdict.longest / verdict.median
    print(
        f"{kind:<10} {'room for all' if plenty else 'scarce':<12}"
        f" {verdict.leases:>7} leases {verdict.leases / seconds:>7.1f} /s"
        f"   wait: median {verdict.median:.2f} s, longest {verdict.longest:.2f} s ({ratio:.1f} ×)"
        f"   {verdict.killed} killed, {len(verdict.violations)} violations",
        flush=True,
    )
    wrong = verdict.violations[:20]
    if plenty and ratio > FAIR:
        wrong.append(f"the longest wait was {ratio:.1f} medians, more than {FAIR:g}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill-every", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    crowd = Crowd(
        processes=arguments.processes,
        pools=arguments.pools,
        seconds=arguments.seconds,
        kill_every=arguments.kill_every,
        seed=arguments.seed,
    )
    print(f"{crowd.processes} processes, {crowd.pools} pools, {crowd.seconds:g} s each", flush=True)
    wrong: list[str] = []
    for kind in arguments.database or ["sqlite", "postgresql"]:
        for room in (crowd.room, SCARCE):
            this = replace(crowd, room=room)
            wrong += report(kind, this, *one_run(kind, this))
    print("\n".join(wrong) or "no violation")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
