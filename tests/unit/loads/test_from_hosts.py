# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a snapshot when its hosts have told their loads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.errors import LoadMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.from_hosts import Choice, merge
from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.host_load import HostLoad
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

GIB = 1024**3


def told(load5: float = 6.0, *, load1: float = 12.0, total: int = 64 * GIB, used: int = 20 * GIB) -> HostLoad:
    stalled = {"avg10": 1.0, "avg60": 2.0, "avg300": 3.0}
    return HostLoad.from_json(
        {
            "loadavg": {"load1": load1, "load5": load5, "load15": 1.0},
            "pressure": {
                "cpu": {"some": stalled, "full": None}, "memory": None, "io": {"some": None, "full": None},
            },
            "memory": {
                "total": total, "free": 0, "available": total - used, "used": used,
                "swap_total": None, "swap_free": None,
            },
            "zfs_arc": None,
            "cpu": {"sockets": 2, "cores": 8, "threads": 16, "model": "Example", "level": None},
        },
        "load",
    )  # fmt: skip


def cluster(cpu: float | None, *guests: tuple[float | None, float | None], **host: Any) -> Snapshot:
    """One host with a CPU load, and guests with (used, assigned) CPU."""
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1", "platform": "proxmox",
            "cluster": {"id": "prod", "name": "prod"},
            "taken_at": "2026-11-21T07:00:00Z", "window_seconds": 0,
            "hosts": [
                {
                    "id": "h1", "name": "one", "status": "online", "maintenance": False, "schedulable": True,
                    "capacity": {"cpu": 16.0, "memory": 64 * GIB}, "used": {"cpu": cpu, "memory": 50 * GIB},
                    "pressure": {"memory": 9.0}, **host,
                }
            ],
            "guests": [
                {
                    "id": f"{number}", "name": f"g{number}", "kind": "vm", "host": "h1", "power": "running",
                    "assigned": {"cpu": assigned, "memory": GIB}, "used": {"cpu": used, "memory": GIB},
                    "migratable": True,
                }
                for number, (used, assigned) in enumerate(guests)
            ],
            "rules": [],
        }
    )  # fmt: skip


def cpus(snapshot: Snapshot) -> list[float | None]:
    return [guest.used["cpu"] for guest in snapshot.guests]


def test_what_the_platform_measured_stays_unless_told_otherwise() -> None:
    before = cluster(5.0, (2.0, 4), (1.0, 4))
    after = merge(before, {"h1": told()}, Choice()).snapshot
    (host,) = after.hosts
    assert (host.used["cpu"], cpus(after)) == (5.0, [2.0, 1.0])
    # The platform counts 30 GiB more, which vm_migrate has to know.
    assert (host.used["memory"], host.reclaimable) == (20 * GIB, 30 * GIB)
    # The kernel has no figures of memory here; the platform's stay.
    assert host.pressure == {"memory": 9.0, "cpu": 3.0}
    assert host.labels == {"cpu_sockets": "2", "cpu_cores": "8", "cpu_threads": "16", "cpu_model": "Example"}
    assert host.cpu_model == "Example"


@pytest.mark.parametrize(("period", "load", "stalled"), [(60, 12.0, 2.0), (300, 6.0, 3.0)])
def test_period(period: Literal[60, 300], load: float, stalled: float) -> None:
    after = merge(cluster(5.0), {"one": told()}, Choice(cpu="load", period=period)).snapshot
    assert (after.hosts[0].used["cpu"], after.hosts[0].pressure["cpu"]) == (load, stalled)


