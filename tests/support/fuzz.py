# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that are spoilt in every way that we know, the same for the same seed, and who has to bear them."""

from __future__ import annotations

import json
import random
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.json_files import read_json
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import Requester
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.urls import parsed_url
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import parsed_json
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import accept
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

HANG_SECONDS = 300
"""An end for what never ends; how long things take says nothing."""
JOURNAL = (
    '{"event":"plan","plan":"p"}\n{"event":"begin","step":1,"at":"2026-01-01T00:00:00Z"}\n'
    '{"event":"started","step":1,"task":"t"}\n{"event":"ended","outcome":{"step":1,"guest":{"id":"1","name":'
    '"a"},"from":"x","to":"y","result":"migrated","why":""}}\n{"event":"home"}\n'
)


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


NASTY: Sequence[Any] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    2**64,
    10**24,
    10**400,
    0.5,
    -0.0,
    1e-300,
    1e24,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a",
    "a" * 10_000,
    "\0",
    "\ud800",
    "a\udfff",
    "é",
    "‮",
    "½",
    "²",
    "*",
    "[",
    "?",
    "~",
    "..",
    "/dev/full",
    "9" * 400 + ".5",
    "9" * 5000,
    "1e999",
    "-1",
    "8G",
    "NaN",
    "a{99999999999}",
    "(" * 500,
    "(a+)+$",
    "(a|a)*b",
    "(?P<x>",
    "\\",
    "{{ 7*7 }}",
    "2026-01-01T00:00:00Z",
    "0000-00-00T99:99:99Z",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"a": {"a": {}}},
    _deep(50),
    _deep(3000),
    [0] * 5000,
)


@dataclass(frozen=True)
class Failure:
    """An input that was not borne: whose it was, its seed, and what came of it."""

    target: str
    seed: int
    what: str


class Harmless(random.Random):
    """Rng that spoil nothing, to see that the inputs are right before."""


class Hang(Exception):
    """It did not come to an end."""


def spoilt(value: Any, rng: random.Random) -> Any:
    """A copy with one to four things wrong in it."""
    value = deepcopy(value)
    for _ in range(0 if isinstance(rng, Harmless) else rng.choice((1, 1, 1, 2, 4))):
        value = _spoil(value, rng)
    return value


def _spoil(value: Any, rng: random.Random) -> Any:
    spots = list(_spots(value))
    if not spots or rng.random() < 0.01:
        return _nasty(rng)
    holder, key = rng.choice(spots)
    turn = rng.random()
    if turn < 0.6:
        holder[key] = _nasty(rng)
    elif turn < 0.7:
        del holder[key]
    elif turn < 0.8 and isinstance(holder, dict):
        holder[rng.choice(("unknown", "", "\0", "\ud800", "x" * 2000))] = _nasty(rng)
    elif turn < 0.9:
        # What belongs elsewhere.
        other, name = rng.choice(spots)
        with suppress(KeyError, IndexError, RecursionError):
            holder[key] = deepcopy(other[name])
    elif isinstance(holder, list):
        holder.insert(0, holder[key])
    elif isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
        with suppress(OverflowError):
            holder[key] *= rng.choice((-1, 0, 1e-6, 1e6, 1e18))
    return value


def _nasty(rng: random.Random) -> Any:
    value = rng.choice(NASTY)
    # What is nested inside is never changed.
    return value.copy() if isinstance(value, (list, dict)) else value


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document; the walk needs no stack of Python's."""
    waiting = [value]
    found = 0
    while waiting and found < 20_000:
        here = waiting.pop()
        keys: Any = ()
        if isinstance(here, dict):
            keys = list(here)
        elif isinstance(here, list):
            keys = range(len(here))
        for key in keys:
            found += 1
            yield here, key
            waiting.append(here[key])


def spoilt_text(text: str, rng: random.Random) -> bytes:
    """Bytes that were a text once."""
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(0 if isinstance(rng, Harmless) else rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(data) + 1)
        turn = rng.randrange(5)
        if turn == 0:
            data = data[:at]
        elif turn == 1:
            data[at:at] = rng.choice(
                (b"\0", b"\xff", b"[" * 100_000, b'{"a":' * 20_000, b"9" * 5000, b'"', b"\n")
            )
        elif turn == 2 and at < len(data):
            data[at] = rng.randrange(256)
        elif turn == 3:
            data[at : at + rng.randrange(20)] = b""
        else:
            data[at:at] = data[: rng.randrange(50)]
    return bytes(data)


