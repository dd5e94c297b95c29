# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a run, as it is provoked on each simulator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import BY_SOMEBODY, NO_FAULTS, connect

Inject = Callable[[Simulator], object]

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


def failing(calls: dict[str, str], status: int, times: int = 2, guest: str | None = None) -> Inject:
    """Calls that fail with this status, so many times."""

    def inject(simulator: Simulator) -> None:
        fault = {"call": calls[_platform(simulator)], "error": status, "count": times}
        if guest is not None:
            fault["object"] = guest
        simulator.switches(fail_calls=[fault])

    return inject


# What each platform says to a start that it does not begin: for good, and for the moment.
_OBJECTIONS: dict[str, tuple[tuple[object, str], tuple[object, str]]] = {
    "vcenter": (
        ("CpuIncompatible", "The CPU lacks a feature"),
        ("TaskInProgress", "Another task is already in progress"),
    ),
    "proxmox": (
        (500, "storage 'san' is not available on node 'h2'"),
        (500, "VM is locked (backup)"),
    ),
    "vmmanager": (
        (400, "the node is not suitable"),
        (400, "the virtual machine is locked"),
    ),
}


def start_refused(guest: str, *, passing: bool = False) -> Inject:
    """The next start of this guest is refused, though the check was content."""

    def inject(simulator: Simulator) -> None:
        platform = _platform(simulator)
        error, message = _OBJECTIONS[platform][passing]
        call = {"call": STARTING[platform], "error": error, "message": message, "object": guest, "count": 1}
        simulator.switches(fail_calls=[call])

    return inject


def connection_reset(calls: dict[str, str], when: str, times: int = 1) -> Inject:
    """Connections that are closed without an answer, before or after the call was carried out."""

    def inject(simulator: Simulator) -> None:
        call = calls[_platform(simulator)]
        simulator.switches(drop_connection=[{"call": call, "count": times, "when": when}])

    return inject


def _later(simulator: Simulator, seconds: float, **switches: object) -> None:
    """Set switches after so long, unless the simulator has ended by then."""

    def switch() -> None:
        with suppress(OSError):
            simulator.switches(**switches)

    threading.Timer(seconds, switch).start()


def for_a_while(seconds: float, **switches: object) -> Inject:
    """Switches that are as they were after so long."""

    def inject(simulator: Simulator) -> None:
        simulator.switches(**switches)
        _later(simulator, seconds, **{name: NO_FAULTS[name] for name in switches})

    return inject


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


def host_dies(host: str) -> Inject:
    return lambda simulator: simulator.change_host(host, status="offline")


def maintenance(host: str) -> Inject:
    return lambda simulator: simulator.change_host(host, maintenance=True)


def quorum_lost(simulator: Simulator) -> None:
    simulator.switches(quorate=False)


def quorum_flaps(simulator: Simulator) -> None:
    """Lost, and back after half of the executor's patience."""
    simulator.switches(quorate=False)
    _later(simulator, 1.0, quorate=True)


def cancelled(guest: str, *, late: bool = False) -> Inject:
    """Somebody cancels the migration of a guest; `late`: it goes on to its end all the same."""

    def inject(simulator: Simulator) -> None:
        simulator.switches(late_cancels=late)
        with closing(connect(simulator.connection)) as somebody:
            where = simulator.state()["guests"][guest]["host"]
            task = somebody.find(MigrationRequest(guest=guest, source=where, target=where))
            if task is not None:
                somebody.cancel(task)

    return inject


def late_cancels(simulator: Simulator) -> None:
    simulator.switches(late_cancels=True)


def migration_fails(guest: str, percent: float = 50, **more: object) -> Inject:
    return lambda simulator: simulator.switches(
        fail_migrations=[{"guest": guest, "at_percent": percent, **more}]
    )


def busy(guest: str, seconds: float) -> Inject:
    return lambda simulator: simulator.change_guest(guest, busy_seconds=seconds)


def put(guest: str, host: str) -> Inject:
    """Somebody has moved a guest."""
    return lambda simulator: simulator.change_guest(guest, host=host)


def somebody_migrates(guest: str, source: str, target: str) -> Inject:
    def inject(simulator: Simulator) -> None:
        with closing(connect(simulator.connection)) as somebody:
            somebody.look([guest])
            start, end = _id_of(simulator, source), _id_of(simulator, target)
            request = MigrationRequest(guest=guest, source=start, target=end)
            somebody.start(somebody.prepare(request))

    return inject