@pytest.mark.parametrize(
    ("cpu", "guests", "load", "shares"),
    [
        # Nobody measured anything: by what they were given.
        (None, [(None, 2), (None, 4)], 6.0, [2.0, 4.0]),
        # 2 of 5 are the host's own; the rest of the load is the guests'.
        (5.0, [(2.0, 8), (1.0, 8)], 8.0, [4.0, 2.0]),
        # A load below what was measured shrinks them alike.
        (5.0, [(2.0, 8), (1.0, 8)], 3.5, [1.0, 0.5]),
        (5.0, [(2.0, 8), (1.0, 8)], 1.0, [0.0, 0.0]),
        # Nobody gets more than he was given; what is more is the host's own.
        (None, [(None, 2), (None, 4)], 60.0, [2.0, 4.0]),
        # Nobody knows how many CPUs the second one has: what it uses is all that is known of it.
        (3.0, [(2.0, 8), (1.0, None)], 6.0, [4.0, 1.0]),
        # One that has just been started has not been measured yet.
        (4.0, [(4.0, 8), (None, 4)], 10.0, [5.0, 4.0]),
        (None, [(None, None)], 6.0, [None]),
    ],
)
def test_guests_share_the_load_of_their_host(
    cpu: float | None,
    guests: list[tuple[float | None, float | None]],
    load: float,
    shares: list[float | None],
) -> None:
    before = cluster(cpu, *guests)
    after = merge(before, {"h1": told(load)}, Choice(cpu="load"))
    assert after.snapshot.hosts[0].used["cpu"] == load
    assert cpus(after.snapshot) == shares
    # What is merged twice is merged once.
    assert merge(after.snapshot, {"h1": told(load)}, Choice(cpu="load")).snapshot == after.snapshot


def test_a_load_where_the_platform_has_none() -> None:
    after = merge(cluster(None, (None, 2)), {"h1": told(1.5)}, Choice()).snapshot
    assert (after.hosts[0].used["cpu"], cpus(after)) == (1.5, [1.5])


def test_a_guest_that_does_not_run_has_no_share() -> None:
    before = cluster(None, (None, 2), (None, 2))
    off = replace(before.guests[1], power="stopped")
    after = merge(replace(before, guests=(before.guests[0], off)), {"h1": told(1.5)}, Choice()).snapshot
    assert cpus(after) == [1.5, None]


def test_capacities_that_the_platform_does_not_tell() -> None:
    after = merge(cluster(1.0, capacity={"cpu": None}), {"h1": told()}, Choice()).snapshot
    assert after.hosts[0].capacity == {"cpu": 16.0, "memory": 64 * GIB}


def test_what_the_platform_calls_a_host_wins_over_what_its_kernel_does() -> None:
    before = cluster(1.0, labels={"cpu_model": "mine"}, cpu_model="intel-skylake")
    host = merge(before, {"h1": told()}, Choice()).snapshot.hosts[0]
    assert (host.cpu_model, host.labels["cpu_model"], host.labels["cpu_cores"]) == (
        "intel-skylake",
        "mine",
        "8",
    )


@pytest.mark.parametrize(("total", "silent"), [(58 * GIB, 0), (57 * GIB, 1), (71 * GIB, 1)])
def test_another_machine_is_not_taken_for_the_host(total: int, silent: int) -> None:
    merged = merge(cluster(1.0), {"h1": told(total=total)}, Choice())
    assert len(merged.silent) == silent
    assert merged.told == (() if silent else ("h1",))


def test_a_silent_host() -> None:
    before = cluster(1.0)
    kept = merge(before, {"h1": "no route to host"}, Choice())
    assert kept.snapshot == before
    assert [str(item) for item in kept.silent] == ["host one: no route to host"]
    closed = merge(before, {}, Choice(on_silent_host="exclude")).snapshot
    assert closed.hosts[0].schedulable is False
    with pytest.raises(LoadMissing, match="one: no route to host"):
        merge(before, {"one": "no route to host"}, Choice(on_silent_host="fail"))


def test_a_host_that_is_off_need_not_answer() -> None:
    before = cluster(1.0, status="offline")
    assert merge(before, {}, Choice(on_silent_host="fail")).silent == ()


@pytest.mark.parametrize("answers", [{"h2": "?"}, {"h1": "?", "one": "?"}])
def test_answers_of_nobody_or_twice(answers: dict[str, HostLoad | str]) -> None:
    with pytest.raises(InputError, match=r"answers\.\w+: '\w+' is not the id or name of exactly one host"):
        merge(cluster(1.0), answers, Choice())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"memory": {"total": -1}}, r"answers\.h1\.load\.memory"),
        ({"loadavg": None}, r"answers\.h1\.load\.loadavg: None is not an object"),
        ({"extra": 1}, r"extra"),
    ],
)
def test_an_answer_that_is_none(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        HostLoad.from_json(change, "answers.h1.load")
