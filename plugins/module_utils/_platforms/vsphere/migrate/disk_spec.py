# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RelocateSpec of a move of disks between datastores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import NotFound
from ...protocol import Objection
from ...storage_protocol import DiskMoveRequest
from ..api.collector import Found, properties, retrieve
from ..api.library import vim
from ..api.session import Session
from ..api.values import plain, text, type_of, whole
from ..read.disks import HOME
from ..read.mounts import closed_to_new_disks, unusable
from ..read.storage_now import DISK_PATHS, Stores

_STORE_PATHS = ("summary.accessible", "summary.maintenanceMode", "host")
_PATHS = (*DISK_PATHS, "runtime.powerState", "layoutEx.file", "layoutEx.disk")


@dataclass(frozen=True, slots=True)
class DiskMove:
    """A move that can be sent: the guest as it was, the specification, and what is against it already."""

    guest: Found
    spec: Any
    target: str
    objections: tuple[Objection, ...]


def disk_move(session: Session, stores: Stores, request: DiskMoveRequest) -> DiskMove:
    """Only the disks of the request move. All others have the place where they are in the specification, as
    they would follow the guest's other files. Formats stay as they are. No storage policy is named, so that
    vCenter does with it what it does by default, which its documentation leaves open.
    """
    target = stores.reference(request.target)
    starts = [vim.VirtualMachine(request.guest), *([vim.Datastore(target)] if target is not None else [])]
    wanted = [properties(vim.VirtualMachine, *_PATHS), properties(vim.Datastore, *_STORE_PATHS)]
    found = {item.id: item for item in retrieve(session, starts, wanted)}
    guest, store = found.get(request.guest), found.get(target or "")
    if guest is None:
        raise NotFound(f"{request.guest} does not exist (any more)", where=session.where)
    objections = tuple(_objections(guest, stores, request, store))
    spec = vim.vm.RelocateSpec()
    if target is None or store is None:
        return DiskMove(guest, spec, "", objections)
    goal = vim.Datastore(target)
    spec.disk = [
        vim.vm.RelocateSpec.DiskLocator(
            diskId=whole(device, "key"),
            datastore=goal if text(device, "key") in request.disks else vim.Datastore(place),
        )
        for device in guest.values.get("config.hardware.device", ())
        if type_of(device) == "VirtualDisk" and (place := text(device, "backing/datastore"))
    ]
    if HOME in request.disks:
        spec.datastore = goal
    return DiskMove(guest, spec, target, objections)


def _objections(
    guest: Found, stores: Stores, request: DiskMoveRequest, target: Found | None
) -> Iterator[Objection]:
    name = plain(guest.text("name")) or guest.id
    host = guest.text("runtime.host") or ""
    if host != request.host:
        yield Objection(f"guest {name} is on host {_name(stores, host)} now", passing=True)
    if target is None:
        yield Objection(f"datastore {request.target} does not exist (any more)", passing=True)
    elif target.id not in stores.on(host):
        yield Objection(f"host {_name(stores, host)} has no datastore {request.target}")
    else:
        closed = closed_to_new_disks(target) or unusable(target, [host]).get(host)
        if closed is not None:
            yield Objection(f"datastore {request.target} is closed: {closed}", passing=True)
    places = stores.places(guest)
    gone = [disk for disk in request.disks if disk not in places]
    if gone:
        yield Objection(f"guest {name} has no disk {', '.join(gone)} (any more)", passing=True)
    for disk in request.disks:
        if disk in places and places[disk] not in (request.source, request.target):
            yield Objection(
                f"disk {disk} of guest {name} is on datastore {places[disk]}, not on {request.source}",
                passing=True,
            )
    if not gone and all(places[disk] == request.target for disk in request.disks):
        yield Objection(f"the disks of guest {name} are on datastore {request.target} already", passing=True)


def _name(stores: Stores, host: str) -> str:
    found = stores.hosts.get(host)
    return (plain(found.text("name")) if found is not None else "") or host or "none"
