# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of guests: what each takes on its storage, and why it stays there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from ...._model.snapshot import Disk, Guest
from ..api.notices import ONE_CALL, ReadFailures, in_order, with_names
from ..api.permissions import DISKS, Privileges
from ..api.session import Session
from ..api.values import row, size, whole
from .cluster_facts import ClusterFacts
from .copies import NOT_KNOWN, format_of, is_copied_whole, looks_for_zeros, read_machines
from .guest_config import GuestConfig, Volume
from .storages import RAW_TYPES, Storage

# Of these Proxmox VE does not report what a volume takes.
NOT_MEASURED = frozenset({"lvmthin"})


@dataclass(frozen=True, slots=True)
class GuestVolumes:
    """The volumes of a guest; `held` by a lock or a task, `replicated` by a job."""

    volumes: tuple[Volume, ...]
    container: bool
    running: bool
    has_snapshots: bool
    replicated: bool
    held: bool

    @property
    def is_live_vm(self) -> bool:
        return self.running and not self.container


@dataclass(frozen=True, slots=True)
class Uses:
    """How often volumes are named in the whole cluster, and which are bases of linked clones."""

    named: Mapping[str, int]
    bases: frozenset[str]

    @classmethod
    def of(cls, guests: Mapping[str, GuestVolumes], hosts: Mapping[str, str], shared: frozenset[str]) -> Uses:
        """`hosts` are the nodes of the guests: a volume of a local storage is another one elsewhere."""
        named: Counter[str] = Counter()
        bases = set()
        for guest, found in guests.items():
            for volume in found.volumes:
                place = "" if volume.storage in shared else hosts[guest]
                named[f"{place}/{volume.volid}"] += 1
                if volume.base is not None:
                    bases.add(f"{place}/{volume.base}")
        return cls(named, frozenset(bases))


def disks_of(
    guest: Guest,
    found: GuestVolumes,
    storages: Mapping[str, Storage],
    uses: Uses,
    used: Mapping[tuple[str, str], int],
    machine: tuple[int, int],
) -> tuple[Disk, ...]:
    """`used` are bytes that volumes take, by node of the guest and name; `machine` is the version of a VM
    that runs.
    """
    result = []
    for volume in found.volumes:
        storage = storages.get(volume.storage)
        shared = storage is not None and storage.shared
        name = f"{'' if shared else guest.host}/{volume.volid}"
        thin = None if storage is None else storage.thin
        whole_size = size(volume.parts.get("size"))
        taken = used.get((guest.host, volume.volid))
        if taken is None and thin is False:
            taken = whole_size
        grows = found.is_live_vm and taken is not None and whole_size is not None and taken < whole_size
        result.append(
            Disk(
                datastore=volume.storage,
                size=whole_size,
                id=volume.key,
                used=taken,
                thin=thin,
                format=format_of(volume),
                copied_whole=grows and is_copied_whole(volume, machine),
                # The other host gets it over the network, where nothing says that zeros are found.
                migrated_whole=grows and not shared,
                blockers=tuple(_blockers(guest.id, volume, found, storage, name, uses)),
            )
        )
    return tuple(result)


def volume_blockers(volume: Volume, *, container: bool, running: bool) -> Iterator[str]:
    """The blockers of a volume that no other guest and no setting has to do with."""
    if volume.is_unused:
        yield "unused"
    elif volume.is_cdrom:
        yield "cdrom"
    elif running and container:
        yield "running_container"
    elif running and volume.is_cloud_init:
        yield "cloud_init"
    elif running and volume.key.startswith("tpmstate"):
        yield "tpm_state"
    if volume.base is not None:
        yield "linked_clone"


