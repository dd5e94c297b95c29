# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Proxmox VE would move disks of a guest to another storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from urllib.parse import quote

from ...._model.blockers import in_words
from ...errors import NotFound, Refused
from ...protocol import Objection, all_of
from ...storage_protocol import DiskMoveRequest
from ...values import Row
from ..api.errors import NodeUnresponsive
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.values import flag, names, row, rows, size, whole
from ..read.copies import BLOCK_DEVICES, NOT_KNOWN, is_copied_whole, machine_version
from ..read.disks import NOT_MEASURED, volume_blockers
from ..read.guest_config import Volume, volumes
from ..read.guests import path_of, power_of
from ..read.migrations_in_progress import CONSOLES
from ..read.same_place import same_places
from ..read.storages import RAW_TYPES, Storage

GIB = 1024**3
_DIRECT = ("off", "none", "directsync")
# What a target must hold, by type of the guest.
CONTENT = {"qemu": "images", "lxc": "rootdir"}

Machine = Callable[[], tuple[int, int]]
"""The version of a VM that runs, which is read when it is asked for."""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What the start needs: the disks that are not on the target yet, of what size, and the configuration
    that was checked. `unused` are the volumes that the guest does not use. `shut_down`: a running container,
    which has to be shut down for it.
    """

    objection: Objection | None = None
    remaining: tuple[str, ...] = ()
    sizes: Mapping[str, int] | None = None
    digest: str = ""
    unused: frozenset[str] = frozenset()
    shut_down: bool = False


@dataclass(frozen=True, slots=True)
class Storages:
    """The storages as a check needs them: by name, whom jobs replicate (None where that is not known), and
    whether containers may be shut down for a while.
    """

    session: Session
    known: Mapping[str, Storage]
    replicas: Callable[[], Mapping[str, frozenset[str]] | None]
    restart_containers: bool = False


def storage_name(datastore: str) -> str:
    """Of the id of a datastore, which has its node where it is local."""
    return datastore.partition("@")[0]


def disk_facts(storages: Storages, request: DiskMoveRequest, entry: Row) -> DiskFacts:
    """`entry` is the guest's line in /cluster/resources."""
    if entry.get("node") != request.host:
        return _no(f"the guest is on {entry.get('node')}, not on {request.host}", passing=True)
    for place in (request.source, request.target):
        node = place.partition("@")[2]
        if node and node != request.host:
            return _no(f"{place} is a storage of {node}, and the guest is on {request.host}")
    container = entry.get("type") == "lxc"
    path = f"{path_of(entry)}/config"
    try:
        config = row(storages.session.get(path, current=1), path)
        found = {volume.key: volume for volume in volumes(config, container=container)}
        running = _runs(storages.session, entry)
        shut_down = container and running and storages.restart_containers
        machine: Machine | None = None
        if running and not container:
            machine = cache(partial(machine_version, storages.session, path_of(entry)))
        remaining = tuple(key for key in request.disks if not _is_on(found.get(key), request.target))
        moving = [found[key] for key in remaining if key in found]
        objections = [
            *_state_objections(storages.session, config, entry, shut_down=shut_down),
            *_disk_objections(request, found, config, storages, container, running and not shut_down),
            *_target_objections(storages, request, moving, entry, machine),
        ]
        if machine is not None:
            objections += _aio_objections(storages, request, moving, machine)
    except (NotFound, Refused) as refused:
        # A reading that fails is no opinion about these disks.
        return _no(refused.what, passing=True)
    except NodeUnresponsive as silent:
        return _no(str(silent), passing=True)
    return DiskFacts(
        objection=all_of(objections),
        remaining=remaining,
        sizes={key: size(volume.parts.get("size")) or 0 for key, volume in found.items()},
        digest=str(config.get("digest") or ""),
        unused=frozenset(volume.volid for volume in found.values() if volume.is_unused),
        shut_down=shut_down,
    )


def _no(why: str, *, passing: bool = False) -> DiskFacts:
    return DiskFacts(objection=Objection(why, passing))


def _is_on(volume: Volume | None, datastore: str) -> bool:
    return volume is not None and volume.storage == storage_name(datastore)


def _state_objections(session: Session, config: Row, entry: Row, *, shut_down: bool) -> Iterator[Objection]:
    """The lock of the configuration, which is newer than that of the list, and tasks that hold it."""
    if shut_down and entry.get("hastate") not in (None, "", "ignored"):
        yield Objection("HA manages it, and would start it again while its volumes are moved")
    if config.get("lock"):
        yield Objection(f"it is locked ({config['lock']})", passing=True)
    for task in running_tasks(session, entry):
        yield Objection(f"a task is under way ({task.get('type')})", passing=True)


def running_tasks(session: Session, entry: Row) -> list[Row]:
    """The tasks of a guest on its node that have not ended."""
    path = f"nodes/{entry.get('node')}/tasks"
    return [
        task
        for task in rows(session.get(path, vmid=entry.get("vmid"), source="active"), path)
        # A task that has just ended is not archived yet.
        if not task.get("endtime") and task.get("type") not in CONSOLES
    ]


def _runs(session: Session, entry: Row) -> bool:
    """Of a container as its node says it: the list is up to ten seconds old."""
    return is_running(session, entry) if entry.get("type") == "lxc" else power_of(entry) != "stopped"


