// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Keys that vSphere gives to the first device of each kind.
const (
	keyIDE         = 200
	keySCSI        = 1000
	keyDisk        = 2000
	keyCdrom       = 3000
	keyNetwork     = 4000
	keyPassthrough = 13000
	keyVideo       = 500
	keySharedSCSI  = 1001
	keyUSB         = 14000
	keySerial      = 9000
)

// devices makes the virtual hardware of a guest and notes where its disks and networks are.
func (inv *inventory) devices(dc *simulator.Datacenter, vm *simulator.VirtualMachine, g *guest) []types.BaseVirtualDevice {
	var result []types.BaseVirtualDevice
	if len(g.Disks) > 0 {
		controller := &types.ParaVirtualSCSIController{}
		controller.Key, controller.SharedBus = keySCSI, types.VirtualSCSISharingNoSharing
		result = append(result, controller)
	}
	for i, spec := range g.Disks {
		ds := inv.datastore(dc, g.host, spec.Datastore)
		d := disk{key: keyDisk + int32(i), datastore: ds.Self}
		if spec.Size != nil {
			d.size = *spec.Size
		}
		g.disks = append(g.disks, d)
		result = append(result, diskDevice(d, i, ds.Name, g.Name))
	}
	if g.has("iso_mounted") {
		g.hostISO = true
		result = append(result, imageDevices("[] /usr/lib/vmware/isoimages/linux.iso", nil)...)
	}
	result = append(result, g.boundDevices()...)
	for i, name := range g.snapshotGuest.Networks {
		network := inv.network(dc, name)
		g.networks = append(g.networks, network.Self)
		network.Vm = append(network.Vm, vm.Self)
		result = append(result, networkDevice(network.Self, i, name, g.ID))
	}
	if g.has("passthrough_device") {
		device := &types.VirtualPCIPassthrough{}
		device.Key = keyPassthrough
		device.DeviceInfo = &types.Description{Label: "PCI device 0", Summary: "Simulated GPU"}
		device.Backing = &types.VirtualPCIPassthroughDeviceBackingInfo{Id: "0000:3b:00.0", DeviceId: "1eb8", VendorId: 0x10de}
		result = append(result, device)
	}
	for _, ref := range g.datastoreRefs() {
		ds := inv.registry.Get(ref).(*simulator.Datastore)
		ds.Vm = append(ds.Vm, vm.Self)
	}
	return result
}

func diskDevice(d disk, index int, datastore, machine string) *types.VirtualDisk {
	device := &types.VirtualDisk{CapacityInKB: d.size / 1024, CapacityInBytes: d.size}
	device.Key, device.ControllerKey, device.UnitNumber = d.key, keySCSI, pointer(int32(index))
	device.DeviceInfo = &types.Description{
		Label: diskLabel(index), Summary: fmt.Sprintf("%d KB", d.size/1024),
	}
	device.Backing = diskBacking(d, index, datastore, machine)
	return device
}

func diskBacking(d disk, index int, datastore, machine string) *types.VirtualDiskFlatVer2BackingInfo {
	backing := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent", ThinProvisioned: pointer(true)}
	backing.FileName = fmt.Sprintf("[%s] %s/%s_%d.vmdk", datastore, machine, machine, index)
	backing.Datastore = &d.datastore
	return backing
}

// imageDevices are a CD-ROM drive with an image, on a datastore or of the host itself, and its controller.
func imageDevices(file string, datastore *types.ManagedObjectReference) []types.BaseVirtualDevice {
	controller := &types.VirtualIDEController{}
	controller.Key = keyIDE
	drive := &types.VirtualCdrom{}
	drive.Key, drive.ControllerKey = keyCdrom, keyIDE
	drive.DeviceInfo = &types.Description{Label: "CD/DVD drive 1", Summary: "ISO"}
	drive.Connectable = &types.VirtualDeviceConnectInfo{Connected: true, StartConnected: true, AllowGuestControl: true}
	backing := &types.VirtualCdromIsoBackingInfo{}
	backing.FileName, backing.Datastore = file, datastore
	drive.Backing = backing
	return []types.BaseVirtualDevice{controller, drive}
}

func networkDevice(ref types.ManagedObjectReference, index int, name, id string) *types.VirtualVmxnet3 {
	device := &types.VirtualVmxnet3{}
	device.Key = keyNetwork + int32(index)
	device.DeviceInfo = &types.Description{Label: networkLabel(index), Summary: name}
	device.Connectable = &types.VirtualDeviceConnectInfo{Connected: true, StartConnected: true, AllowGuestControl: true}
	mac := uuidOf(fmt.Sprintf("nic %s %d", id, index))
	device.AddressType, device.MacAddress = "assigned", fmt.Sprintf("00:50:56:%s:%s:%s", mac[0:2], mac[2:4], mac[4:6])
	backing := &types.VirtualEthernetCardNetworkBackingInfo{Network: &ref}
	backing.DeviceName = name
	device.Backing = backing
	return device
}

func diskLabel(index int) string { return fmt.Sprintf("Hard disk %d", index+1) }

func networkLabel(index int) string { return fmt.Sprintf("Network adapter %d", index+1) }