def _blockers(
    guest: str, volume: Volume, found: GuestVolumes, storage: Storage | None, name: str, uses: Uses
) -> Iterator[str]:
    yield from volume_blockers(volume, container=found.container, running=found.running)
    if volume.is_unused or volume.is_cdrom:
        return
    if name in uses.bases:
        yield "base_image"
    if volume.owner not in (None, guest) or uses.named[name] > 1:
        yield "shared_disk"
    if found.has_snapshots:
        yield "snapshot_chain"
    if found.replicated and volume.parts.get("replicate") != "0":
        yield "replicated"
    if storage is None or storage.disabled:
        yield "inaccessible"
    elif storage.kind in RAW_TYPES:
        yield "raw_device"
    if size(volume.parts.get("size")) is None and not volume.is_cloud_init:
        yield "unknown_size"
    if found.held:
        yield "locked"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A volume whose use is to be asked for, of a guest on a node."""

    node: str
    guest: str
    volid: str


def wanted_uses(
    guests: Iterable[tuple[str, str, GuestVolumes]], storages: Mapping[str, Storage]
) -> list[Wanted]:
    """Of guests (id, node, volumes): those on thin storages whose type tells it."""
    result = []
    for guest, node, found in guests:
        for volume in found.volumes:
            storage = storages.get(volume.storage)
            if storage is None or storage.disabled or volume.is_cdrom or volume.is_unused:
                continue
            if storage.thin and storage.kind not in NOT_MEASURED and storage.on(node):
                result.append(Wanted(node, guest, volume.volid))
    return result


def read_uses(session: Session, wanted: list[Wanted], gaps: ReadFailures) -> dict[tuple[str, str], int]:
    """Bytes that each takes, by node and name of the volume."""

    def one(asked: Wanted) -> int | None:
        storage, _colon, _path = asked.volid.partition(":")
        path = f"nodes/{asked.node}/storage/{storage}/content/{quote(asked.volid, safe=':')}"
        try:
            return whole(row(session.get(path), path).get("used")) or None
        except ONE_CALL as error:
            gaps.missing("what the disks take on their storages", error, guest=asked.guest)
            return None

    answers = session.concurrently(one, wanted)
    return {
        (asked.node, asked.volid): taken
        for asked, taken in zip(wanted, answers, strict=True)
        if taken is not None
    }


def _machines_wanted(
    found: Mapping[str, GuestVolumes], hosts: Mapping[str, str], used: Mapping[tuple[str, str], int]
) -> list[tuple[str, str]]:
    """VMs that run, with their nodes, whose version decides whether the copy of a disk stays thin."""
    return [
        (guest, hosts[guest])
        for guest, volumes in found.items()
        if volumes.is_live_vm
        and any(
            used.get((hosts[guest], volume.volid), math.inf) < (size(volume.parts.get("size")) or 0)
            and is_copied_whole(volume, NOT_KNOWN)
            and looks_for_zeros(volume)
            for volume in volumes.volumes
        )
    ]


def with_disks(
    session: Session,
    guests: Iterable[Guest],
    configs: Mapping[str, GuestConfig],
    facts: ClusterFacts,
    privileges: Privileges,
    gaps: ReadFailures,
) -> tuple[Guest, ...]:
    """The guests with all that is known of their disks; `configs` by id, of those that could be read."""
    guests = tuple(guests)
    storages = facts.listed_storages
    found = {
        guest.id: _volumes_of(guest, configs[guest.id], facts) for guest in guests if guest.id in configs
    }
    hosts = {guest.id: guest.host for guest in guests}
    shared = frozenset(name for name, storage in storages.items() if storage.shared)
    uses = Uses.of(found, hosts, shared)
    wanted = wanted_uses(((guest, hosts[guest], volumes) for guest, volumes in found.items()), storages)
    used = read_uses(session, _told(wanted, privileges, gaps), gaps)
    machines = read_machines(session, _machines_wanted(found, hosts, used), gaps)
    result = tuple(
        replace(
            guest,
            disks=disks_of(guest, found[guest.id], storages, uses, used, machines.get(guest.id, NOT_KNOWN)),
        )
        if guest.id in found
        else guest
        for guest in guests
    )
    _note_not_measured(result, storages, gaps)
    _note_devices(configs, gaps)
    return result


def _told(wanted: Iterable[Wanted], privileges: Privileges, gaps: ReadFailures) -> list[Wanted]:
    """Those that the account may ask for."""
    all_wanted = list(wanted)
    hidden = in_order({asked.guest for asked in all_wanted if not privileges.sees_disks(asked.guest)})
    if hidden:
        gaps.add(
            f"the account lacks the privilege {DISKS} on {with_names('guest', hidden)}: what their disks "
            f"take on their storages is not reported. Give it a role with {DISKS} on /vms, propagated",
            guests=hidden,
        )
    return [asked for asked in all_wanted if asked.guest not in set(hidden)]


def _volumes_of(guest: Guest, config: GuestConfig, facts: ClusterFacts) -> GuestVolumes:
    return GuestVolumes(
        volumes=config.volumes,
        container=guest.kind == "container",
        running=guest.is_on_host,
        has_snapshots=config.has_snapshots,
        replicated=guest.id in facts.replicas,
        held="locked" in guest.blockers,
    )


def _note_devices(configs: Mapping[str, GuestConfig], gaps: ReadFailures) -> None:
    guests = in_order({guest for guest, config in configs.items() if config.devices})
    if guests:
        gaps.add(
            f"disks of {with_names('guest', guests)} are devices of a node and not on a storage "
            "(raw_device): they stay where they are",
            guests=guests,
        )


def _note_not_measured(guests: Iterable[Guest], storages: Mapping[str, Storage], gaps: ReadFailures) -> None:
    names = sorted(
        {
            disk.datastore
            for guest in guests
            for disk in guest.disks
            if disk.datastore in storages and storages[disk.datastore].kind in NOT_MEASURED
        }
    )
    if names:
        gaps.add(
            f"Proxmox VE does not report what each disk takes on {with_names('storage', names)} (LVM-thin)"
        )
