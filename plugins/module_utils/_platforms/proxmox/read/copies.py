# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copy of a disk takes on a thin storage: what was written, or the full size of the disk."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..api.notices import ONE_CALL, ReadFailures
from ..api.session import Session
from ..api.values import row
from .guest_config import Volume

# The first version of a machine whose disks are copied to a device with the options of the drive, so that
# zeros are found, and that can change the way of its requests while it runs.
BLOCK_DEVICES = (10, 0)
NOT_KNOWN = (0, 0)
_MACHINE = re.compile(r"-(\d+)\.(\d+)")
_NO = ("0", "false", "no", "off")
_SUFFIXES = ("qcow2", "vmdk", "raw", "subvol")


def format_of(volume: Volume) -> str:
    """As its name says; a volume of a storage without files has none, and is raw."""
    name = volume.path.rpartition("/")[2]
    suffix = name.rpartition(".")[2]
    if suffix in _SUFFIXES:
        return suffix
    return "subvol" if name.startswith(("subvol-", "basevol-")) else "raw"


def is_copied_whole(volume: Volume, machine: tuple[int, int]) -> bool:
    """Whether zeros of a disk may be copied as data, while its machine runs in this version: only a qcow2
    file tells for certain what was written to it, and not every copy looks for zeros.
    """
    if format_of(volume) == "qcow2":
        return False
    return machine < BLOCK_DEVICES or not looks_for_zeros(volume)


def looks_for_zeros(volume: Volume) -> bool:
    """Whether its settings let QEMU look for zeros."""
    return str(volume.parts.get("detect_zeroes", "1")).lower() not in _NO


def machine_version(session: Session, path: str) -> tuple[int, int]:
    """The version of the machine that runs, such as 9.2 of pc-i440fx-9.2+pve1; `path` is that of the VM."""
    path = f"{path}/status/current"
    found = _MACHINE.search(str(row(session.get(path), path).get("running-machine") or ""))
    return (int(found[1]), int(found[2])) if found else NOT_KNOWN


def read_machines(
    session: Session, wanted: Iterable[tuple[str, str]], gaps: ReadFailures
) -> dict[str, tuple[int, int]]:
    """By id, the versions of machines (id, node) that run; those that can't be read are not known."""

    def one(asked: tuple[str, str]) -> tuple[int, int]:
        guest, node = asked
        try:
            return machine_version(session, f"nodes/{node}/qemu/{guest}")
        except ONE_CALL as error:
            gaps.missing("the version of the running machine", error, guest=guest)
            return NOT_KNOWN

    wanted = list(wanted)
    answers = session.concurrently(one, wanted)
    return {guest: version for (guest, _node), version in zip(wanted, answers, strict=True)}
