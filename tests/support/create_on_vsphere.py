# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create a VM and switch it on, as any client of vSphere does. Reads {"connection": …, "vm": …}: the
options of a module, and an entry of `vms` as vm_placement returns it.
"""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Mapping
from typing import Any

import pyVim.connect
import pyVim.task
import pyVmomi

# Their types say little, and some of it wrongly.
connect: Any = pyVim.connect
tasks: Any = pyVim.task
vim: Any = pyVmomi.vim
vmodl: Any = pyVmomi.vmodl

KIB = 1024
MIB = 1024 * KIB


def create(content: Any, wanted: Mapping[str, Any]) -> None:
    """On the host of the placement, in the folder and the root pool of its cluster."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.HostSystem], True)
    host = next(one for one in view.view if one._moId == wanted["host_id"])
    datacenter = host.parent
    while not isinstance(datacenter, vim.Datacenter):
        datacenter = datacenter.parent
    task = datacenter.vmFolder.CreateVM_Task(specification(wanted), host.parent.resourcePool, host)
    tasks.WaitForTask(task)
    tasks.WaitForTask(task.info.result.PowerOnVM_Task())


def specification(wanted: Mapping[str, Any]) -> Any:
    """Processors, memory, a controller with the disks, a card for each network."""
    controller = vim.vm.device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")
    devices: list[tuple[Any, str | None]] = [(controller, None)]
    for number, disk in enumerate(wanted["disks"]):
        backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=f"[{disk['datastore']}]", diskMode="persistent", thinProvisioned=True
        )
        device = vim.vm.device.VirtualDisk(
            key=-10 - number,
            controllerKey=-1,
            unitNumber=number,
            capacityInKB=disk["size"] // KIB,
            backing=backing,
        )
        devices.append((device, "create"))
    for number, network in enumerate(wanted["networks"]):
        link = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=network)
        devices.append((vim.vm.device.VirtualVmxnet3(key=-100 - number, backing=link), None))
    return vim.vm.ConfigSpec(
        name=wanted["name"],
        numCPUs=int(wanted["cpu"]),
        memoryMB=wanted["memory"] // MIB,
        guestId="otherGuest64",
        files=vim.vm.FileInfo(vmPathName=f"[{wanted['datastore']}]"),
        deviceChange=[
            vim.vm.device.VirtualDeviceSpec(operation="add", device=device, fileOperation=file)
            for device, file in devices
        ],
    )


def main() -> int:
    """Print why it could not be done, if so."""
    asked = json.load(sys.stdin)
    where = asked["connection"]
    instance = connect.SmartConnect(
        host=where["hostname"],
        port=where["port"],
        user=where["username"],
        pwd=where["password"],
        sslContext=ssl.create_default_context(cafile=where["ca_path"]),
    )
    try:
        create(instance.RetrieveContent(), asked["vm"])
    except vmodl.MethodFault as fault:
        print(fault.msg, file=sys.stderr)
        return 1
    finally:
        connect.Disconnect(instance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
