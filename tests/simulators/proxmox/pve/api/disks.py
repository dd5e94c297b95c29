# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of volumes to another storage: move_disk of machines, move_volume of containers (facts 42, 43)."""

from __future__ import annotations

from ..disk_move import DiskRequest, refusal, start
from ..errors import ApiError, bad_parameters, died
from ..params import BOOL, COUNT, NUMBER, STORAGE, VMID, Param
from ..routes import Call, Need, method


def _numbered(*names: tuple[str, int]) -> tuple[str, ...]:
    return tuple(f"{name}{number}" for name, count in names for number in range(count))


DISK = Need("/vms/{vmid}", ("VM.Config.Disk",))
DRIVES = Param(
    "string",
    enum=_numbered(
        ("ide", 4),
        ("scsi", 31),
        ("virtio", 16),
        ("sata", 6),
        ("efidisk", 1),
        ("tpmstate", 1),
        ("unused", 256),
    ),
)
VOLUMES = Param("string", enum=("rootfs", *_numbered(("mp", 256), ("unused", 256))))
DIGEST = Param("string", max_length=40)
COMMON = {
    "storage": STORAGE,
    "target-vmid": VMID,
    "delete": BOOL,
    "digest": DIGEST,
    "target-digest": DIGEST,
}


@method(
    "POST",
    "/nodes/{node}/qemu/{vmid}/move_disk",
    DISK,
    {
        **COMMON,
        "disk": DRIVES.required,
        "target-disk": DRIVES,
        "format": Param("string", enum=("raw", "qcow2", "vmdk")),
        "bwlimit": COUNT,
    },
)
def move_disk(call: Call) -> object:
    return _move(call, "qemu", "disk")


@method(
    "POST",
    "/nodes/{node}/lxc/{vmid}/move_volume",
    DISK,
    {**COMMON, "volume": VOLUMES.required, "target-volume": VOLUMES, "bwlimit": NUMBER},
)
def move_volume(call: Call) -> object:
    return _move(call, "lxc", "volume")


def _move(call: Call, kind: str, slot: str) -> object:
    world = call.world
    if "target-vmid" in call.params:
        raise ApiError(501, "moves to another guest are not simulated")
    if "storage" not in call.params:
        text = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise bad_parameters(storage=text, target_vmid=text)
    call.rights.demand(f"/storage/{call.text('storage')}", "Datastore.AllocateSpace")
    guest = call.guest(kind)
    request = DiskRequest(
        slot=call.text(slot),
        target=call.text("storage"),
        delete=call.flag("delete"),
        digest=call.text("digest") if "digest" in call.params else None,
        format=call.text("format") if "format" in call.params else None,
    )
    refused = refusal(world, guest, request)
    if refused is not None:
        text, of_storage = refused
        raise bad_parameters(storage=text) if of_storage else died(text)
    return start(world, guest, request, call.user, call.now).upid
