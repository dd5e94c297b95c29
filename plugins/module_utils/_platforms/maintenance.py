# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols for maintenance mode of hosts and for the list of clusters, which adapters offer besides
migrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .protocol import Platform


class Maintenance(Protocol):
    """Maintenance mode of hosts, by id."""

    def in_maintenance(self, host: str) -> bool:
        """Whether the platform has the host in maintenance mode at this moment."""

    def require_maintenance(self, host: str, *, on: bool) -> None:
        """Raise Refused where maintenance mode of this host cannot be switched. Changes nothing."""

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        """Switch it, and return when the platform has it so. Never moves or stops a guest.

        Where the platform has no call for it, only wait for what someone else has asked for. Raises Refused
        after `timeout` seconds.
        """

    def shut_down(self, guest: str, *, timeout: float) -> None:
        """Ask the guest's operating system to shut down, and return when the guest is off. Never cuts its
        power.

        Raises Refused when it is still on after `timeout` seconds, or can't be asked.
        """


class PlatformWithMaintenance(Platform, Maintenance, Protocol):
    """One cluster of one hypervisor, its hosts included."""

    def clusters(self) -> Sequence[str]:
        """Every cluster that the account sees, each as the option `cluster` names it and no other one."""
