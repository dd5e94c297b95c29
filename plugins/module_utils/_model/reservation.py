# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room that is promised to guests before they exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from .codec import Bounds
from .snapshot import Disk, Guest, Host, HostDatastore, Id, Snapshot

# The blocker of a guest that stands for a reservation.
RESERVED: Final = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Where a guest that is about to be created will be, and what it will take there: cores, bytes, disks."""

    guest: Id
    host: Id
    cpu: Annotated[float, Bounds(least=0)]
    memory: Annotated[int, Bounds(least=0), "bytes"]
    disks: tuple[Disk, ...] = ()
    networks: tuple[Id, ...] = ()
    tags: tuple[str, ...] = ()


def cluster_name(snapshot: Snapshot) -> str:
    """The key of a cluster in reservations: the same from every controller, different for every cluster."""
    cluster = snapshot.cluster
    return ":".join(part for part in (snapshot.platform, cluster.instance, cluster.id) if part)


def cluster_names(name: str) -> tuple[str, ...]:
    """The name of a cluster, and the one that earlier versions knew it by, which had no instance."""
    platform, _colon, rest = name.partition(":")
    _instance, colon, identity = rest.rpartition(":")
    return (name, f"{platform}:{identity}") if colon else (name,)


def with_reservations(snapshot: Snapshot, reservations: Iterable[Reservation]) -> Snapshot:
    """The snapshot as if every reserved guest were there and took all that it was promised.

    A reservation has come true, and counts no more, once a guest has its name or id, wherever it is: what is
    promised room must have a name of its own. One on a host that is gone counts for nothing.
    """
    known = {word for guest in snapshot.guests for word in (guest.id, guest.name)}
    hosts = {host.id: host for host in snapshot.hosts}
    coming = {
        reservation.guest: reservation
        for reservation in reservations
        if reservation.guest not in known and reservation.host in hosts
    }
    shared: dict[str, int] = {}
    for reservation in coming.values():
        hosts[reservation.host] = _filled(hosts[reservation.host], reservation)
        for disk in reservation.disks:
            shared[disk.datastore] = shared.get(disk.datastore, 0) + (disk.size or 0)
    return replace(
        snapshot,
        hosts=tuple(_with_shared(hosts[host.id], shared) for host in snapshot.hosts),
        guests=(*snapshot.guests, *(_guest(reservation) for reservation in coming.values())),
    )


def is_reserved(guest: Guest) -> bool:
    """Whether the guest stands for a reservation, and does not exist yet."""
    return RESERVED in guest.blockers


def _guest(reservation: Reservation) -> Guest:
    amounts = {"cpu": reservation.cpu, "memory": reservation.memory}
    return Guest(
        id=f"reserved:{reservation.guest}",
        name=reservation.guest,
        kind="vm",
        host=reservation.host,
        power="running",
        assigned=amounts,
        used=amounts,
        disks=reservation.disks,
        networks=reservation.networks,
        tags=reservation.tags,
        migratable=False,
        blockers=(RESERVED,),
    )


def _filled(host: Host, reservation: Reservation) -> Host:
    """Its load with the guest's, and less room on its own datastores."""
    used = dict(host.used)
    for resource, amount in (("cpu", reservation.cpu), ("memory", reservation.memory)):
        present = used.get(resource)
        if present is not None:
            used[resource] = present + amount
    own: dict[str, int] = {}
    for disk in reservation.disks:
        own[disk.datastore] = own.get(disk.datastore, 0) + (disk.size or 0)
    datastores = {
        name: store if store.shared else _less(store, own.get(name, 0))
        for name, store in host.datastores.items()
    }
    return replace(host, used=used, datastores=datastores)


def _with_shared(host: Host, taken: Mapping[str, int]) -> Host:
    if not any(store.shared and taken.get(name) for name, store in host.datastores.items()):
        return host
    datastores = {
        name: _less(store, taken.get(name, 0)) if store.shared else store
        for name, store in host.datastores.items()
    }
    return replace(host, datastores=datastores)


def _less(store: HostDatastore, taken: int) -> HostDatastore:
    return store if store.free is None or not taken else replace(store, free=max(0, store.free - taken))
