# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the end of a move of disks is judged: their places decide, then the task's own state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import Found
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.migrate import (
    disk_moves as module,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.migrate import (
    left_behind as files,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.storage_now import (
    Stores,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.waiting import WaitLimits

REQUEST = DiskMoveRequest(guest="vm-1", host="host-1", disks=("2000", "2001"), source="old", target="new")
CANCELLED = '<fault xsi:type="vim25:RequestCanceled"/>'
LATE = '<fault xsi:type="vim25:FileLocked"/><localizedMessage>An old file is locked.</localizedMessage>'


def value(inside: str) -> ElementTree.Element:
    return ElementTree.fromstring(
        '<val xmlns="urn:vim25" xmlns:vim25="urn:vim25"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{inside}</val>'
    )


def task(state: str, error: str = "") -> Found:
    values = {"info.state": value(state), "info.progress": value("40")}
    if error:
        values["info.error"] = value(error)
    return Found("Task", "task-1", values)


def guest(first: str, second: str) -> Found:
    devices = "".join(
        f'<VirtualDevice xsi:type="VirtualDisk"><key>{key}</key><backing><datastore>{place}</datastore>'
        "</backing></VirtualDevice>"
        for key, place in (("2000", first), ("2001", second))
    )
    return Found(
        "VirtualMachine",
        "vm-1",
        {"runtime.host": value("host-1"), "config.hardware.device": value(devices)},
    )


OLD, NEW = "ds-old", "ds-new"


@pytest.mark.parametrize(
    ("looks", "state", "why", "moved"),
    [
        ([[task("running")]], "running", "", ()),
        ([[task("success")], [guest(NEW, NEW)]], "migrated", "", ("2000", "2001")),
        # Its place is shown a moment later than the end of the task.
        ([[task("success")], [guest(OLD, OLD)], [guest(NEW, NEW)]], "migrated", "", ("2000", "2001")),
        ([[], [guest(NEW, NEW)]], "migrated", "", ("2000", "2001")),
        (
            [[task("error", LATE)], [guest(NEW, NEW)]],
            "migrated",
            "An old file is locked (FileLocked)",
            ("2000", "2001"),
        ),
        (
            [[task("error", LATE)], [guest(NEW, OLD)]],
            "failed",
            "An old file is locked (FileLocked)",
            ("2000",),
        ),
        ([[task("error", CANCELLED)], [guest(OLD, OLD)]], "cancelled", "the task was cancelled", ()),
        (
            [[task("success")], [guest(NEW, OLD)], [guest(NEW, OLD)]],
            "failed",
            "vCenter reports success, but disk 2001 is on old",
            ("2000",),
        ),
        (
            [[], [guest(OLD, NEW)]],
            "failed",
            "vCenter no longer reports the task, but disk 2000 is on old",
            ("2001",),
        ),
        ([[task("success")], [], []], "failed", "guest vm-1 is gone", ()),
    ],
)
def test_the_places_of_the_disks_decide(
    looks: list[list[Found]],
    state: str,
    why: str,
    moved: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(looks)

    def retrieve(_session: Any, starts: Iterable[Any], _wanted: Any) -> list[Found]:
        assert list(starts)
        return next(answers)

    monkeypatch.setattr(module, "retrieve", retrieve)
    names = {OLD: "old", NEW: "new"}
    found = {
        identity: Found("Datastore", identity, {"name": value(name)}) for identity, name in names.items()
    }
    limits = WaitLimits(sleep=lambda _seconds: None, monotonic=lambda: 0.0, seconds=1)
    around = module.Surroundings(Stores(found, names, names, {}), {}, limits)
    session: Any = None
    result = module.poll(session, {"task-1": REQUEST}, around)["task-1"]
    assert (result.state, result.why, result.moved) == (state, why, moved)
    assert next(answers, None) is None


def test_copies_are_named_by_the_guest_and_files_of_others_are_no_leftovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The VM was renamed from old-web to web, and a VM of another folder that is also called web is on the
    target.
    """
    disk = (
        '<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><backing><datastore>ds-old</datastore>'
        "<fileName>[old] old-web/old-web.vmdk</fileName></backing></VirtualDevice>"
    )
    log = (
        '<VirtualDevice xsi:type="VirtualDisk"><key>2001</key><backing><datastore>ds-new</datastore>'
        "<fileName>[new] web_1/web_1.vmdk</fileName></backing></VirtualDevice>"
    )
    mine = Found(
        "VirtualMachine",
        "vm-1",
        {"name": value("web"), "runtime.host": value("host-1"), "config.hardware.device": value(disk + log)},
    )
    theirs = "".join(
        f"<FileInfo><name>[new] web/{name}</name></FileInfo>" for name in ("web.vmdk", "web-flat.vmdk")
    )
    other = Found("VirtualMachine", "vm-2", {"layoutEx.file": value(theirs)})
    folders = {
        "[new] web": ["web.vmdk", "web-flat.vmdk", "notes.txt"],
        "[new] web_1": ["web.vmdk", "web-flat.vmdk", "web_1.vmdk", "web_1-flat.vmdk"],
    }
    monkeypatch.setattr(files, "_files", lambda _session, _store, folder, _limits: folders.get(folder, []))
    monkeypatch.setattr(files, "retrieve", lambda *_arguments: [mine, other])
    stores = Stores({NEW: Found("Datastore", NEW, {})}, {NEW: "new"}, {NEW: "new"}, {})
    limits = WaitLimits(sleep=lambda _seconds: None, monotonic=lambda: 0.0, seconds=1)
    session: Any = None
    found = files.left_behind(session, stores, [mine], ["2000"], NEW, limits, copies=True)
    assert found == ("[new] web_1/web-flat.vmdk", "[new] web_1/web.vmdk")