class Bearers:
    """Everything that takes in what others wrote, each with an input that is right."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._snapshot = generate(Shape(hosts=4, guests=12, seed=5))
        self.snapshot = self._snapshot.to_json()
        self._plan = plan(self._snapshot, Policy())
        self.policy = Policy.from_json(
            {
                "aggressiveness": 4,
                "exclude": {"guests": {"regex": "^x-", "names": ["none"]}},
                "rules": [{"by": "regex", "kind": "anti_affinity", "pattern": "^([a-z]+)-"}],
            }
        ).to_json()
        self.request: dict[str, Any] = {
            "vms": [
                {
                    "name": "new##",
                    "count": 2,
                    "cpu": 1,
                    "memory": 1024**3,
                    "disks": [{"size": 1024**3}],
                    "networks": ["lan"],
                    "hosts": {"regex": "host", "names": ["host0*"]},
                }
            ],
            "policy": {"limits": {"memory": 95}},
        }
        self.pool = {
            "name": "p",
            "vcpus": 10,
            "memory": 1024**3,
            "storage": 1024**3,
            "labels": {"a": "b"},
            "networks": [{"name": "n", "vlan": 7}],
        }
        self.lease = {"vcpus": 1, "memory": 1024**3, "networks": 1, "lifetime": 60, "owner": "me"}
        self.service = [
            {
                "id": "a1",
                "kind": "place",
                "vms": [{"name": "a", "cpu": 1, "memory": "1G", "hosts": {"regex": "a"}}],
            },
            {"id": "a2", "kind": "lease", "vcpus": 1, "memory": "1G", "notify": ["ci"], "wait": 5},
            {"id": "a3", "kind": "renew", "name": "a2", "lifetime": 60},
            {"id": "a4", "kind": "release", "name": "a2", "owner": "me"},
        ]
        self.config = {
            "http": {"port": 0},
            "rabbitmq": {"queue": "q"},
            "work": {"tries": {"tries": 2}},
            "receivers": [{"name": "ci", "url": "https://ci.example.com/x", "secret_env": "X"}],
        }
        self.overrides = {
            "hosts_removed": ["host01"],
            "guests_grown": [{"guest": "100", "factor": 2}],
            "datastores_added": [{"name": "new", "like": "san", "capacity": "4T", "hosts": ["host02"]}],
            "datastores_changed": [{"datastore": "san", "capacity": "9T", "free": "3T", "filled_by": "9G"}],
            "disks_grown": [{"percent": 20, "datastore": "san"}],
            "guests_added": [{"name": "more", "like": "100", "disks": [{"datastore": "san", "size": "9G"}]}],
        }
        self.targets: Mapping[str, Callable[[random.Random], None]] = {
            "snapshot": lambda rng: self._read(Snapshot.from_json, self.snapshot, rng),
            "policy": lambda rng: self._read(Policy.from_json, self.policy, rng),
            "plan": lambda rng: self._read(Plan.from_json, self._plan.to_json(), rng),
            "outcome": lambda rng: self._read(Outcome.from_json, _OUTCOME, rng),
            "planner, snapshot": lambda rng: self._plans(rng, self.snapshot, self.policy, spoil="snapshot"),
            "planner, policy": lambda rng: self._plans(rng, self.snapshot, self.policy, spoil="policy"),
            "what if": self._supposes,
            "placement": self._places,
            "journal": self._journals,
            "file": self._files,
            "service": self._serves,
            "service's configuration": lambda rng: self._read(ServiceConfig.from_json, self.config, rng),
            "pools and leases": self._leases,
            "URLs": self._urls,
        }

    def _read(self, reader: Callable[[object], Any], value: Any, rng: random.Random) -> None:
        found = reader(spoilt(value, rng))
        if hasattr(found, "to_json"):
            # What was read can be written.
            json.dumps(found.to_json()).encode()

    def _plans(self, rng: random.Random, snapshot: Any, policy: Any, *, spoil: str) -> None:
        if spoil == "snapshot":
            snapshot = spoilt(snapshot, rng)
        else:
            policy = spoilt(policy, rng)
        made = plan(Snapshot.from_json(snapshot), Policy.from_json(policy))
        json.dumps(made.to_json()).encode()

    def _supposes(self, rng: random.Random) -> None:
        apply_overrides(self._snapshot, Overrides.from_json(spoilt(self.overrides, rng)))

    def _places(self, rng: random.Random) -> None:
        answer = place([self._snapshot], PlacementRequest.from_json(spoilt(self.request, rng)))
        json.dumps(answer.to_json()).encode()

    def _journals(self, rng: random.Random) -> None:
        path = self._folder / "journal"
        path.write_bytes(spoilt_text(JOURNAL, rng))
        journal = Journal(str(path), "p")
        assert all(type(step) is int for step in (*journal.past.begun, *journal.past.tasks))
        assert all(type(text) is str for text in (*journal.past.begun.values(), *journal.past.tasks.values()))
        journal.begin(9, "2026-01-01T00:00:00Z")
        journal.finish()

    def _files(self, rng: random.Random) -> None:
        path = self._folder / "snapshot.json"
        path.write_bytes(spoilt_text(json.dumps(self.snapshot), rng))
        names = [text for text in NASTY if isinstance(text, str)]
        name = str(path) if rng.random() < 0.9 else rng.choice(names)
        if name != "/dev/full":
            Snapshot.from_json(read_json(name, "snapshot_path"))

    def _serves(self, rng: random.Random) -> None:
        asked = rng.choice(self.service)
        if rng.random() < 0.5:
            value = parsed_json(spoilt_text(json.dumps(asked), rng), "request")
        else:
            value = spoilt(asked, rng)
        read = parse_request(value, needs_id=True, most_guests=1000)
        terms = Terms(origin="http", wait=read.wait, message=json.dumps(asked))
        accept(self._database, read, terms)

    def _leases(self, rng: random.Random) -> None:
        pool = Pool.from_json(spoilt(self.pool, rng) if rng.random() < 0.5 else self.pool)
        request = Request.from_json(spoilt(self.lease, rng))
        write_transaction(self._database, lambda books: save_pool(books, pool, below_leased=True))
        name = rng.choice("abcdefgh")
        wait_for_lease(self._database, name, request, Requester(waiter=this_process()), WaitOptions())

    def _urls(self, rng: random.Random) -> None:
        whole = "postgresql+psycopg://me:hidden-pass@db.example.com:5432/d?a=b"
        text = spoilt_text(whole, rng).decode(errors="replace")
        url = parsed_url(text, "state_url", "postgresql://HOST/DATABASE")
        if url.password is not None and len(url.password) > 8:
            assert url.password not in f"{url} {url!r}"
        url.with_password()


_OUTCOME = {
    "schema": "evenkeel.cluster/outcome/1",
    "cluster": {"id": "1", "name": "c"},
    "status": "done",
    "started_at": "2026-01-01T00:00:00Z",
    "seconds": 1.5,
    "migrations": [
        {"step": 1, "guest": {"id": "1", "name": "a"}, "from": "x", "to": "y", "result": "migrated"}
    ],
}


def fuzz(bearers: Bearers, inputs: int, seed: int, names: Sequence[str] = ()) -> list[Failure]:
    """So many inputs, in turn for each target. What was not borne."""
    failures = []
    targets = [(name, bear) for name, bear in bearers.targets.items() if not names or name in names]
    for number in range(inputs):
        name, bear = targets[number % len(targets)]
        failure = bearing(name, bear, seed + number)
        if failure is not None:
            failures.append(failure)
    return failures


def bearing(name: str, bear: Callable[[random.Random], None], seed: int) -> Failure | None:
    """One input."""
    try:
        with ending():
            bear(random.Random(f"{name} {seed}"))
    except EvenKeelError as error:
        message = str(error)
        if len(message) > 12_000 or "\0" in message:
            return Failure(name, seed, f"a message of {len(message)} characters: {message[:200]!r}")
        try:
            message.encode()
        except UnicodeEncodeError:
            return Failure(name, seed, f"a message that can't be shown: {message[:200]!r}")
    except Exception as error:  # noqa: BLE001
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        return Failure(name, seed, f"{type(error).__name__}: {str(error)[:300]}\n{where}")
    return None


@contextmanager
def ending() -> Iterator[None]:
    """Raises Hang where something does not come to an end."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"no end within {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
