# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity of a pool from a snapshot of its cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._model.errors import InputError
from .._model.lookup import Directory
from .._model.snapshot import Host, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of a cluster a pool is: some of its hosts or all, less the largest `spare_hosts` for the
    failure of this many, and of that `percent`; storage is that of some datastores or all.
    """

    hosts: tuple[str, ...] = ()
    spare_hosts: int = 0
    percent: float = 100.0
    datastores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """vCPUs, bytes of memory, bytes of storage; None where the snapshot has none."""

    vcpus: int
    memory: int
    storage: int | None


def capacity_of(snapshot: Snapshot, share: Share) -> Capacity:
    """The whole capacity of the hosts that may have guests, whether it is used or not.

    Raises InputError for datastores that are not there, and when nothing would be left; UnknownName and
    AmbiguousName for hosts.
    """
    chosen = _chosen(snapshot, share)
    hosts = [host for host in chosen if host.active]
    if share.spare_hosts >= len(hosts):
        raise InputError(
            "share.spare_hosts",
            share.spare_hosts,
            f"less than the number of active hosts ({len(hosts)})",
        )
    part = share.percent / 100
    return Capacity(
        vcpus=math.floor(_sum(hosts, "cpu", share.spare_hosts) * part + 1e-6),
        memory=math.floor(_sum(hosts, "memory", share.spare_hosts) * part),
        storage=_storage(chosen, share, part),
    )


def _chosen(snapshot: Snapshot, share: Share) -> list[Host]:
    if not share.hosts:
        return list(snapshot.hosts)
    directory = Directory(snapshot.hosts, "host")
    chosen = {directory.one(name, "share.hosts") for name in share.hosts}
    return [host for host in snapshot.hosts if host.id in chosen]


def _sum(hosts: Sequence[Host], resource: str, spare: int) -> float:
    amounts = []
    for host in hosts:
        capacity = host.capacity.get(resource)
        if capacity is None:
            raise InputError(
                "snapshot", None, f"the {resource} capacity of host {host.name}, which is unknown"
            )
        amounts.append(max(0.0, capacity - (host.reserved.get(resource) or 0)))
    return sum(sorted(amounts)[: len(amounts) - spare])


def _storage(hosts: Sequence[Host], share: Share, part: float) -> int | None:
    """A shared datastore counts once."""
    known: dict[tuple[str, str], int | None] = {}
    for host in hosts:
        for name, store in host.datastores.items():
            if not share.datastores or name in share.datastores:
                key = ("", name) if store.shared else (host.id, name)
                known[key] = store.capacity if known.get(key) is None else known[key]
    for name in share.datastores:
        if name not in {key[1] for key in known}:
            there = ", ".join(sorted({name for host in hosts for name in host.datastores})[:20])
            raise InputError("share.datastores", name, f"a datastore of the chosen hosts ({there})")
    if not known or any(capacity is None for capacity in known.values()):
        return None
    return math.floor(sum(capacity or 0 for capacity in known.values()) * part)
