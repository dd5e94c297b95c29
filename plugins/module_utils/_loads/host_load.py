# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load that a hypervisor reports: the JSON that host_load_info returns.

Memory in bytes, pressure in percent of time stalled. A figure that the kernel does not report is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .._model.codec import Bounds, decode
from .._model.snapshot import Amount, Bytes

Share = Annotated[float, Bounds(0, 100)]
Count = Annotated[int, Bounds(least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAverages:
    """Tasks that ran, wanted to run or waited for a disk, over 1, 5 and 15 minutes."""

    load1: Amount
    load5: Amount
    load15: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """Percent of the last 10, 60 and 300 seconds."""

    avg10: Share
    avg60: Share
    avg300: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Time in which some or all tasks waited for a resource."""

    some: Stalled | None
    full: Stalled | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StallInformation:
    """By resource; None where the kernel keeps none."""

    cpu: Pressure | None
    memory: Pressure | None
    io: Pressure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`used` is out of reach for a new guest: the reclaimable part of the ARC is not in it."""

    total: Annotated[int, Bounds(least=1)]
    free: Bytes
    available: Bytes
    used: Bytes
    swap_total: Bytes | None
    swap_free: Bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZfsArc:
    """The cache of ZFS."""

    size: Bytes
    minimum: Bytes
    maximum: Bytes
    reclaimable: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """Packages, cores, logical CPUs, and what the first of them calls itself."""

    sockets: Count | None
    cores: Count | None
    threads: Count | None
    model: str | None
    level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """One hypervisor at one moment."""

    loadavg: LoadAverages
    pressure: StallInformation
    memory: Memory
    zfs_arc: ZfsArc | None
    cpu: Cpus

    @classmethod
    def from_json(cls, value: object, where: str) -> HostLoad:
        """Raises InputError with the path of the first field that is wrong, which starts with `where`."""
        return decode(cls, value, where)
