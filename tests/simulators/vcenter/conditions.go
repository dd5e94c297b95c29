// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// What users' clusters have besides plain VMs on healthy hosts: agents of vCenter, pods, fault-tolerant
// pairs, VMs that are bound to their host, and VMs and datastores that are not well.

// faultTolerance is the source of the rule by which a snapshot shows the two VMs of a pair.
const faultTolerance = "fault-tolerance"

// States of a mount that differ from readWrite and accessible.
const (
	mountReadOnly     = "read-only"
	mountInaccessible = "inaccessible"
	mountUnmounted    = "not mounted"
)

// connectionOf is the state that a blocker of the same name tells of.
func connectionOf(blockers []string) types.VirtualMachineConnectionState {
	for _, state := range []types.VirtualMachineConnectionState{
		types.VirtualMachineConnectionStateOrphaned, types.VirtualMachineConnectionStateInaccessible,
		types.VirtualMachineConnectionStateInvalid,
	} {
		if contains(blockers, string(state)) {
			return state
		}
	}
	return ""
}

// pairUp makes fault-tolerant pairs: the first guest of the rule is the primary.
func pairUp(w *world, rules []snapshotRule) {
	for _, rule := range rules {
		if rule.Source != faultTolerance || len(rule.Guests) != 2 {
			continue
		}
		primary, secondary := w.guests[rule.Guests[0]], w.guests[rule.Guests[1]]
		primary.partner, secondary.partner, secondary.second = secondary, primary, true
	}
}

// agent tells whether vCenter runs the guest for its own sake.
func (g *guest) agent() bool { return g.PlatformManaged || g.has("agent") }

func (g *guest) faultToleranceState() types.VirtualMachineFaultToleranceState {
	switch {
	case g.has("fault_tolerance_unprotected"):
		return types.VirtualMachineFaultToleranceStateNeedSecondary
	case g.partner != nil:
		return types.VirtualMachineFaultToleranceStateRunning
	}
	return types.VirtualMachineFaultToleranceStateNotConfigured
}

func (g *guest) toolsStatus() string {
	if g.tools == "notRunning" || g.Power != "running" {
		return string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	}
	return string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
}

// configure shows what the guest is and what binds it.
func (g *guest) configure(config *types.VirtualMachineConfigInfo) {
	switch {
	case g.agent():
		config.ManagedBy = &types.ManagedByInfo{ExtensionKey: "com.vmware.vim.eam", Type: "cluster-agent"}
	case g.has("vsphere_pod"):
		config.ManagedBy = &types.ManagedByInfo{ExtensionKey: "com.vmware.vcenter.wcp", Type: "pod"}
	}
	if g.has("cpu_affinity") {
		config.CpuAffinity = &types.VirtualMachineAffinityInfo{AffinitySet: []int32{0, 1}}
	}
	if g.has("latency_sensitive") {
		config.LatencySensitivity = &types.LatencySensitivity{Level: types.LatencySensitivitySensitivityLevelHigh}
	}
	if g.partner == nil {
		return
	}
	info := types.FaultToleranceConfigInfo{
		Role: 1, InstanceUuids: []string{uuidOf("guest " + g.ID), uuidOf("guest " + g.partner.ID)},
	}
	if g.second {
		info.Role = 2
		config.FtInfo = &types.FaultToleranceSecondaryConfigInfo{FaultToleranceConfigInfo: info, PrimaryVM: g.partner.ref()}
		return
	}
	config.FtInfo = &types.FaultTolerancePrimaryConfigInfo{
		FaultToleranceConfigInfo: info, Secondaries: []types.ManagedObjectReference{g.partner.ref()},
	}
}

// boundDevices are those that exist on the guest's host only.
func (g *guest) boundDevices() []types.BaseVirtualDevice {
	var result []types.BaseVirtualDevice
	if g.has("scsi_bus_sharing") {
		controller := &types.ParaVirtualSCSIController{}
		controller.Key, controller.SharedBus = keySharedSCSI, types.VirtualSCSISharingVirtualSharing
		result = append(result, controller)
	}
	if g.has("usb_device") {
		device := &types.VirtualUSB{Connected: true}
		device.Key = keyUSB
		device.Backing = &types.VirtualUSBUSBBackingInfo{}
		result = append(result, device)
	}
	if g.has("host_graphics") {
		device := &types.VirtualMachineVideoCard{Enable3DSupport: pointer(true), Use3dRenderer: "hardware"}
		device.Key = keyVideo
		result = append(result, device)
	}
	if g.has("host_device") {
		device := &types.VirtualSerialPort{}
		device.Key = keySerial
		device.Connectable = &types.VirtualDeviceConnectInfo{Connected: true}
		device.Backing = &types.VirtualSerialPortDeviceBackingInfo{}
		result = append(result, device)
	}
	return result
}

