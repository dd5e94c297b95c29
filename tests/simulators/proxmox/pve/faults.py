# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of Proxmox VE, besides those that every simulator has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.faults import Faults


@dataclass(slots=True)
class Break:
    """Let a migration end badly where it hurts. `phase` end: the configuration is on the target already, and
    the guest is left there as `power` says (running, paused or stopped; None: as it was). `phase` prepare: a
    container was shut down, and is left so. With `lock` the lock stays.
    """

    guest: str = "*"
    phase: str = "end"
    power: str | None = None
    lock: bool = False
    error: str | None = None
    count: int | None = None


@dataclass(slots=True)
class DiskMoveFault:
    """Let a move of a disk fail when it is `at_percent` done. `error` is the task's exit status, with OK it
    ends well and nothing has moved; with `leaves` the copy stays on the target.
    """

    guest: str = "*"
    disk: str = "*"
    at_percent: float = 50
    error: str | None = None
    count: int | None = None
    leaves: bool = False


class Switches(Faults):
    """Every switch by its name.

    `stale_seconds`: how long the last figures of a node that went are shown. `daemon_restarted` and
    `daemon_silent` are nodes whose status daemon has just started, or has not reported for long. `ha_idle` is
    the manager's state of long ago: {"seconds": how long, "node_status": {node: state}}; `ha_disarmed` the
    mode, freeze or ignore. `ca_seed` tells two clusters of one name apart.
    """

    def __init__(self, migration_seconds: float = 0.2) -> None:
        super().__init__(migration_seconds)
        self.auth_delay_seconds = 0.0
        self.ticket_seconds = 7200.0
        self.ha_delay_seconds = 0.3
        self.ha_refuse: list[str] = []
        self.sample_seconds = 0.0
        self.quorate = True
        self.pressure = True
        self.history_remembers = False
        self.grants: dict[str, dict[str, list[str]]] = {}
        self.options: dict[str, Any] = {}
        self.offline_status: list[Any] = [595, "No route to host"]
        self.stale_seconds = 300.0
        self.daemon_restarted: list[str] = []
        self.daemon_silent: list[str] = []
        self.ha_idle: dict[str, Any] | None = None
        self.ha_disarmed: str | None = None
        self.pci_mappings: list[dict[str, Any]] = []
        self.replication: list[dict[str, Any]] = []
        self.ca_seed = ""
        self.hung_nodes: list[str] = []
        """Nodes whose daemons accept calls and never answer them, though corosync sees them."""
        self.hang_seconds = 30.0
        """How long the host that passes a call on waits for such a node."""
        self.break_migrations: list[Break] = []
        self.abort_seconds = 0.0
        """How long a migration that is stopped takes to clean up; after 5 s it is killed."""
        self.held_configs: list[str] = []
        """Guests whose configuration something holds: a migration passes its checks and then waits for it."""
        self.held_seconds = 10.0
        """For how long it waits."""
        self.ignore_shutdown: list[str] = []
        """Guests that do not shut down when they are asked to."""
        self.ignore_start: list[str] = []
        """Containers that do not start."""
        self.shutdown_seconds = 0.1
        self.ha_start_seconds = 0.1
        """How long HA takes to start a container that it has moved."""
        self.ha_no_failback: list[str] = []
        """HA resources whose failback is 0."""
        self.task_list_seconds = 0.0
        """How long a task that has ended is still shown as running in the cluster's list."""
        self.disk_move_seconds = migration_seconds
        """How long a move of a disk takes."""
        self.fail_disk_moves: list[DiskMoveFault] = []
        self.keep_sources: list[str] = []
        """Guests, or *, whose old volume can't be removed once its copy is in use."""
        self.conntrack = True
        """Whether nodes can send along what the firewall knows of connections."""

    def merge(self, changes: Mapping[str, Any]) -> None:
        plain = dict(changes)
        if "break_migrations" in plain:
            plain["break_migrations"] = [Break(**item) for item in plain["break_migrations"]]
        if "fail_disk_moves" in plain:
            plain["fail_disk_moves"] = [DiskMoveFault(**item) for item in plain["fail_disk_moves"]]
        super().merge(plain)

    def to_break(self, guest: str, phase: str) -> Break | None:
        """The break that this migration meets in this phase, used up by one."""
        for fault in self.break_migrations:
            if fault.count != 0 and fault.phase == phase and str(fault.guest) in ("*", guest):
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def disk_move_fault(self, guest: str, disk: str) -> DiskMoveFault | None:
        """The fault that this move of a disk meets, used up by one."""
        for fault in self.fail_disk_moves:
            wanted = str(fault.guest) in ("*", guest) and fault.disk in ("*", disk)
            if wanted and fault.count != 0:
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def keeps_source(self, guest: str) -> bool:
        return any(str(name) in ("*", guest) for name in self.keep_sources)
