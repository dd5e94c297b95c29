# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of Proxmox VE, besides those that every simulator has."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.faults import Faults


class Switches(Faults):
    """Every switch by its name."""

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
        self.hung_nodes: list[str] = []
        """Nodes whose daemons accept calls and never answer them, though corosync sees them."""
        self.hang_seconds = 30.0
        """How long the host that passes a call on waits for such a node."""