// bonds are why vCenter does not migrate the running guest anywhere.
func (g *guest) bonds() []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	if g.state != "" {
		faults = append(faults, explained(new(types.InvalidState), "%s is %s", g.Name, g.state))
	}
	if !g.running() {
		return faults
	}
	for _, bound := range [][2]string{
		{"passthrough_device", "passthrough device"}, {"usb_device", "USB device"}, {"host_device", "device of its host"},
		{"scsi_bus_sharing", "SCSI controller with a shared bus"}, {"host_graphics", "video card that uses its host's"},
	} {
		if g.has(bound[0]) {
			fault := new(types.DisallowedMigrationDeviceAttached)
			fault.Fault = types.LocalizedMethodFault{Fault: new(types.DeviceNotSupported), LocalizedMessage: bound[1]}
			faults = append(faults, explained(fault, "%s has a %s", g.Name, bound[1]))
		}
	}
	if g.has("cpu_affinity") {
		fault := &types.AffinityConfigured{ConfiguredAffinity: []string{"cpu"}}
		faults = append(faults, explained(fault, "%s has a CPU affinity", g.Name))
	}
	if g.has("vsphere_pod") {
		faults = append(faults, explained(new(types.MigrationDisabled), "%s is a pod", g.Name))
	}
	if g.has("fault_tolerance_unprotected") {
		faults = append(faults, explained(new(types.InvalidState), "The fault-tolerant pair of %s is not complete", g.Name))
	}
	return faults
}

// unwilling are why the running guest can't come to this host in particular.
func unwilling(g *guest, h *host) []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	if !g.running() {
		return nil
	}
	for _, end := range []*host{g.host, h} {
		if end.noVMotion {
			fault := new(types.VMotionNotConfigured)
			fault.AtSourceHost, fault.FailedHost, fault.FailedHostEntity = end == g.host, end.Name, pointer(end.ref())
			faults = append(faults, explained(fault, "The vMotion interface of host %s is not configured", end.Name))
		}
	}
	if pair := g.partner; pair != nil {
		if _, arriving := h.incoming[pair.ID]; arriving || pair.host == h {
			fault := &types.FaultToleranceAntiAffinityViolated{HostName: h.Name, Host: h.ref()}
			faults = append(faults, explained(fault, "The other VM of the fault-tolerant pair is on %s", h.Name))
		}
		if pair.task != nil {
			faults = append(faults, explained(new(types.InvalidState), "The other VM of the fault-tolerant pair is being migrated"))
		}
	}
	free := int64(h.Capacity.of("memory"))
	for _, other := range h.guests {
		if other.running() {
			free -= other.reserved
		}
	}
	if g.reserved > free {
		fault := &types.InsufficientMemoryResourcesFault{Unreserved: free, Requested: g.reserved}
		faults = append(faults, explained(fault, "%s can't reserve the memory that %s demands", h.Name, g.Name))
	}
	return faults
}

func maintenanceOf(closed string) string {
	switch {
	case strings.HasPrefix(closed, "in maintenance"):
		return string(types.DatastoreSummaryMaintenanceModeStateInMaintenance)
	case strings.HasPrefix(closed, "entering maintenance"):
		return string(types.DatastoreSummaryMaintenanceModeStateEnteringMaintenance)
	}
	return string(types.DatastoreSummaryMaintenanceModeStateNormal)
}

func mountOf(closed string) string {
	switch {
	case strings.Contains(closed, "read-only"):
		return mountReadOnly
	case strings.Contains(closed, "not accessible"):
		return mountInaccessible
	case strings.Contains(closed, "not mounted"):
		return mountUnmounted
	}
	return ""
}

func mountInfo(path, trouble string) types.HostMountInfo {
	info := types.HostMountInfo{Path: path, AccessMode: "readWrite", Mounted: pointer(true), Accessible: pointer(true)}
	switch trouble {
	case mountReadOnly:
		info.AccessMode = "readOnly"
	case mountInaccessible:
		info.Accessible = pointer(false)
	case mountUnmounted:
		info.Mounted, info.Accessible = pointer(false), pointer(false)
	}
	return info
}

// unwritable is why vCenter makes no new disk on a datastore from that host.
func (inv *inventory) unwritable(h *host, name string) types.BaseMethodFault {
	ds := inv.datastore(inv.datacenters[h.cluster.datacenter], h, name)
	switch trouble := h.mounts[ds.Self]; {
	case ds.Summary.MaintenanceMode != string(types.DatastoreSummaryMaintenanceModeStateNormal), trouble == mountReadOnly:
		fault := &types.InvalidDatastoreState{DatastoreName: name}
		return explained(fault, "The operation is not allowed in the current state of the datastore %s.", name)
	case trouble != "":
		return explained(&types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Name: name}},
			"The datastore %s is not accessible from %s.", name, h.Name)
	}
	return nil
}

