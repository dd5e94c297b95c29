# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans run by the real executor over a real adapter against a simulator that fails in every way.

What must be true of every run, as the simulator saw it, is in `violations`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import MigrationOutcome, Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import RULE_RESTORING, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Platform
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import numbered
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

PACE = 40.0
"""Seconds that seem to pass in one: patience of minutes is over in a moment."""
MIGRATION_SECONDS = 0.25

NO_FAULTS: Mapping[str, object] = {
    "fail_calls": [],
    "fail_migrations": [],
    "drop_connection": [],
    "latency_seconds": 0,
    "late_cancels": False,
    "migration_seconds": MIGRATION_SECONDS,
}
NO_FAULTS_OF_PLATFORM: Mapping[str, Mapping[str, object]] = {
    "vcenter": {"refuse_migrations": [], "no_statistics": [], "clock_skew_seconds": 0},
    "proxmox": {
        "quorate": True,
        "ha_refuse": [],
        "ticket_seconds": 7200,
        "auth_delay_seconds": 0,
        "break_migrations": [],
        "hung_nodes": [],
    },
    "vmmanager": {
        "asleep_requests": 0,
        "listing_seconds": 0,
        "defer_seconds": 0,
        "unsuitable": {},
        "stale_tasks": False,
        "skew_seconds": 0,
        "slow_calls": [],
    },
}
# What a guest has that runs and that nothing holds.
_PLAIN: Mapping[str, Mapping[str, object]] = {
    "vcenter": {},
    "proxmox": {"run_state": None, "lock": None, "ha_repaired": True},
    "vmmanager": {"run_state": None},
}
LEFT_LOCK_SECONDS = 5.0
"""Longer than anything keeps a guest busy here."""
BY_SOMEBODY = "by somebody else"
"""The name of threads in which somebody else asks the platform for something."""


def quickly() -> float:
    """Seconds, faster than they pass."""
    return time.monotonic() * PACE


class QuickClock(SystemClock):
    """A clock that runs faster than time."""

    def monotonic(self) -> float:
        return quickly()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / PACE)


def connect(connection: launch.Connection, timeout: float = 30.0) -> Platform:
    """A session of its own; `timeout`: seconds that the platform may stay silent. Only its adapter is
    imported: processes that end after a moment spend most of their time on imports.
    """
    if connection.platform == "vcenter":
        return _vsphere(connection, timeout)
    if connection.platform == "vmmanager":
        return _vmmanager(connection, timeout)
    return _proxmox(connection, timeout)


def _vsphere(connection: launch.Connection, timeout: float) -> Platform:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.connection import (
        VSphereConnection,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
        VSpherePlatform,
    )

    return VSpherePlatform(
        VSphereConnection(
            hostname=connection.host,
            port=connection.port,
            username=connection.user,
            password=connection.password,
            ca_path=connection.ca_path,
            timeout=timeout,
        ),
        monotonic=quickly,
    )


def _vmmanager(connection: launch.Connection, timeout: float) -> Platform:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api import (
        connection as options,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
        VMManagerPlatform,
    )

    # As the simulated VMmanager names it.
    measured = options.Metric(of="node", metric="memory", target="ram_used", unit="bytes", interval="1hour")
    return VMManagerPlatform(
        options.VMManagerConnection(
            host=connection.host,
            port=connection.port,
            username=connection.user,
            password=connection.password,
            ca_path=connection.ca_path,
            metrics=(measured,),
            timeout=timeout,
        ),
        sleep=lambda seconds: time.sleep(seconds / PACE),
        monotonic=quickly,
    )


def _proxmox(connection: launch.Connection, timeout: float) -> Platform:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.connection import (
        ProxmoxConnection,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
        ProxmoxPlatform,
    )

    return ProxmoxPlatform(
        ProxmoxConnection(
            api_hosts=(connection.host,),
            api_port=connection.port,
            api_user=connection.user,
            api_password=connection.password,
            ca_path=connection.ca_path,
            api_timeout=timeout,
        ),
        monotonic=quickly,
    )