def is_running(session: Session, entry: Row) -> bool:
    """Whether it runs at this moment."""
    path = f"{path_of(entry)}/status/current"
    return row(session.get(path), path).get("status") != "stopped"


def _disk_objections(
    request: DiskMoveRequest,
    found: Mapping[str, Volume],
    config: Row,
    storages: Storages,
    container: bool,
    running: bool,
) -> Iterator[Objection]:
    source = storage_name(request.source)
    replicas = storages.replicas() or {}
    for key in request.disks:
        volume = found.get(key)
        if volume is None:
            yield Objection(f"it has no disk {key}", passing=True)
            continue
        if _is_on(volume, request.target):
            continue
        if volume.storage != source:
            yield Objection(f"{key} is on {volume.storage}, not on {source}", passing=True)
            continue
        blockers = list(volume_blockers(volume, container=container, running=running))
        if volume.owner not in (None, request.guest) or _named_twice(volume, found):
            blockers.append("shared_disk")
        if config.get("parent"):
            blockers.append("snapshot_chain")
        if request.guest in replicas and volume.parts.get("replicate") != "0":
            blockers.append("replicated")
        if blockers:
            yield Objection(f"{key}: {in_words(blockers)}")
        if "running_container" in blockers:
            yield Objection("restart_containers allows to shut it down meanwhile")


def _named_twice(volume: Volume, found: Mapping[str, Volume]) -> bool:
    return any(other.volid == volume.volid and other.key != volume.key for other in found.values())


def _target_objections(
    storages: Storages,
    request: DiskMoveRequest,
    moving: Sequence[Volume],
    entry: Row,
    machine: Machine | None,
) -> Iterator[Objection]:
    name = storage_name(request.target)
    target = storages.known.get(name)
    if target is None:
        yield Objection(f"there is no storage {name}, or the account does not see it")
        return
    if target.kind in RAW_TYPES:
        yield Objection(f"no volume is allocated on {name}, a storage of the type {target.kind}")
    places = same_places(storages.known)
    source = storage_name(request.source)
    if places.get(name, name) == places.get(source, source):
        yield Objection(f"{name} and {source} are the same place")
    path = f"nodes/{request.host}/storage/{name}/status"
    status = row(storages.session.get(path), path)
    content = CONTENT[str(entry.get("type"))]
    if not flag(status.get("enabled")):
        yield Objection(f"{name} is disabled, or not for {request.host}")
    elif not flag(status.get("active")):
        yield Objection(f"{name} is not active on {request.host}", passing=True)
    elif content not in names(status.get("content")):
        yield Objection(f"the content types of {name} do not include {content}")
    else:
        yield from _space_objection(storages, target, request, moving, whole(status.get("avail")), machine)


def _aio_objections(
    storages: Storages, request: DiskMoveRequest, moving: Sequence[Volume], machine: Machine
) -> Iterator[Objection]:
    """Some storages do not go with io_uring, which an older machine that runs keeps for its disks. Proxmox VE
    finds that out in the task.
    """
    target, source = (storages.known.get(storage_name(place)) for place in (request.target, request.source))
    if target is None or source is None:
        return
    for volume in moving:
        direct = volume.parts.get("cache", "none") in _DIRECT
        aio = volume.parts.get("aio")
        if _takes_io_uring(target, direct=direct) or aio not in (None, "io_uring"):
            continue
        if aio is None and (machine() >= BLOCK_DEVICES or not _takes_io_uring(source, direct=direct)):
            continue
        yield Objection(
            f"{volume.key} uses io_uring, which {target.name} ({target.kind}) does not go with: set "
            "aio=threads for it and restart the guest, or shut the guest down to move it"
        )


def _takes_io_uring(storage: Storage, *, direct: bool) -> bool:
    kernel = storage.kind == "rbd" and flag(storage.settings.get("krbd"))
    return storage.kind not in ("cifs", "lvm") and (direct or not kernel)


def _space_objection(
    storages: Storages,
    target: Storage,
    request: DiskMoveRequest,
    moving: Sequence[Volume],
    free: int | None,
    machine: Machine | None,
) -> Iterator[Objection]:
    """A copy on a thin storage takes what was written, as far as that is known, or all of the disk."""
    needs = [_needs(storages, target, request, volume, machine) for volume in moving]
    if free is not None and sum(needs) > free:
        yield Objection(
            f"{target.name} has {free / GIB:.1f} GiB free, and the copy needs {sum(needs) / GIB:.1f} GiB",
            passing=True,
        )


def _needs(
    storages: Storages, target: Storage, request: DiskMoveRequest, volume: Volume, machine: Machine | None
) -> int:
    """At least; 0 where it can't be told."""
    source = storages.known.get(volume.storage)
    if not target.thin or (
        machine is not None and is_copied_whole(volume, NOT_KNOWN) and is_copied_whole(volume, machine())
    ):
        return size(volume.parts.get("size")) or 0
    if source is None or not source.thin or source.kind in NOT_MEASURED:
        return 0
    path = f"nodes/{request.host}/storage/{volume.storage}/content/{quote(volume.volid, safe=':')}"
    try:
        return whole(row(storages.session.get(path), path).get("used")) or 0
    except ONE_CALL:
        return 0
