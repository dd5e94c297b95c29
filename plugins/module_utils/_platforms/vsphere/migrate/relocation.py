# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RelocateSpec of a migration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import NotFound
from ...protocol import MigrationRequest
from ..api.collector import properties, retrieve, step
from ..api.library import vim
from ..api.session import Session
from ..api.values import plain, text, type_of, whole
from ..read.disks import home_of
from ..read.inventory import datastore_names, shared_datastores


def relocation(session: Session, request: MigrationRequest) -> Any:
    """A RelocateSpec. The resource pool stays unset: within a cluster the guest keeps its own."""
    spec = vim.vm.RelocateSpec(host=vim.HostSystem(request.target))
    if request.storage:
        _move_disks(session, request, spec)
    return spec


def _move_disks(session: Session, request: MigrationRequest, spec: Any) -> None:
    found = retrieve(
        session,
        [vim.VirtualMachine(request.guest), vim.HostSystem(request.source), vim.HostSystem(request.target)],
        [
            properties(vim.VirtualMachine, "name", "config.hardware.device", "config.files.vmPathName"),
            properties(vim.HostSystem, "name", "datastore"),
            properties(vim.Datastore, "name", "summary.multipleHostAccess"),
        ],
        step(vim.HostSystem, "datastore"),
    )
    items = {item.id: item for item in found}
    guest, target = items.get(request.guest), items.get(request.target)
    if guest is None or target is None:
        gone = request.guest if guest is None else request.target
        raise NotFound(f"{gone} does not exist (any more)", where=session.where)
    stores = {item.id: item for item in found if item.kind == "Datastore"}
    hosts = [item for item in found if item.kind == "HostSystem"]
    _namesakes, names = datastore_names(hosts, stores, shared_datastores(hosts, stores))
    places = {
        names[identity]: vim.Datastore(identity)
        for identity in target.items("datastore")
        if identity in names
    }
    guest_name = plain(guest.text("name")) or guest.id
    host_name = plain(target.text("name")) or target.id
    goals = {source: _goal(place, places, guest_name, host_name) for source, place in request.storage.items()}
    spec.disk = [
        vim.vm.RelocateSpec.DiskLocator(diskId=whole(device, "key"), datastore=goals[name])
        for device in guest.values.get("config.hardware.device", ())
        if type_of(device) == "VirtualDisk"
        and (name := names.get(text(device, "backing/datastore") or "", "")) in goals
    ]
    source = items.get(request.source)
    on_source = source.items("datastore") if source is not None else ()
    known = {store: plain(stores[store].text("name")) for store in on_source if store in stores}
    home = names.get(home_of(guest, known) or "")
    if home in goals:
        # Without a place of their own for the disks that stay, they would follow the guest's other files.
        spec.datastore = goals[home]
        spec.disk += [
            vim.vm.RelocateSpec.DiskLocator(
                diskId=whole(device, "key"), datastore=vim.Datastore(text(device, "backing/datastore"))
            )
            for device in guest.values.get("config.hardware.device", ())
            if type_of(device) == "VirtualDisk"
            and text(device, "backing/datastore")
            and names.get(text(device, "backing/datastore") or "", "") not in goals
        ]


def _goal(name: str, places: Mapping[str, Any], guest: str, host: str) -> Any:
    if name not in places:
        raise NotFound(
            f"host {host} has no datastore {name!r}",
            where=f"guest {guest}",
            hint=f"It has {', '.join(sorted(places)) or 'none'}",
        )
    return places[name]
