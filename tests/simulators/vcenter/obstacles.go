// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// target is where a migration goes.
type target struct {
	host  *host
	pool  types.ManagedObjectReference
	home  types.ManagedObjectReference   // the datastore of its own files afterwards
	disks []types.ManagedObjectReference // the datastore of each disk afterwards
}

// on tells whether its files are where they are to be already.
func (g *guest) on(t target) bool { return len(g.transfers(t)) == 0 }

// at tells whether nothing is left to move.
func (g *guest) at(t target) bool {
	return g.host == t.host && g.on(t)
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
	faults = append(faults, inv.immovable(g, t)...)
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
		faults = append(faults, inv.unfitStore(g, t, diskLabel(i), g.disks[i].datastore, ref)...)
	}
	if g.home != t.home {
		faults = append(faults, inv.unfitStore(g, t, "Configuration", g.home, t.home)...)
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

// unfitStore is why the target host can't have that part of the guest on this datastore.
func (inv *inventory) unfitStore(g *guest, t target, part string, from, ref types.ManagedObjectReference) []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	ds := inv.registry.Get(ref).(*simulator.Datastore)
	noAccess := func(cause, what string) {
		fault := new(types.CannotAccessVmDisk)
		fault.Device, fault.Backing, fault.Connected = part, "["+ds.Name+"]", true
		fault.Fault = *localized(explained(new(types.CannotAccessLocalSource), "Datastore %s is %s", ds.Name, cause))
		faults = append(faults, explained(fault, "%s of %s is on datastore %s, which %s", part, g.Name, ds.Name, what))
	}
	if trouble := t.host.mounts[ref]; trouble != "" && t.host.datastores[ref] {
		noAccess(trouble, fmt.Sprintf("is %s on %s", trouble, t.host.Name))
	}
	if ref != from && ds.Summary.MaintenanceMode != string(types.DatastoreSummaryMaintenanceModeStateNormal) {
		fault := &types.InvalidDatastoreState{DatastoreName: ds.Name}
		faults = append(faults, explained(fault, "The operation is not allowed in the current state of datastore %s", ds.Name))
	}
	if !t.host.datastores[ref] {
		noAccess("not mounted", t.host.Name+" does not have")
	}
	return faults
}

// immovable is why vCenter does not copy the files of the guest.
func (inv *inventory) immovable(g *guest, t target) []types.BaseMethodFault {
	moves := g.transfers(t)
	if len(moves) == 0 {
		return nil
	}
	var faults []types.BaseMethodFault
	if g.partner != nil {
		fault := &types.InvalidOperationOnSecondaryVm{InstanceUuid: uuidOf("guest " + g.ID)}
		faults = append(faults, explained(fault, "The storage of the fault-tolerant %s can't be moved", g.Name))
	}
	if g.hostISO && g.running() {
		// What the host itself offers are the images of VMware Tools.
		faults = append(faults, explained(new(types.ToolsInstallationInProgress),
			"%s is installing VMware Tools and cannot initiate a migration operation", g.Name))
	}
	for index, d := range g.disks {
		if contains(d.blockers, "nonpersistent_disk") && g.running() && slices.ContainsFunc(moves, func(m transfer) bool { return m.disk != homeDisk }) {
			// It is an error whichever of the disks are to move.
			faults = append(faults, explained(new(types.NonPersistentDisksNotSupported), "%s of %s is not persistent", diskLabel(index), g.Name))
		}
		if contains(d.blockers, "shared_disk") && d.datastore != t.disks[index] && g.running() {
			fault := new(types.DiskMoveTypeNotSupported)
			faults = append(faults, explained(fault, "%s of %s is shared with other VMs", diskLabel(index), g.Name))
		}
	}
	for ref, bytes := range moves.wanted() {
		if s := inv.stores[ref]; s.free < bytes {
			fault := &types.InsufficientStorageSpace{}
			faults = append(faults, explained(fault, "Datastore %s has not the %d bytes free that %s takes", s.name, bytes, g.Name))
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
