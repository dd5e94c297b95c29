// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func (inv *inventory) putHost(dc *simulator.Datacenter, owner *simulator.ClusterComputeResource, h *host) {
	object := &simulator.HostSystem{}
	object.Self = h.ref()
	object.Name = h.Name
	cores, memory := wholeCores(h.Capacity.of("cpu")), int64(h.Capacity.of("memory"))
	uuid := uuidOf("host " + h.ID)
	booted := time.Now().Add(-24 * time.Hour)
	product := types.AboutInfo{
		Name: "VMware ESXi", FullName: "VMware ESXi " + h.Version, Vendor: "VMware, Inc.", Version: h.Version,
		OsType: "vmnix-x86", ProductLineId: "embeddedEsx", ApiType: "HostAgent", ApiVersion: apiVersion,
	}
	object.Runtime = types.HostRuntimeInfo{
		ConnectionState: connectionState(h), PowerState: types.HostSystemPowerStatePoweredOn, StandbyMode: "none",
		InMaintenanceMode: h.Maintenance, InQuarantineMode: pointer(h.quarantined()),
		BootTime: &booted,
	}
	object.Summary = types.HostListSummary{
		Host: &object.Self, Runtime: &object.Runtime, OverallStatus: types.ManagedEntityStatusGreen,
		Hardware: &types.HostHardwareSummary{
			Vendor: "Even Keel", Model: "Simulated host", Uuid: uuid, MemorySize: memory,
			CpuModel: cpuName(h.CPUModel), CpuMhz: mhzPerCore, NumCpuPkgs: 1,
			NumCpuCores: int16(cores), NumCpuThreads: int16(2 * cores), NumNics: 1, NumHBAs: 1,
		},
		Config:        types.HostConfigSummary{Name: h.Name, Port: 443, Product: &product, VmotionEnabled: !h.noVMotion},
		MaxEVCModeKey: h.CPUModel, CurrentEVCModeKey: h.CPUModel,
	}
	object.Hardware = &types.HostHardwareInfo{
		SystemInfo: types.HostSystemInfo{Vendor: "Even Keel", Model: "Simulated host", Uuid: uuid},
		CpuInfo: types.HostCpuInfo{
			NumCpuPackages: 1, NumCpuCores: int16(cores), NumCpuThreads: int16(2 * cores), Hz: mhzPerCore * 1e6,
		},
		MemorySize: memory,
	}
	object.Config = &types.HostConfigInfo{
		Host: object.Self, Product: product, Network: hostNetwork(h), FeatureCapability: h.capabilities(),
	}
	object.DatastoreBrowser = reference("HostDatastoreBrowser", "datastoreBrowser-"+h.ID)
	inv.mount(dc, owner, h, object)
	inv.registry.PutEntity(owner, object)
	owner.Host = append(owner.Host, object.Self)
}

// cpuName is what a processor calls itself.
func cpuName(model string) string {
	if strings.HasPrefix(model, "amd-") {
		return "AMD EPYC (simulated " + model + ")"
	}
	return "Intel(R) Xeon(R) (simulated " + model + ")"
}

func connectionState(h *host) types.HostSystemConnectionState {
	switch h.Status {
	case "online":
		return types.HostSystemConnectionStateConnected
	case "offline":
		return types.HostSystemConnectionStateNotResponding
	}
	return types.HostSystemConnectionStateDisconnected
}

// hostNetwork tells the link speed and the address of the host.
func hostNetwork(h *host) *types.HostNetworkInfo {
	info := &types.HostNetworkInfo{}
	if speed := networkSpeed(h.Capacity.of("network_io")); speed > 0 {
		info.Pnic = []types.PhysicalNic{{
			Key: "key-vim.host.PhysicalNic-vmnic0", Device: "vmnic0", Pci: "0000:01:00.0", Mac: "00:50:56:00:00:01",
			LinkSpeed: &types.PhysicalNicLinkInfo{SpeedMb: speed, Duplex: true},
		}}
	}
	if h.Address != "" {
		info.Vnic = []types.HostVirtualNic{{
			Device: "vmk0", Key: "key-vim.host.VirtualNic-vmk0", Portgroup: "Management Network",
			Spec: types.HostVirtualNicSpec{Ip: &types.HostIpConfig{IpAddress: h.Address, SubnetMask: "255.255.255.0"}},
		}}
	}
	return info
}
