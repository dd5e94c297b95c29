# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VMmanager 6 is and how to read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from ...connection import RestConnection

HTTPS: Final = 443
Unit = Literal["percent", "cores", "bytes", "kib", "mib", "bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A series of the platform's statistics: whose it is, which of our loads it is (a part of), and in which
    unit.

    `target` and `interval` are the platform's own words. percent is of the guest's or node's own cpu or
    memory.
    """

    of: Literal["vm", "node"]
    metric: Literal["cpu", "memory", "network_io", "disk_io"]
    target: str
    unit: Unit
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VMManagerConnection(RestConnection):
    """A token, or an e-mail address (`username`) and password. `cluster` is a name or id; None where there is
    one only.

    `metrics`: a load that is not among them is not measured.
    """

    host: str
    port: int = HTTPS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    timeout: float = 30
    metrics: tuple[Metric, ...] = ()

    @property
    def instance(self) -> str:
        """Which VMmanager this is, the same from everywhere: where it is reached."""
        name = self.host.lower().rstrip(".")
        if self.port == HTTPS:
            return name
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"
