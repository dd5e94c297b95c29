# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New guests in the simulated Proxmox VE, made by a real client."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    refusal,
)

GIB = 1024**3


def test_a_new_guest_is_where_it_was_created(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    vmid = int(api.cluster.nextid.get())
    before = {row["storage"]: row.get("avail") for row in api.nodes("pve2").storage.get()}
    upid = api.nodes("pve2").qemu.post(
        vmid=vmid,
        name="new",
        cores=2,
        sockets=2,
        memory=4096,
        scsi0="ceph:10",
        ide2="none,media=cdrom",
        net0="virtio,bridge=vmbr0",
        tags="web;prod",
        start=1,
    )
    assert upid.endswith(f":qmcreate:{vmid}:root@pam:")
    assert refusal(lambda: api.nodes("pve1").qemu.post(vmid=vmid)) == (
        500,
        f"unable to create VM {vmid} - VM {vmid} already exists on node 'pve2'",
    )
    assert finished(api, upid)["exitstatus"] == "OK"
    config = api.nodes("pve2").qemu(vmid).config.get()
    assert (config["name"], config["cores"], config["memory"]) == ("new", 4, "4096")
    assert config["scsi0"].startswith(f"ceph:vm-{vmid}-disk-0")
    assert "bridge=vmbr0" in config["net0"]
    assert config["tags"] == "web;prod"
    assert api.nodes("pve2").qemu(vmid).status.current.get()["status"] == "running"
    after = {row["storage"]: row.get("avail") for row in api.nodes("pve1").storage.get()}
    assert before["ceph"] - after["ceph"] == 10 * GIB


def test_what_can_not_be_created_is_refused(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    create = api.nodes("pve3").qemu.post
    assert refusal(lambda: create(vmid=900, scsi0="tape:10")) == (500, "storage 'tape' does not exist")
    assert refusal(lambda: create(vmid=900, scsi0="san:10")) == (
        500,
        "storage 'san' is not available on node 'pve3'",
    )
    assert refusal(lambda: create(vmid=900, scsi="ceph:10"))[0] == 400
    assert refusal(lambda: create(vmid=900, archive="x"))[0] == 501
    full = finished(api, create(vmid=900, scsi0="ceph:100000"))
    assert "too little free space" in full["exitstatus"]
    lost = finished(api, create(vmid=901, net0="virtio,bridge=vmbr9", start=1))
    assert lost["exitstatus"] == "start failed: bridge 'vmbr9' does not exist"
