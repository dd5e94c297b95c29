# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A crowd of processes that lease and give back all at once, some of them killed at any moment.

Each process keeps a diary of its own, line by line, of what it asked for, got and gave back, and when. They
are forked from one process, which keeps no database open, and begin together once all of them are ready: to
start is not to wait. Whoever takes the place of one that was killed gets ready before it asks, too.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import random
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import Requester, release
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Network, Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import (
    Database,
    Retry,
    open_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import process, this_process

GIB = 1024**3
MAX_VCPUS = 12


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many processes lease from how many pools, for how long; `kill_every` seconds one of them is killed.

    With `room` for so many times what all of them could ask for, nobody ever has to wait for somebody else.
    """

    processes: int
    pools: int
    seconds: float
    room: float = 1.4
    hold: float = 0.2
    kill_every: float | None = 1.0
    seed: int = 1

    def pool(self, number: int) -> Pool:
        vcpus = max(MAX_VCPUS, round(self.room * self.processes * MAX_VCPUS / self.pools))
        networks = max(2, round(self.room * self.processes / self.pools))
        # A VLAN for each: pools of one server that have the same one could not both lease it.
        first = 1 + number * networks
        named = (Network(name=f"net{number:02}-{index}", vlan=first + index) for index in range(networks))
        return Pool(
            name=f"pool{number:02}",
            server=f"vc{number % 5}",
            vcpus=vcpus // 2,
            cpu_overcommit=2.0,
            memory=4 * GIB * vcpus,
            storage=10 * GIB * vcpus,
            networks=tuple(named),
        )


def describe(database: Database, crowd: Crowd) -> None:
    for number in range(crowd.pools):
        write_transaction(database, lambda books: save_pool(books, crowd.pool(number), below_leased=False))  # noqa: B023


class _Start:
    """Lets those begin who are ready, all at once, and tells them when to end."""

    def __init__(self) -> None:
        self._end = mmap.mmap(-1, struct.calcsize("d"))
        self._closed, self._opener = _pipe()
        self._heard, self._ready = _pipe()

    def await_ready(self, count: int) -> None:
        """Until so many are ready. Raises RuntimeError when fewer are left."""
        self._ready.close()
        while count and (said := self._heard.read(count)):
            count -= len(said)
        if count:
            raise RuntimeError(f"{count} processes failed before they were ready")

    def open(self, seconds: float) -> float:
        """The moment of the end."""
        end = time.monotonic() + seconds
        struct.pack_into("d", self._end, 0, end)
        self._opener.close()
        return end

    def forked(self) -> None:
        """In a process of the crowd: what it has open of its parent must not keep others waiting."""
        self._opener.close()
        self._heard.close()

    def get_ready(self) -> float:
        """The moment of the end, once all are ready."""
        if not self._ready.closed:
            self._ready.write(b".")
            self._ready.close()
        self._closed.read(1)
        (end,) = struct.unpack_from("d", self._end)
        return float(end)

    def close(self) -> None:
        for pipe in (self._closed, self._opener, self._heard, self._ready):
            pipe.close()
        self._end.close()


def _pipe() -> tuple[FileIO, FileIO]:
    reading, writing = os.pipe()
    return FileIO(reading, "r"), FileIO(writing, "w")


def run(url: str, crowd: Crowd, folder: Path) -> float:
    """Let the crowd loose; for how many seconds it was at it. Their diaries are in the folder; `killed.jsonl`
    tells who was killed, and when.
    """
    with open_database(url) as database:
        describe(database, crowd)
    # What is never collected is never copied for a process of its own.
    gc.collect()
    gc.freeze()
    rng = random.Random(crowd.seed)
    start = _Start()
    alive = {_fork(url, crowd, folder, start, rng.random()) for _ in range(crowd.processes)}
    try:
        start.await_ready(crowd.processes)
        end = start.open(crowd.seconds)
        with (folder / "killed.jsonl").open("w", buffering=1) as killed:
            while crowd.kill_every is not None and time.monotonic() < end - 1:
                time.sleep(rng.expovariate(1 / crowd.kill_every))
                pid = rng.choice(sorted(alive))
                # Written before: until then at most, it had what it had.
                killed.write(json.dumps({"pid": pid, "at": time.monotonic()}) + "\n")
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                alive.remove(pid)
                alive.add(_fork(url, crowd, folder, start, rng.random()))
        codes = []
        while alive:
            pid = alive.pop()
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    finally:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        start.close()
    if any(codes):
        raise RuntimeError(f"{sum(map(bool, codes))} processes failed, see {folder}/*.error")
    return time.monotonic() - end + crowd.seconds


def _fork(url: str, crowd: Crowd, folder: Path, start: _Start, seed: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        start.forked()
        _live(url, crowd, folder, start, random.Random(seed))
        code = 0
    except BaseException as error:
        (folder / f"{os.getpid()}.error").write_text(f"{type(error).__name__}: {error}")
        raise
    finally:
        # Not the end of the process that it was forked from.
        os._exit(code)


def _request(rng: random.Random) -> Request:
    vcpus = rng.randint(1, MAX_VCPUS)
    return Request(vcpus=vcpus, memory=4 * GIB * vcpus, storage=10 * GIB * vcpus, networks=rng.choice([0, 1]))


def _live(url: str, crowd: Crowd, folder: Path, start: _Start, rng: random.Random) -> None:
    pid = os.getpid()
    holder = process(pid)
    asker = Requester(waiter=this_process(), holder=holder)
    retry = Retry(attempts=100)
    with open_database(url, retry) as database, _diary(folder / f"{pid}.jsonl") as write:
        wait_for_lease(database, f"{pid}-rehearsal", _request(rng), asker, WaitOptions(wait=1), dry=True)
        end = start.get_ready()
        for turn in range(10**6):
            if time.monotonic() >= end:
                return
            name = f"{pid}-{turn}"
            request = _request(rng)
            write({"name": name, "what": "asks", "at": time.monotonic()})
            lease = wait_for_lease(database, name, request, asker, WaitOptions(wait=600, poll=0.5)).after
            pools = [
                {"name": pool.name, "networks": [[pool.place, network.port] for network in pool.networks]}
                for pool in lease.pools
            ]
            write(
                {
                    "name": name,
                    "what": "has",
                    "at": time.monotonic(),
                    "id": lease.id,
                    "pools": pools,
                    "vcpus": request.vcpus,
                    "memory": request.memory,
                    "storage": request.storage,
                }
            )
            time.sleep(rng.random() * 2 * crowd.hold)
            write({"name": name, "what": "gives", "at": time.monotonic()})
            write_transaction(database, lambda books: release(books, name, None))  # noqa: B023
            write({"name": name, "what": "gave", "at": time.monotonic()})


@contextlib.contextmanager
def _diary(path: Path) -> Iterator[Any]:
    with path.open("ab", buffering=0) as stream:
        yield lambda entry: stream.write((json.dumps(entry) + "\n").encode())
