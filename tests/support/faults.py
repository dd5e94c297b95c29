# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a run, as it is provoked on each simulator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support.weather import CALM, connect

Strike = Callable[[Simulator], object]

# What reads the whole cluster, and what starts a migration, on each platform.
LOOKING = {
    "vcenter": "RetrievePropertiesEx",
    "proxmox": "GET /cluster/resources",
    "vmmanager": "GET /vm/v3/node",
}
POLLING = {
    "vcenter": "RetrievePropertiesEx",
    "proxmox": "GET /cluster/tasks",
    "vmmanager": "GET /vm/v3/task",
}
STARTING = {
    "vcenter": "RelocateVM_Task",
    "proxmox": "POST /nodes/{node}/qemu/{vmid}/migrate",
    "vmmanager": "POST /vm/v3/host/{id}/migrate",
}
CHECKING = {
    "vcenter": "CheckRelocate_Task",
    "proxmox": "GET /nodes/{node}/qemu/{vmid}/migrate",
    "vmmanager": "GET /vm/v3/host/{id}/migrate",
}


def _platform(simulator: Simulator) -> str:
    return simulator.connection.platform


def _id_of(simulator: Simulator, host: str) -> str:
    """Of a host that may be named by its name."""
    for number, entry in simulator.state()["hosts"].items():
        if host in (number, entry.get("name")):
            return str(number)
    raise LookupError(f"no host {host!r}")


def sessions_end(simulator: Simulator) -> None:
    simulator.expire_sessions()


def unauthorized(simulator: Simulator) -> None:
    """The next call finds that its session is not accepted."""
    vcenter = _platform(simulator) == "vcenter"
    error, call = ("NotAuthenticated", "RetrievePropertiesEx") if vcenter else (401, "*")
    simulator.switches(fail_calls=[{"call": call, "error": error, "count": 1}])


def failing(calls: dict[str, str], status: int, times: int = 2, guest: str | None = None) -> Strike:
    """Calls that fail with this status, so many times."""

    def strike(simulator: Simulator) -> None:
        fault = {"call": calls[_platform(simulator)], "error": status, "count": times}
        if guest is not None:
            fault["object"] = guest
        simulator.switches(fail_calls=[fault])

    return strike


def reset(calls: dict[str, str], when: str, times: int = 1) -> Strike:
    """Connections that are closed without an answer, before or after the call was carried out."""

    def strike(simulator: Simulator) -> None:
        call = calls[_platform(simulator)]
        simulator.switches(drop_connection=[{"call": call, "count": times, "when": when}])

    return strike


def _later(simulator: Simulator, seconds: float, **switches: object) -> None:
    """Set switches after so long, unless the simulator has ended by then."""

    def switch() -> None:
        with suppress(OSError):
            simulator.switches(**switches)

    threading.Timer(seconds, switch).start()


def for_a_while(seconds: float, **switches: object) -> Strike:
    """Switches that are as they were after so long."""

    def strike(simulator: Simulator) -> None:
        simulator.switches(**switches)
        _later(simulator, seconds, **{name: CALM[name] for name in switches})

    return strike


def away(simulator: Simulator) -> None:
    """Whatever is asked meets 503 for a while, for half of the executor's patience or less."""
    for_a_while(1.0, fail_calls=[{"call": "*", "error": 503}])(simulator)


def mute(simulator: Simulator) -> None:
    """No answer comes in time for a while."""
    for_a_while(0.8, latency_seconds=1.5)(simulator)


def short_tickets(simulator: Simulator) -> None:
    """A ticket is not accepted any more after a second, as after two hours."""
    simulator.switches(ticket_seconds=1.3)


def slow_refusal(simulator: Simulator) -> None:
    """The session ends, and it takes a while until that is said."""
    simulator.switches(auth_delay_seconds=0.3)
    simulator.expire_sessions()


def slow(simulator: Simulator) -> None:
    simulator.switches(latency_seconds=0.1)


def host_dies(host: str) -> Strike:
    return lambda simulator: simulator.change_host(host, status="offline")


def maintenance(host: str) -> Strike:
    return lambda simulator: simulator.change_host(host, maintenance=True)


def quorum_lost(simulator: Simulator) -> None:
    simulator.switches(quorate=False)


def quorum_flaps(simulator: Simulator) -> None:
    """Lost, and back after half of the executor's patience."""
    simulator.switches(quorate=False)
    _later(simulator, 1.0, quorate=True)


def cancelled(guest: str, *, late: bool = False) -> Strike:
    """Somebody cancels the migration of a guest; `late`: it goes on to its end all the same."""

    def strike(simulator: Simulator) -> None:
        simulator.switches(late_cancels=late)
        with closing(connect(simulator.connection)) as somebody:
            where = simulator.state()["guests"][guest]["host"]
            task = somebody.find(MigrationRequest(guest=guest, source=where, target=where))
            if task is not None:
                somebody.cancel(task)

    return strike


def late_cancels(simulator: Simulator) -> None:
    simulator.switches(late_cancels=True)


def migration_fails(guest: str, percent: float = 50, **more: object) -> Strike:
    return lambda simulator: simulator.switches(
        fail_migrations=[{"guest": guest, "at_percent": percent, **more}]
    )


def busy(guest: str, seconds: float) -> Strike:
    return lambda simulator: simulator.change_guest(guest, busy_seconds=seconds)


def put(guest: str, host: str) -> Strike:
    """Somebody has moved a guest."""
    return lambda simulator: simulator.change_guest(guest, host=host)


def somebody_migrates(guest: str, source: str, target: str) -> Strike:
    def strike(simulator: Simulator) -> None:
        with closing(connect(simulator.connection)) as somebody:
            somebody.look([guest])
            start, end = _id_of(simulator, source), _id_of(simulator, target)
            somebody.start(MigrationRequest(guest=guest, source=start, target=end))

    return strike


def ha_drops(guest: str) -> Strike:
    """HA takes the request and forgets it."""
    return lambda simulator: simulator.switches(ha_refuse=[guest])


def falls_asleep(simulator: Simulator) -> None:
    """The platform suspends itself, and takes some requests to wake up."""
    simulator.switches(asleep_requests=4)


def listed_late(simulator: Simulator) -> None:
    """Tasks are in the lists a while after they were begun."""
    simulator.switches(listing_seconds=0.2)


def listed_late_and_cut_off(simulator: Simulator) -> None:
    listed_late(simulator)
    reset(STARTING, "after", 2)(simulator)


def deferred(simulator: Simulator) -> None:
    simulator.switches(defer_seconds=0.3)


def unsuitable(guest: str, host: str) -> Strike:
    """The platform would not take this guest to that host."""
    return lambda simulator: simulator.switches(unsuitable={guest: [_id_of(simulator, host)]})
