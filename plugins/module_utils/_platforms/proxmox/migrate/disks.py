# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether volumes that only their node sees prevent a migration, as Proxmox VE lists and marks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...protocol import Objection
from ...values import Row
from ..api.values import flag


@dataclass(slots=True)
class Findings:
    """The findings of a check, as they are gathered: objections to the migration, the storages of attached
    local disks and of what goes along unasked, whom HA moves along, and whether connections can go along.
    `running` is what the node says of it, None where it was not asked.
    """

    objections: list[Objection] = field(default_factory=list)
    local_storages: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    partners: tuple[str, ...] = ()
    conntrack: bool = False
    running: bool | None = None

    def object_to(self, why: str) -> None:
        """Add an objection that lasts until somebody changes the configuration."""
        self.objections.append(Objection(why))


def judge_disks(listed: object, findings: Findings, *, running: bool, replicated: bool | None) -> None:
    """`replicated`: a replication job of the guest goes to the target; None when it is not known."""
    for disk in listed if isinstance(listed, list) else ():
        if isinstance(disk, Mapping):
            _judge(disk, findings, running=running, replicated=replicated)


def _judge(disk: Row, findings: Findings, *, running: bool, replicated: bool | None) -> None:
    volume = str(disk.get("volid"))
    if flag(disk.get("shared")):
        return
    cloudinit = flag(disk.get("is_cloudinit")) or "cloudinit" in volume
    if volume.startswith("/"):
        findings.object_to(f"it uses {volume}, a device or file of its node: detach it, or mark it as shared")
    elif volume == "cdrom" or (flag(disk.get("cdrom")) and not cloudinit):
        drive = "it uses the CD drive of its node" if volume == "cdrom" else ""
        findings.object_to(f"{drive or f'the CD image {volume} is local to its node'}: eject it")
    elif _goes_along_unasked(disk, cloudinit=cloudinit):
        findings.carried.add(volume.partition(":")[0])
    else:
        findings.local_storages.add(volume.partition(":")[0])
    snapshots = disk.get("referenced_in_snapshot")
    if running and snapshots and not (replicated or cloudinit or flag(disk.get("is_vmstate"))):
        names = ", ".join(sorted(map(str, snapshots))) if isinstance(snapshots, Mapping) else "some"
        why = (
            f"the local disk {volume} has snapshots ({names}), with which it is not copied while the guest"
            " runs: delete them, or replicate the disk to the target"
        )
        if replicated is None:
            why += " (whether it is replicated there could not be read)"
        findings.objections.append(Objection(why, passing=replicated is None))


def _goes_along_unasked(disk: Row, *, cloudinit: bool) -> bool:
    """Only what is attached, and is neither generated nor small, waits for with-local-disks. 8.x has fewer of
    the marks: what it does not mark is taken for attached.
    """
    marks = ("is_tpmstate", "is_unused", "is_vmstate")
    if cloudinit or any(flag(disk.get(mark)) for mark in marks):
        return True
    return "is_attached" in disk and not flag(disk.get("is_attached"))
