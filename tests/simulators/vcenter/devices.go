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
	inv.putHome(dc, g)
	if len(g.Disks) > 0 {
		controller := &types.ParaVirtualSCSIController{}
		controller.Key, controller.SharedBus = keySCSI, types.VirtualSCSISharingNoSharing
		result = append(result, controller)
	}
	for _, spec := range g.Disks {
		if spec.ID == homeDisk {
			continue
		}
		i := len(g.disks)
		ds := inv.datastore(dc, g.host, spec.Datastore)
		d := disk{key: keyOf(spec.ID, i), datastore: ds.Self, blockers: spec.Blockers, io: spec.DiskIO}
		if spec.Size != nil {
			d.size = *spec.Size
		}
		d.used, d.thick = d.size, spec.Thin != nil && !*spec.Thin
		switch {
		case spec.Used != nil:
			d.used = *spec.Used
		case contains(d.blockers, "raw_device"):
			d.used = 0 // the data is on a LUN of its own
		}
		g.disks = append(g.disks, d)
		result = append(result, diskDevice(d, i, ds.Name, g.directory()))
	}
	if place := g.imageBesideDisk(); place != "" {
		g.iso = pointer(inv.datastore(dc, g.host, place).Self)
		result = append(result, imageDevices("["+place+"] iso/install.iso", g.iso)...)
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

func diskBacking(d disk, index int, datastore, directory string) types.BaseVirtualDeviceBackingInfo {
	file := fmt.Sprintf("[%s] %s/%s_%d", datastore, directory, directory, index)
	if contains(d.blockers, "raw_device") {
		backing := &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			LunUuid: "0200000000", DeviceName: "vml.0200000000", CompatibilityMode: "physicalMode", DiskMode: "independent_persistent",
		}
		backing.FileName, backing.Datastore = file+".vmdk", &d.datastore
		return backing
	}
	backing := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent", ThinProvisioned: pointer(!d.thick)}
	backing.FileName, backing.Datastore = file+".vmdk", &d.datastore
	if contains(d.blockers, "independent_disk") {
		backing.DiskMode = string(types.VirtualDiskModeIndependent_persistent)
	}
	if contains(d.blockers, "nonpersistent_disk") {
		backing.DiskMode = string(types.VirtualDiskModeIndependent_nonpersistent)
	}
	if contains(d.blockers, "shared_disk") {
		backing.Sharing = string(types.VirtualDiskSharingSharingMultiWriter)
	}
	base := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent", ThinProvisioned: backing.ThinProvisioned}
	base.Datastore = &d.datastore
	switch {
	case contains(d.blockers, "linked_clone"):
		base.FileName = fmt.Sprintf("[%s] golden image/golden image.vmdk", datastore)
	case contains(d.blockers, "snapshot_chain"):
		base.FileName, backing.FileName = file+".vmdk", file+"-000001.vmdk"
	default:
		return backing
	}
	backing.Parent = base
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
