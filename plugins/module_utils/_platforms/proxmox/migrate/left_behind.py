# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of a guest that nothing uses any more: old ones that could not be removed, and half-made copies.

They are named, never deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...storage_protocol import DiskMoveRequest
from ...values import Row
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.values import row, rows
from ..read.guest_config import Volume
from ..read.guests import path_of
from .disk_precheck import storage_name


def left_behind(
    session: Session,
    entry: Row,
    config: Row,
    found: Iterable[Volume],
    storages: Collection[str],
    before: Collection[str],
) -> tuple[tuple[str, ...], str]:
    """Those on these storages, without the unused ones that were there `before`; and why that is not all."""
    unused = [volume for volume in found if volume.is_unused and volume.storage in storages]
    result = [f"{volume.key}: {volume.volid}" for volume in unused if volume.volid not in before]
    if config.get("parent"):
        return tuple(result), ""
    listed: list[str] = []
    unread = []
    for storage in sorted(storages):
        path = f"nodes/{entry.get('node')}/storage/{storage}/content"
        content = "rootdir" if entry.get("type") == "lxc" else "images"
        try:
            entries = rows(session.get(path, vmid=entry.get("vmid"), content=content), path)
        except ONE_CALL:
            unread.append(storage)
            continue
        listed += [str(each.get("volid")) for each in entries]
    stray = [volid for volid in listed if not _named(volid, config)]
    if stray:
        # What is to be attached at the next start is named only there.
        path = f"{path_of(entry)}/config"
        pending = row(session.get(path), path)
        stray = [volid for volid in stray if not _named(volid, pending)]
    why = (
        f"the content of {', '.join(unread)} could not be read, so that copies there may be left"
        if unread
        else ""
    )
    return (*result, *stray), why


def copies_left(session: Session, request: DiskMoveRequest, entry: Row) -> tuple[str, ...]:
    """The volumes of a guest on the source, as the host has it, that its configuration does not name; none
    where that can't be read.
    """
    content = "rootdir" if entry.get("type") == "lxc" else "images"
    path = f"nodes/{request.host}/storage/{storage_name(request.source)}/content"
    own = f"{path_of(entry)}/config"
    try:
        listed = rows(session.get(path, vmid=request.guest, content=content), path)
        config = row(session.get(own), own)
    except ONE_CALL:
        return ()
    elsewhere = request.source.endswith(f"@{request.host}") and entry.get("node") != request.host
    volids = [str(each.get("volid")) for each in listed]
    return tuple(volid for volid in volids if elsewhere or not _named(volid, config))


def _named(volid: str, config: Row) -> bool:
    return any(volid in str(value).split(",") or f"={volid}" in str(value) for value in config.values())
