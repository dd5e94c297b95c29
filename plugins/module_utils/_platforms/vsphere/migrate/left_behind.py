# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a move of disks has left on a datastore: the old ones, or half-made copies."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator

from ...errors import PermissionMissing, Refused
from ...waiting import WaitLimits
from ..api.collector import Found, properties, retrieve, step
from ..api.errors import Gone
from ..api.library import vim
from ..api.session import Session
from ..api.soap import returned
from ..api.values import descendants, find, plain, text, type_of
from ..read.disks import HOME, folder_of, layout
from ..read.storage_now import Stores

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 1.0
# Of each start of a guest there is a log of its own.
_LOGS = "vmware*.log"
_DATA = re.compile(r"-(ctk|delta|digest|flat|rdmp?|sesparse)\.vmdk$")
# Folders web_1 and web_2 where web is taken.
_MORE_FOLDERS = 2


def left_behind(
    session: Session,
    stores: Stores,
    guests: Collection[Found],
    disks: Collection[str],
    datastore: str,
    limits: WaitLimits,
    *,
    copies: bool = False,
) -> tuple[str, ...]:
    """The files of these disks on the datastore, by reference, that the guest does not use; `copies` where
    half-made copies may be there.

    `guests` is the guest as it is, last, and as it was before, where that is known: vCenter names the copies
    by the guest, whatever its files are called. What another guest uses is left out. Where the account may
    not look, nothing is known.
    """
    if datastore not in stores.found:
        return ()
    wanted: dict[str, set[str]] = {}
    for guest in guests:
        for folder, pattern in _patterns(guest, disks):
            wanted.setdefault(folder, set()).add(pattern)
    own = list(guests)[-1:]
    for guest in own if copies else ():
        for folder, pattern in _patterns_of_copies(guest, disks):
            wanted.setdefault(folder, set()).add(pattern)
    name = stores.names[datastore]
    # What the guest uses, no matter how long ago vCenter looked at its files.
    used = {path for guest in own for path in _used(guest)}
    left = []
    for folder, patterns in sorted(wanted.items()):
        for file in _files(session, stores.found[datastore], f"[{name}] {folder}", limits):
            path = f"[{name}] {folder}/{file}"
            if _descriptor(path) in used or path in used:
                continue
            if any(re.fullmatch(pattern, file) for pattern in patterns):
                left.append(path)
    others = _used_by_others(session, datastore, {guest.id for guest in own}) if left else set()
    return () if others is None else tuple(sorted(path for path in left if path not in others))


def _used_by_others(session: Session, datastore: str, own: Collection[str]) -> set[str] | None:
    """The files of the other guests on a datastore, as two guests in two folders may have one name. None
    where the account may not look.
    """
    wanted = [properties(vim.VirtualMachine, "layoutEx.file")]
    try:
        found = retrieve(session, [vim.Datastore(datastore)], wanted, step(vim.Datastore, "vm"))
    except PermissionMissing:
        return None
    return {
        text(entry, "name") or ""
        for guest in found
        if guest.kind == "VirtualMachine" and guest.id not in own
        for entry in guest.values.get("layoutEx.file", ())
    }


def _patterns_of_copies(guest: Found, disks: Collection[str]) -> Iterator[tuple[str, str]]:
    """The same of copies that vCenter makes: it names them by the guest, and takes another folder where there
    is one of that name.
    """
    name = plain(guest.text("name")).replace("/", "_")
    if not name:
        return
    stem = re.escape(name)
    for folder in (name, *(f"{name}_{number}" for number in range(1, _MORE_FOLDERS + 1))):
        if set(disks) - {HOME}:
            yield folder, rf"{stem}(_\d+)?(-.*)?\.vmdk"
        if HOME in disks:
            yield folder, rf"{stem}(-[0-9a-f]+)?\.(vmx|vmxf|vmsd|nvram|vswp)"
            yield folder, fnmatch.translate(_LOGS)


def _patterns(guest: Found, disks: Collection[str]) -> Iterator[tuple[str, str]]:
    """By folder what files of these disks are called."""
    for device in guest.values.get("config.hardware.device", ()):
        path = text(device, "backing/fileName")
        if type_of(device) == "VirtualDisk" and path and text(device, "key") in disks:
            stem = re.escape(path.rpartition("/")[2].removesuffix(".vmdk"))
            yield folder_of(path), rf"{stem}(-.*)?\.vmdk"
    if HOME not in disks:
        return
    files = layout(guest)
    path = guest.text("config.files.vmPathName") or ""
    for own in {path, *(files.home if files is not None else ())}:
        yield folder_of(own), re.escape(own.rpartition("/")[2])
    yield folder_of(path), fnmatch.translate(_LOGS)


def _descriptor(path: str) -> str:
    """The file that stands for a disk in whose data this may be."""
    return _DATA.sub(".vmdk", path)


def _used(guest: Found) -> Iterator[str]:
    files = layout(guest)
    if files is not None:
        yield from files.home
        for chain in files.disks.values():
            yield from chain
    yield guest.text("config.files.vmPathName") or ""
    for device in guest.values.get("config.hardware.device", ()):
        backing = find(device, "backing")
        while type_of(device) == "VirtualDisk" and backing is not None:
            yield text(backing, "fileName") or ""
            backing = find(backing, "parent")


def _files(session: Session, datastore: Found, folder: str, limits: WaitLimits) -> list[str]:
    """The names of the files in a folder; none where it does not exist."""
    browser = datastore.text("browser")
    if browser is None:
        return []
    try:
        task = text(
            returned(session.call(vim.host.DatastoreBrowser(browser), "SearchDatastore_Task", folder, None))
        )
    except (PermissionMissing, Refused, Gone):
        return []
    for expired in limits.rounds(_FIRST_WAIT, _LONGEST_WAIT):
        found = retrieve(
            session, [vim.Task(task)], [properties(vim.Task, "info.state", "info.error", "info.result")]
        )
        state = found[0].text("info.state") if found else None
        if state == "success":
            result = found[0].values.get("info.result")
            files = () if result is None else descendants(result, "file")
            return [path for file in files if (path := text(file, "path"))]
        if state in (None, "error") or expired:
            break
    return []
