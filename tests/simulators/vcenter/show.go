// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// update changes properties of an object and tells those who wait for updates of it.
// Locks of objects belong to a Context, so each update has its own.
func (inv *inventory) update(ref types.ManagedObjectReference, changes ...types.PropertyChange) {
	inv.registry.AtomicUpdate(&simulator.Context{Map: inv.registry}, inv.registry.Get(ref), changes)
}

func change(name string, value types.AnyType) types.PropertyChange {
	return types.PropertyChange{Name: name, Val: value}
}

// showHost is called when the state or the load of a host has changed.
func (inv *inventory) showHost(h *host) {
	inv.update(h.ref(),
		change("runtime.connectionState", connectionState(h)),
		change("runtime.inMaintenanceMode", h.Maintenance),
		change("summary.config.vmotionEnabled", !h.noVMotion),
		change("summary.quickStats.overallCpuUsage", megahertz(h.load("cpu"))),
		change("summary.quickStats.overallMemoryUsage", mebibytes(h.load("memory"))))
}

// showGuest is called when the state or the load of a guest has changed.
func (inv *inventory) showGuest(g *guest) {
	inv.update(g.ref(),
		change("runtime.powerState", powerState(g)),
		change("summary.runtime.powerState", powerState(g)),
		change("runtime.connectionState", machineConnection(g)),
		change("summary.runtime.connectionState", machineConnection(g)),
		change("guest.toolsRunningStatus", g.toolsStatus()),
		change("summary.quickStats", machineStats(g)))
}

// showMove is called when a guest is on another host than before.
func (inv *inventory) showMove(g *guest, from *host) {
	inv.Lock()
	defer inv.Unlock()
	inv.edit(from.ref(), func(object mo.Reference) {
		h := object.(*simulator.HostSystem)
		h.Vm = without(h.Vm, g.ref())
	})
	inv.edit(g.host.ref(), func(object mo.Reference) {
		h := object.(*simulator.HostSystem)
		h.Vm = with(h.Vm, g.ref())
	})
	inv.update(g.ref(),
		change("runtime.host", g.host.ref()),
		change("summary.runtime.host", g.host.ref()))
	inv.showGuest(g)
	inv.showHost(from)
	inv.showHost(g.host)
	inv.edit(g.host.cluster.ref(), func(object mo.Reference) {
		object.(*simulator.ClusterComputeResource).Summary.(*types.ClusterComputeResourceSummary).NumVmotions++
	})
}

// showPool is called when a guest is in another resource pool than before.
func (inv *inventory) showPool(g *guest, from types.ManagedObjectReference) {
	inv.Lock()
	defer inv.Unlock()
	inv.edit(from, func(object mo.Reference) {
		pool := object.(*simulator.ResourcePool)
		pool.Vm = without(pool.Vm, g.ref())
	})
	inv.edit(g.pool, func(object mo.Reference) {
		pool := object.(*simulator.ResourcePool)
		pool.Vm = with(pool.Vm, g.ref())
	})
	inv.update(g.ref(), change("resourcePool", g.pool))
}

// showDisks is called when disks of a guest are on other datastores than before.
func (inv *inventory) showDisks(g *guest, from []types.ManagedObjectReference) {
	inv.Lock()
	defer inv.Unlock()
	now := g.datastoreRefs()
	for _, ref := range from {
		inv.edit(ref, func(object mo.Reference) {
			ds := object.(*simulator.Datastore)
			ds.Vm = without(ds.Vm, g.ref())
		})
	}
	for _, ref := range now {
		inv.edit(ref, func(object mo.Reference) {
			ds := object.(*simulator.Datastore)
			ds.Vm = with(ds.Vm, g.ref())
		})
	}
	inv.edit(g.ref(), func(object mo.Reference) {
		vm := object.(*simulator.VirtualMachine)
		vm.Datastore = now
		config := *vm.Config
		config.Files.VmPathName = inv.configFile(g)
		vm.Config, vm.LayoutEx = &config, inv.layout(g)
		devices := slices.Clone(vm.Config.Hardware.Device)
		for index, d := range g.disks {
			for i, device := range devices {
				if old, ok := device.(*types.VirtualDisk); ok && old.Key == d.key {
					moved := *old
					name := inv.registry.Get(d.datastore).(*simulator.Datastore).Name
					moved.Backing = diskBacking(d, index, name, g.directory())
					devices[i] = &moved
				}
			}
		}
		vm.Config.Hardware.Device = devices
	})
}

// recentTasks is how many tasks an object remembers; vCenter forgets them by age.
const recentTasks = 20

// showTask is called when a task on an entity has started.
func (inv *inventory) showTask(entity, task types.ManagedObjectReference) {
	for _, ref := range []types.ManagedObjectReference{entity, reference("TaskManager", "TaskManager")} {
		var tasks []types.ManagedObjectReference
		inv.edit(ref, func(object mo.Reference) {
			if manager, ok := object.(*simulator.TaskManager); ok {
				tasks = manager.RecentTask
			} else {
				tasks = object.(mo.Entity).Entity().RecentTask
			}
		})
		tasks = with(tasks[max(0, len(tasks)-recentTasks+1):], task)
		inv.update(ref, change("recentTask", tasks))
	}
}

// edit writes to an object while nobody reads it.
func (inv *inventory) edit(ref types.ManagedObjectReference, write func(mo.Reference)) {
	object := inv.registry.Get(ref)
	inv.registry.WithLock(&simulator.Context{Map: inv.registry}, object, func() { write(object) })
}

// summarize shows the sums over the hosts of a cluster.
func (inv *inventory) summarize(c *cluster) {
	inv.edit(c.ref(), func(object mo.Reference) {
		summary := object.(*simulator.ClusterComputeResource).Summary.(*types.ClusterComputeResourceSummary)
		sum := types.ComputeResourceSummary{OverallStatus: types.ManagedEntityStatusGreen}
		models := map[string]bool{}
		for _, h := range c.hosts {
			cores, memory := wholeCores(h.Capacity.of("cpu")), int64(h.Capacity.of("memory"))
			sum.NumHosts++
			sum.TotalCpu += cores * mhzPerCore
			sum.TotalMemory += memory
			sum.NumCpuCores += int16(cores)
			sum.NumCpuThreads += int16(2 * cores)
			if h.connected() && !h.Maintenance {
				sum.NumEffectiveHosts++
				sum.EffectiveCpu += cores * mhzPerCore
				sum.EffectiveMemory += memory / mebibyte
			}
			models[h.CPUModel] = true
			summary.CurrentEVCModeKey = h.CPUModel
		}
		if len(models) != 1 {
			summary.CurrentEVCModeKey = ""
		}
		summary.ComputeResourceSummary = sum
	})
}

// with and without leave the given slice as it is, since somebody may still be reading it.
func with(refs []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	if slices.Contains(refs, ref) {
		return refs
	}
	return append(slices.Clip(slices.Clone(refs)), ref)
}

func without(refs []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	result := make([]types.ManagedObjectReference, 0, len(refs))
	for _, r := range refs {
		if r != ref {
			result = append(result, r)
		}
	}
	return result
}
