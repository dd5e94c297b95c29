// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// target is where a migration goes.
type target struct {
	host  *host
	pool  types.ManagedObjectReference
	disks []types.ManagedObjectReference // the datastore of each disk afterwards
}

// on tells whether the disks are on these datastores already.
func (g *guest) on(datastores []types.ManagedObjectReference) bool {
	for i, ref := range datastores {
		if g.disks[i].datastore != ref {
			return false
		}
	}
	return true
}

// at tells whether nothing is left to move.
func (g *guest) at(t target) bool {
	return g.host == t.host && g.on(t.disks)
}

// obstacles are the reasons, the gravest first, why vCenter refuses to move the guest there.
func (inv *inventory) obstacles(g *guest, t target) []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	h := t.host
	if !g.host.connected() {
		faults = append(faults, explained(new(types.HostNotConnected), "The source host %s does not respond", g.host.Name))
	}
	if !h.connected() {
		faults = append(faults, explained(new(types.HostNotConnected), "The host %s does not respond", h.Name))
	}
	if h.Maintenance || h.entering {
		fault := &types.InvalidHostState{Host: pointer(h.ref())}
		faults = append(faults, explained(fault, "The host %s is in maintenance mode", h.Name))
	}
	for _, r := range inv.refusals(g.ID, h.ID) {
		message := r.Message
		if message == "" {
			message = "The simulator was told to refuse this"
		}
		fault := knownFault(r.Error, h.ref())
		fault.GetMethodFault().FaultMessage = []types.LocalizableMessage{{Key: "evenkeel", Message: message}}
		faults = append(faults, fault)
	}
	faults = append(faults, g.bonds()...)
	faults = append(faults, inv.unreachable(g, t)...)
	if h == g.host {
		return faults
	}
	faults = append(faults, unwilling(g, h)...)
	if len(g.CPUModels) > 0 && g.running() && !contains(g.CPUModels, h.CPUModel) {
		fault := &types.CpuIncompatible{Level: 1, RegisterName: "eax", Host: pointer(h.ref())}
		faults = append(faults, explained(fault, "The processor of %s is not one that %s can run on", h.Name, g.Name))
	}
	if lacking := lackedBy(g, h); len(lacking) > 0 && g.running() {
		fault := &types.FeatureRequirementsNotMet{FeatureRequirement: lacking, Vm: pointer(g.ref()), Host: pointer(h.ref())}
		faults = append(faults, explained(fault, "%s lacks %s, which %s requires", h.Name, lacking[0].Key, g.Name))
	}
	if need, free := g.load("memory"), h.Capacity.of("memory")-h.heldMemory(); need > free {
		fault := &types.InsufficientHostMemoryCapacityFault{Unreserved: int64(free), Requested: int64(need)}
		fault.Host = pointer(h.ref())
		faults = append(faults, explained(fault, "%s has not enough memory for %s", h.Name, g.Name))
	}
	return append(faults, inv.brokenRules(g, h)...)
}

// unreachable are the datastores and networks of the guest that the target does not have.
func (inv *inventory) unreachable(g *guest, t target) []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	for i, ref := range t.disks {
		if trouble := t.host.mounts[ref]; trouble != "" && t.host.datastores[ref] {
			name := inv.registry.Get(ref).(*simulator.Datastore).Name
			fault := new(types.CannotAccessVmDisk)
			fault.Device, fault.Backing, fault.Connected = diskLabel(i), "["+name+"]", true
			fault.Fault = *localized(explained(new(types.CannotAccessLocalSource), "Datastore %s is %s", name, trouble))
			faults = append(faults, explained(fault, "%s of %s is on datastore %s, which is %s on %s",
				fault.Device, g.Name, name, trouble, t.host.Name))
		}
		if ds := inv.registry.Get(ref).(*simulator.Datastore); ref != g.disks[i].datastore && ds.Summary.MaintenanceMode != "normal" {
			fault := &types.InvalidDatastoreState{DatastoreName: ds.Name}
			faults = append(faults, explained(fault, "The operation is not allowed in the current state of datastore %s", ds.Name))
		}
		if !t.host.datastores[ref] {
			name := inv.registry.Get(ref).(*simulator.Datastore).Name
			fault := new(types.CannotAccessVmDisk)
			fault.Device, fault.Backing, fault.Connected = diskLabel(i), "["+name+"]", true
			fault.Fault = *localized(explained(new(types.CannotAccessLocalSource), "Datastore %s is not mounted", name))
			faults = append(faults, explained(fault, "%s of %s is on datastore %s, which %s does not have",
				fault.Device, g.Name, name, t.host.Name))
		}
	}
	if g.hostISO && g.running() && t.host != g.host {
		fault := &types.CannotAccessVmDevice{Device: "CD/DVD drive 1", Backing: "[] /usr/lib/vmware/isoimages/linux.iso", Connected: true}
		faults = append(faults, explained(fault, "The image in the CD drive of %s is one of %s itself", g.Name, g.host.Name))
	}
	if g.iso != nil && (!t.host.datastores[*g.iso] || t.host.mounts[*g.iso] != "") {
		name := inv.registry.Get(*g.iso).(*simulator.Datastore).Name
		fault := &types.CannotAccessVmDevice{Device: "CD/DVD drive 1", Backing: "[" + name + "] iso/install.iso", Connected: true}
		faults = append(faults, explained(fault, "The image in the CD drive of %s is on datastore %s, which %s does not have",
			g.Name, name, t.host.Name))
	}
	for i, ref := range g.networks {
		if !t.host.networks[ref] {
			name := inv.registry.Get(ref).(*mo.Network).Name
			fault := &types.CannotAccessNetwork{Network: &g.networks[i]}
			fault.Device, fault.Backing, fault.Connected = networkLabel(i), name, true
			faults = append(faults, explained(fault, "%s of %s uses network %s, which %s does not have",
				fault.Device, g.Name, name, t.host.Name))
		}
	}
	return faults
}

func contains(list []string, item string) bool {
	for _, s := range list {
		if s == item {
			return true
		}
	}
	return false
}