// setDatastore changes how the host mounts a datastore, or the maintenance mode of the datastore for all.
func (inv *inventory) setDatastore(h *host, name, state string) error {
	if _, mounted := h.Datastores[name]; !mounted {
		return fmt.Errorf("datastores: host %q has no datastore %q", h.ID, name)
	}
	ds := inv.datastore(inv.datacenters[h.cluster.datacenter], h, name)
	switch state {
	case "normal", "enteringMaintenance", "inMaintenance":
		inv.update(ds.Self, change("summary.maintenanceMode", state))
		return nil
	case "", mountReadOnly, mountInaccessible, mountUnmounted:
	default:
		return fmt.Errorf("datastores: %q is no state of a datastore", state)
	}
	h.mounts[ds.Self] = state
	inv.edit(ds.Self, func(object mo.Reference) {
		d := object.(*simulator.Datastore)
		mounts := slices.Clone(d.Host)
		for i := range mounts {
			if mounts[i].Key == h.ref() {
				mounts[i].MountInfo = mountInfo(d.Summary.Url, state)
			}
		}
		d.Host = mounts
	})
	return nil
}

// mountImage puts an image into the CD drive: of a datastore by its name, "[]" for one of the host itself, ""
// for none.
func (inv *inventory) mountImage(g *guest, place string) error {
	var devices []types.BaseVirtualDevice
	g.iso, g.hostISO = nil, place == "[]"
	switch {
	case g.hostISO:
		devices = imageDevices("[] /usr/lib/vmware/isoimages/linux.iso", nil)
	case place != "":
		if _, mounted := g.host.Datastores[place]; !mounted {
			return fmt.Errorf("iso: the host of guest %q has no datastore %q", g.ID, place)
		}
		g.iso = pointer(inv.datastore(inv.datacenters[g.host.cluster.datacenter], g.host, place).Self)
		devices = imageDevices("["+place+"] iso/install.iso", g.iso)
	}
	inv.edit(g.ref(), func(object mo.Reference) {
		vm := object.(*simulator.VirtualMachine)
		others := slices.DeleteFunc(slices.Clone(vm.Config.Hardware.Device), func(d types.BaseVirtualDevice) bool {
			key := d.GetVirtualDevice().Key
			return key == keyIDE || key == keyCdrom
		})
		vm.Config.Hardware.Device = append(others, devices...)
	})
	return nil
}

func (inv *inventory) showReservation(g *guest) {
	inv.edit(g.ref(), func(object mo.Reference) {
		vm := object.(*simulator.VirtualMachine)
		allocation := *vm.Config.MemoryAllocation
		allocation.Reservation = pointer(g.reserved / mebibyte)
		vm.Config.MemoryAllocation = &allocation
	})
}

// addStandalone puts hosts into the first datacenter that belong to no cluster.
func (inv *inventory) addStandalone(names []string) error {
	for _, name := range names {
		dc, err := inv.datacenter("dc0")
		if err != nil {
			return err
		}
		spec := types.HostConnectSpec{HostName: name}
		if _, fault := simulator.CreateStandaloneHost(inv.ctx, inv.folder(dc.HostFolder), spec); fault != nil {
			return fmt.Errorf("standalone_hosts: %q: %s", name, faultName(fault))
		}
	}
	return nil
}

// cpuFeatures are those of processors; the vendor follows from the model.
func cpuFeatures(listed []string) []string {
	return slices.DeleteFunc(slices.Clone(listed), func(f string) bool { return strings.HasPrefix(f, "vendor:") })
}

// capabilities shows a feature that no guest's snapshot names, so that hosts have something in common.
func (h *host) capabilities() []types.HostFeatureCapability {
	result := []types.HostFeatureCapability{{Key: "cpuid.sse2", FeatureName: "cpuid.sse2", Value: "1"}}
	for _, feature := range cpuFeatures(h.CPUFeatures) {
		result = append(result, types.HostFeatureCapability{Key: feature, FeatureName: feature, Value: "1"})
	}
	return result
}

func (g *guest) requirements() []types.VirtualMachineFeatureRequirement {
	result := []types.VirtualMachineFeatureRequirement{{Key: "cpuid.sse2", FeatureName: "cpuid.sse2", Value: "Bool:Min:1"}}
	for _, feature := range cpuFeatures(g.CPUFeatures) {
		result = append(result, types.VirtualMachineFeatureRequirement{Key: feature, FeatureName: feature, Value: "Bool:Min:1"})
	}
	return result
}

func lackedBy(g *guest, h *host) []types.VirtualMachineFeatureRequirement {
	return slices.DeleteFunc(g.requirements(), func(r types.VirtualMachineFeatureRequirement) bool {
		return r.Key == "cpuid.sse2" || contains(h.CPUFeatures, r.Key)
	})
}