def ha_drops(guest: str) -> Inject:
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
    connection_reset(STARTING, "after", 2)(simulator)


def deferred(simulator: Simulator) -> None:
    simulator.switches(defer_seconds=0.3)


def unsuitable(guest: str, host: str) -> Inject:
    """The platform would not take this guest to that host."""
    return lambda simulator: simulator.switches(unsuitable={guest: [_id_of(simulator, host)]})


# What reads measured loads, and what was done before.
STATISTICS = {
    "proxmox": "GET /nodes/{node}/rrddata",
    "vmmanager": "GET /vm/v3/node/{id}/metrics",
}
HISTORY = {
    "proxmox": "GET /nodes/{node}/tasks",
    "vmmanager": "GET /vm/v3/host/{id}/history",
}


def paused(guest: str) -> Inject:
    """Somebody pauses a guest: it holds its memory all the same."""
    return lambda simulator: simulator.change_guest(guest, run_state="paused")


def shut_down(guest: str) -> Inject:
    """Somebody shuts a guest down."""
    return lambda simulator: simulator.change_guest(guest, power="stopped")


def left_on_target(guest: str, power: str, *, lock: bool = False) -> Inject:
    """The migration of a guest fails when it is on its target already: it runs there, is paused or stopped,
    and may keep its lock.
    """

    def inject(simulator: Simulator) -> None:
        if _platform(simulator) == "proxmox":
            left = {"guest": guest, "power": power, "lock": lock, "error": "migration aborted", "count": 1}
            simulator.switches(break_migrations=[left])
        else:
            word = {"running": "MOVED", "paused": "MOVED_PAUSED", "stopped": "MOVED_STOPPED"}[power]
            simulator.switches(fail_migrations=[{"guest": guest, "error": word, "count": 1}])

    return inject


def paused_on_arrival(guest: str) -> Inject:
    """The task is complete, and the guest is paused on its target."""
    return lambda simulator: simulator.switches(
        fail_migrations=[{"guest": guest, "error": "PAUSED", "count": 1}]
    )


def host_dies_with_its_tasks(host: str) -> Inject:
    """What runs on it never ends, as far as the platform tells."""

    def inject(simulator: Simulator) -> None:
        simulator.switches(stale_tasks=True)
        simulator.change_host(host, status="offline")

    return inject


def in_state(host: str, state: str) -> Inject:
    """A node in a state that has no plain word."""
    return lambda simulator: simulator.change_host(host, state=state)


def refused(guest: str, host: str) -> Inject:
    """vCenter's own check objects."""
    objection = {"guest": guest, "host": host, "message": "the adapter is not supported"}
    return lambda simulator: simulator.switches(refuse_migrations=[objection])


def enters_maintenance(host: str) -> Inject:
    """Somebody has asked vCenter to take a host out of service, and gives up after a while."""

    def wait(simulator: Simulator) -> None:
        with suppress(EvenKeelError, OSError), closing(connect(simulator.connection)) as somebody:
            somebody.set_maintenance(host, on=True, timeout=1.0)  # type: ignore[attr-defined]

    return lambda simulator: threading.Thread(
        target=wait, args=(simulator,), daemon=True, name=BY_SOMEBODY
    ).start()


def no_statistics(simulator: Simulator) -> None:
    """No load is told any more."""
    if _platform(simulator) == "vcenter":
        simulator.switches(no_statistics=["*"])
    else:
        failing(STATISTICS, 500, 1000)(simulator)


def no_history(simulator: Simulator) -> None:
    """What was done before can't be read for a while."""
    failing(HISTORY, 500, 4)(simulator)


def clock_is_wrong(seconds: float) -> Inject:
    def inject(simulator: Simulator) -> None:
        name = "clock_skew_seconds" if _platform(simulator) == "vcenter" else "skew_seconds"
        simulator.switches(**{name: seconds})

    return inject


def node_hangs(host: str) -> Inject:
    """A node that corosync sees and whose daemons do not answer, for a while."""

    def inject(simulator: Simulator) -> None:
        simulator.switches(hung_nodes=[host], hang_seconds=0.4)
        _later(simulator, 1.0, hung_nodes=[])

    return inject


def one_call_is_slow(guest: str) -> Inject:
    """What is asked about one guest takes long."""
    return lambda simulator: simulator.switches(
        slow_calls=[{"call": "*", "object": guest, "seconds": 0.4, "count": 6}]
    )
