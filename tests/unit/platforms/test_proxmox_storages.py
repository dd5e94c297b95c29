# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of storages of Proxmox VE, and the names of volumes, say."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.copies import (
    format_of,
    is_copied_whole,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.guest_config import (
    Volume,
    volumes,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.same_place import (
    same_places,
    sharing_space,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.storages import (
    Storage,
    all_storages,
)


def known(*rows: dict[str, Any]) -> dict[str, Storage]:
    return all_storages([{"content": "images,rootdir", **row} for row in rows], [])


def storage(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {"storage": name, "type": kind, **settings}


@pytest.mark.parametrize(
    ("kind", "settings", "thin"),
    [
        ("rbd", {}, True),
        ("lvmthin", {}, True),
        ("lvm", {}, False),
        ("iscsi", {}, False),
        ("zfspool", {}, False),
        ("zfspool", {"sparse": 1}, True),
        ("nfs", {}, True),
        ("dir", {"preallocation": "full"}, False),
        ("custom", {}, None),
    ],
)
def test_which_storages_are_thin(kind: str, settings: dict[str, Any], thin: bool | None) -> None:
    assert known(storage("a", kind, **settings))["a"].thin is thin


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (storage("a", "rbd", pool="vm", monhost="1 2"), storage("b", "rbd", pool="vm", monhost="2,1"), True),
        (storage("a", "rbd", pool="vm"), storage("b", "rbd", pool="vm"), True),
        (storage("a", "rbd", pool="vm"), storage("b", "rbd", pool="ssd"), False),
        (storage("a", "rbd", pool="vm"), storage("b", "rbd", pool="vm", namespace="x"), False),
        (storage("a", "nfs", server="s", export="/e"), storage("b", "nfs", server="s", export="/e"), True),
        (storage("a", "nfs", server="s", export="/e"), storage("b", "nfs", server="s", export="/f"), False),
        (storage("a", "lvm", vgname="v"), storage("b", "lvmthin", vgname="v", thinpool="t"), False),
        (storage("a", "zfspool", pool="r"), storage("b", "zfspool", pool="r"), True),
        (storage("a", "zfspool", pool="r", nodes="n1"), storage("b", "zfspool", pool="r", nodes="n2"), False),
        (storage("a", "nfs", server="s", export="/e", path="/m/a"), storage("b", "dir", path="/m/a/"), True),
        (storage("a", "dir", path="/x"), storage("b", "dir", path="/x", disable=1), False),
        (storage("a", "dir", path="/x"), storage("b", "dir", path="/x", content="backup"), False),
        (storage("a", "custom", portal="p"), storage("b", "custom", portal="p"), False),
    ],
)
def test_one_place_under_two_names(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert same_places(known(one, other)) == ({"b": "a"} if same else {})


def test_pools_of_one_ceph_cluster_share_what_is_free() -> None:
    pools = [storage(name, "rbd", pool=name, monhost=mon) for name, mon in zip("abc", "112", strict=True)]
    assert sharing_space(known(*pools)) == [["a", "b"]]


@pytest.mark.parametrize(
    ("volid", "base", "owner", "form"),
    [
        ("ceph:vm-100-disk-0", None, "100", "raw"),
        ("ceph:base-9000-disk-0", None, "9000", "raw"),
        ("ceph:base-9000-disk-0/vm-100-disk-1", "ceph:base-9000-disk-0", "100", "raw"),
        ("nfs:100/vm-100-disk-0.qcow2", None, "100", "qcow2"),
        (
            "nfs:9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2",
            "nfs:9000/base-9000-disk-0.qcow2",
            "100",
            "qcow2",
        ),
        ("zfs:subvol-104-disk-0", None, "104", "subvol"),
        ("zfs:basevol-105-disk-0/subvol-104-disk-0", "zfs:basevol-105-disk-0", "104", "subvol"),
        ("lun:0.0.0.scsi-36001405", None, None, "raw"),
    ],
)
def test_what_the_name_of_a_volume_says(volid: str, base: str | None, owner: str | None, form: str) -> None:
    volume = Volume("scsi0", volid)
    assert (volume.base, volume.owner, format_of(volume)) == (base, owner, form)


@pytest.mark.parametrize(
    ("volid", "detect_zeroes", "machine", "whole"),
    [
        ("ceph:vm-100-disk-0", None, (10, 0), False),
        ("ceph:vm-100-disk-0", "1", (11, 1), False),
        ("ceph:vm-100-disk-0", "0", (10, 1), True),
        ("ceph:vm-100-disk-0", None, (9, 2), True),
        ("ceph:vm-100-disk-0", None, (0, 0), True),
        ("nfs:100/vm-100-disk-0.raw", None, (9, 2), True),
        ("nfs:100/vm-100-disk-0.qcow2", "0", (9, 2), False),
    ],
)
def test_whether_the_copy_of_a_machine_that_runs_stays_thin(
    volid: str, detect_zeroes: str | None, machine: tuple[int, int], whole: bool
) -> None:
    parts = {} if detect_zeroes is None else {"detect_zeroes": detect_zeroes}
    assert is_copied_whole(Volume("scsi0", volid, parts), machine) is whole


def test_which_keys_of_a_configuration_are_volumes() -> None:
    config = {
        "scsi0": "ceph:vm-100-disk-0,size=8G",
        "scsi1": "/dev/sdx",
        "scsihw": "virtio-scsi-single",
        "ide2": "none,media=cdrom",
        "sata0": "file=nfs:100/vm-100-disk-1.raw,size=1G",
        "efidisk0": "ceph:vm-100-disk-2,size=528K",
        "net0": "virtio=BC:24:11:00:00:00,bridge=vmbr0",
        "vmstate": "ceph:vm-100-state-x",
    }
    assert [volume.key for volume in volumes(config, container=False)] == ["scsi0", "sata0", "efidisk0"]
    mounts = {"rootfs": "ceph:vm-1-disk-0,size=8G", "mp0": "/srv,mp=/srv", "mp1": "volume=nfs:1/a.raw,mp=/a"}
    assert [volume.volid for volume in volumes(mounts, container=True)] == ["ceph:vm-1-disk-0", "nfs:1/a.raw"]