def cluster_of(platform: Platform) -> ClusterRef:
    """As a snapshot would name it, without reading one."""
    return ClusterRef(id=platform.look(()).cluster, name="prod")


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A cluster as it is before anything happens, and what is to be carried out in it."""

    snapshot: Snapshot
    migrations: Sequence[Migration]
    rules: Sequence[Rule]
    limits: Limits = field(default_factory=Limits)

    @property
    def places(self) -> dict[str, str]:
        return {guest.id: guest.host for guest in self.snapshot.guests}

    @property
    def goal(self) -> dict[str, str]:
        """Where the guests are after an undisturbed run."""
        return self.places | {step.guest.id: step.target for step in self.migrations}

    def start(self, platform: launch.Platform, folder: Path, options: Sequence[str] = ()) -> launch.Simulator:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cluster.json").write_text(json.dumps(self.snapshot.to_json()))
        options = ["--migration-seconds", str(MIGRATION_SECONDS), *options]
        return launch.start(platform, [folder / "cluster.json"], folder, options=options)

    def on(self, platform: str) -> PlannedRun:
        """The same run as this platform numbers its hosts."""
        if platform != "vmmanager":
            return self
        snapshot = numbered(self.snapshot)
        ids = {old.id: new.id for old, new in zip(self.snapshot.hosts, snapshot.hosts, strict=True)}
        return replace(
            self,
            snapshot=snapshot,
            migrations=tuple(
                replace(step, source=ids[step.source], target=ids[step.target]) for step in self.migrations
            ),
            rules=[replace(rule, hosts=tuple(ids[host] for host in rule.hosts)) for rule in self.rules],
        )

    def work(self, cluster: ClusterRef) -> MigrationJob:
        return MigrationJob(
            cluster=cluster,
            migrations=self.migrations,
            rules=self.rules,
            limits=self.limits,
            emptied=frozenset(step.source for step in self.migrations if step.kind == "evacuate"),
        )


def no_one(_progress: Progress) -> None:
    """Nobody watches."""


def unheard(_outcome: MigrationOutcome) -> None:
    """Nobody remembers."""


def carry_out(
    planned: PlannedRun,
    platform: Platform,
    cluster: ClusterRef,
    *,
    failure_policy: FailurePolicy = FailurePolicy(),  # noqa: B008
    journal: Path | None = None,
    observe: Callable[[Progress], None] = no_one,
    ended: Callable[[MigrationOutcome], None] = unheard,
    stop: StopSignal | None = None,
) -> Outcome:
    work = planned.work(cluster)
    return Executor(
        work,
        platform,
        concurrency=ConcurrencyLimits(cluster=4, per_host=2, per_datastore=2),
        failure_policy=failure_policy,
        journal=Journal(None if journal is None else str(journal), work.digest()),
        stop=stop or StopSignal(),
        clock=QuickClock(),
        observe=observe,
        ended=ended,
    ).run()


def settle(simulator: launch.Simulator) -> dict[str, Any]:
    """The state once nothing is under way any more. A lock that stays is one that nothing will release."""
    alarm, since = time.monotonic() + PATIENCE_SECONDS, time.monotonic()
    while time.monotonic() < alarm:
        state = simulator.state()
        held = any(guest.get("lock") for guest in state["guests"].values())
        if any(move["state"] == "running" for move in state["migrations"]):
            since = time.monotonic()
        elif not held or time.monotonic() - since > LEFT_LOCK_SECONDS:
            return state
        time.sleep(0.03)
    raise AssertionError(f"something is still under way: {simulator.state()['migrations']}")


def clear_up(simulator: launch.Simulator, planned: PlannedRun) -> None:
    """Faults end, hosts are back, and guests that were moved elsewhere too."""
    simulator.switches(**NO_FAULTS, **NO_FAULTS_OF_PLATFORM[simulator.connection.platform])
    for thread in threading.enumerate():
        if thread.name == BY_SOMEBODY:
            # What somebody has asked for meanwhile ends first: a host would be away again afterwards.
            thread.join(timeout=PATIENCE_SECONDS)
    platform = simulator.connection.platform
    for host, state in simulator.state()["hosts"].items():
        if state["status"] != "online" or state["maintenance"]:
            simulator.change_host(host, status="online", maintenance=False)
        if platform == "vmmanager":
            simulator.change_host(host, state=None)
    plain = _PLAIN[platform]
    for guest, state in settle(simulator)["guests"].items():
        if plain or state["power"] != "running":
            simulator.change_guest(guest, power="running", **plain)
        if state["host"] not in (planned.places[guest], planned.goal[guest]):
            simulator.change_guest(guest, host=planned.places[guest])


def put_back(simulator: launch.Simulator, planned: PlannedRun) -> None:
    """Everything as it was before the first run."""
    clear_up(simulator, planned)
    now = places(simulator.state())
    for guest in [step.guest.id for step in reversed(planned.migrations)]:
        # Backwards, so that no host is filled past its limit.
        if now[guest] != planned.places[guest]:
            simulator.change_guest(guest, host=planned.places[guest])


def places(state: Mapping[str, Any]) -> dict[str, str]:
    return {guest: entry["host"] for guest, entry in state["guests"].items()}


def violations(
    planned: PlannedRun, before: Mapping[str, Any], after: Mapping[str, Any], companions: Sequence[str] = ()
) -> list[str]:
    """What must never be, between two states of a simulator: a guest lost, one migrated twice or by nobody's
    plan, a host filled past its limit, a strict rule newly broken. HA moves `companions` along.
    """
    found = [f"guest {guest} is lost" for guest in planned.places if guest not in after["guests"]]
    new = after["migrations"][len(before["migrations"]) :]
    wanted = Counter(step.guest.id for step in planned.migrations)
    done = Counter(str(move["guest"]) for move in new if move["state"] in ("done", "running"))
    found += [
        f"guest {guest} was migrated {times} times"
        for guest, times in done.items()
        if times > wanted[guest] and guest not in companions
    ]
    for host in planned.snapshot.hosts:
        mended = any(step.kind in RULE_RESTORING and step.target == host.id for step in planned.migrations)
        percent = planned.limits.memory_for_rules if mended else planned.limits.memory
        ceiling = (host.capacity.get("memory") or 0) * percent / 100
        peak = after["peak"].get(host.id, {}).get("memory", 0)
        if peak > max(ceiling, host.used.get("memory") or 0):
            found.append(f"host {host.id} held {peak / 2**30:.1f} GiB of {ceiling / 2**30:.1f}")
    return found + [
        f"rule {rule.name} is broken" for rule in planned.rules if _holds(rule, planned.places) and
        not _holds(rule, places(after))
    ]  # fmt: skip


def _holds(rule: Rule, where: Mapping[str, str]) -> bool:
    hosts = [where[guest] for guest in rule.guests if guest in where]
    if not rule.strict or len(hosts) < 1:
        return True
    if rule.kind == "anti_affinity":
        return len(set(hosts)) == len(hosts)
    if rule.kind == "affinity":
        return len(set(hosts)) == 1
    if rule.kind == "host_affinity":
        return set(hosts) <= set(rule.hosts)
    return rule.kind == "even_spread" or not set(hosts) & set(rule.hosts)


def starts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Counter[str]:
    """How often each guest's migration was begun on the platform."""
    return Counter(str(move["guest"]) for move in after["migrations"][len(before["migrations"]) :])
