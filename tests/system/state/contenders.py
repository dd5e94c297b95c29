# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that fight for one lock. Prints how often each had it, and each time that two had it at once.

python -m …contenders URL FOLDER PROCESSES TURNS KILLED: the first KILLED of them kill themselves in between.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.processes import alive


def contend(url: str, folder: Path, turns: int, *, killed: bool) -> None:
    """Take the lock so often. While it is held, one file names who holds it."""
    marker = folder / "holder"
    had = folder / f"had-{os.getpid()}"
    with open_database(url) as database:
        for turn in range(turns):
            with cluster_lock(
                database, "c", this_process(), seconds=60, wait=90, sleep=lambda s: time.sleep(s / 40)
            ) as lock:
                if marker.exists() and alive(int(marker.read_text())):
                    (folder / f"broken-{os.getpid()}-{turn}").write_text(marker.read_text())
                marker.write_text(str(os.getpid()))
                time.sleep(random.random() / 100)
                lock.renew()
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
                marker.unlink()
                had.write_text(str(turn + 1))


def main() -> None:
    url, folder, processes, turns, killed = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    for number in range(processes):
        if os.fork() == 0:
            contend(url, folder, turns, killed=number < killed)
            os._exit(0)
    codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)]
    print(
        json.dumps(
            {
                "turns": sorted(int(file.read_text()) for file in folder.glob("had-*")),
                "two_at_once": [file.name for file in folder.glob("broken-*")],
                "codes": sorted(codes),
            }
        )
    )


if __name__ == "__main__":
    main()
