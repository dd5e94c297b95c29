// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// newMachine makes the VM of a guest and enters it with its host and pool.
func (inv *inventory) newMachine(dc *simulator.Datacenter, g *guest, pool *simulator.ResourcePool) *simulator.VirtualMachine {
	vm := &simulator.VirtualMachine{}
	vm.Self = g.ref()
	vm.Name = g.Name
	vm.EnvironmentBrowser = reference("EnvironmentBrowser", "envbrowser-"+g.ID)
	vm.GuestHeartbeatStatus = types.ManagedEntityStatusGray
	g.pool = pool.Self
	devices := inv.devices(dc, vm, g)
	template := g.has("template")
	if template {
		g.Power = "stopped"
	}
	cores, memory := wholeCores(g.Assigned.of("cpu")), mebibytes(g.Assigned.of("memory"))
	uuid := uuidOf("guest " + g.ID)
	shares := types.DefaultResourceConfigSpec()
	vm.Config = &types.VirtualMachineConfigInfo{
		ChangeVersion: "1", Modified: time.Now(), Name: g.Name, Uuid: uuid, InstanceUuid: uuid, Version: "vmx-19",
		GuestId: "otherGuest64", GuestFullName: "Other (64-bit)", Template: template,
		Files: types.VirtualMachineFileInfo{VmPathName: inv.configFile(g)},
		Hardware: types.VirtualHardware{
			NumCPU: cores, NumCoresPerSocket: pointer(cores), MemoryMB: memory, Device: devices,
		},
		CpuAllocation: &shares.CpuAllocation, MemoryAllocation: &shares.MemoryAllocation,
	}
	vm.Guest = &types.GuestInfo{GuestState: "running", ToolsRunningStatus: g.toolsStatus()}
	vm.Runtime = types.VirtualMachineRuntimeInfo{
		Host: pointer(g.host.ref()), ConnectionState: machineConnection(g), PowerState: powerState(g),
		FaultToleranceState: g.faultToleranceState(),
		RecordReplayState:   types.VirtualMachineRecordReplayStateInactive,
		MaxCpuUsage:         cores * mhzPerCore, MaxMemoryUsage: memory,
	}
	g.configure(vm.Config)
	vm.Runtime.FeatureRequirement = g.requirements()
	vm.Runtime.MinRequiredEVCModeKey = g.requiredModel()
	storage := int64(0)
	usage := map[types.ManagedObjectReference]int64{}
	for _, d := range g.disks {
		storage += d.used
		usage[d.datastore] += d.used
	}
	vm.LayoutEx = inv.layout(g)
	vm.Summary = types.VirtualMachineSummary{
		Vm: &vm.Self, Runtime: vm.Runtime, OverallStatus: types.ManagedEntityStatusGreen,
		Guest: &types.VirtualMachineGuestSummary{ToolsRunningStatus: "guestToolsRunning"},
		Config: types.VirtualMachineConfigSummary{
			Name: g.Name, Template: template, VmPathName: vm.Config.Files.VmPathName, MemorySizeMB: memory,
			NumCpu: cores, NumEthernetCards: int32(len(g.networks)), NumVirtualDisks: int32(len(g.disks)),
			Uuid: uuid, InstanceUuid: uuid, GuestId: vm.Config.GuestId, GuestFullName: vm.Config.GuestFullName,
		},
		Storage:    &types.VirtualMachineStorageSummary{Committed: storage, Unshared: storage, Timestamp: time.Now()},
		QuickStats: machineStats(g),
	}
	vm.Storage = &types.VirtualMachineStorageInfo{Timestamp: time.Now()}
	for ds, size := range usage {
		vm.Storage.PerDatastoreUsage = append(vm.Storage.PerDatastoreUsage,
			types.VirtualMachineUsageOnDatastore{Datastore: ds, Committed: size, Unshared: size})
	}
	vm.Datastore, vm.Network = g.datastoreRefs(), g.networks
	if g.has("snapshot") {
		vm.Snapshot = snapshotInfo(vm)
	}
	if g.has("locked") {
		vm.DisabledMethod = []string{"MigrateVM_Task", "RelocateVM_Task"}
	}
	if !template {
		vm.ResourcePool = pointer(pool.Self)
		pool.Vm = append(pool.Vm, vm.Self)
	}
	object := inv.registry.Get(g.host.ref()).(*simulator.HostSystem)
	object.Vm = append(object.Vm, vm.Self)
	return vm
}

// requiredModel is the one mode by which vSphere tells what a VM needs: of those that it can run on the
// first that is not its host's, since it runs there in any case.
func (g *guest) requiredModel() string {
	for _, model := range g.CPUModels {
		if model != g.host.CPUModel {
			return model
		}
	}
	if len(g.CPUModels) > 0 {
		return g.CPUModels[0]
	}
	return ""
}

func (g *guest) datastoreRefs() []types.ManagedObjectReference {
	var refs []types.ManagedObjectReference
	if g.home.Value != "" {
		refs = append(refs, g.home)
	}
	for _, d := range g.disks {
		if !slices.Contains(refs, d.datastore) {
			refs = append(refs, d.datastore)
		}
	}
	return refs
}

func powerState(g *guest) types.VirtualMachinePowerState {
	switch g.Power {
	case "running":
		return types.VirtualMachinePowerStatePoweredOn
	case "suspended":
		return types.VirtualMachinePowerStateSuspended
	}
	return types.VirtualMachinePowerStatePoweredOff
}

func machineConnection(g *guest) types.VirtualMachineConnectionState {
	if g.state != "" {
		return g.state
	}
	if g.host.connected() {
		return types.VirtualMachineConnectionStateConnected
	}
	return types.VirtualMachineConnectionStateDisconnected
}

// machineStats shows a quarter of the consumed memory as active, so that nobody confuses the two unnoticed.
func machineStats(g *guest) types.VirtualMachineQuickStats {
	cpu, consumed := megahertz(g.load("cpu")), mebibytes(g.load("memory"))
	if g.fresh {
		cpu, consumed = 0, 0
	}
	stats := types.VirtualMachineQuickStats{
		OverallCpuUsage: cpu, OverallCpuDemand: cpu, HostMemoryUsage: consumed, GuestMemoryUsage: consumed / 4,
		GuestHeartbeatStatus: types.ManagedEntityStatusGray,
	}
	if g.running() {
		stats.GuestHeartbeatStatus, stats.UptimeSeconds = types.ManagedEntityStatusGreen, 86400
	}
	return stats
}

func snapshotInfo(vm *simulator.VirtualMachine) *types.VirtualMachineSnapshotInfo {
	ref := reference("VirtualMachineSnapshot", "snapshot-"+vm.Self.Value)
	return &types.VirtualMachineSnapshotInfo{
		CurrentSnapshot: &ref,
		RootSnapshotList: []types.VirtualMachineSnapshotTree{{
			Snapshot: ref, Vm: vm.Self, Name: "before the update", Id: 1, CreateTime: time.Now(),
			State: vm.Runtime.PowerState,
		}},
	}
}
