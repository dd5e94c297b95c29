// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"regexp"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// creator makes new VMs, with new disks and network cards, and switches VMs on.
type creator struct {
	service
	*state
}

var machineNumber atomic.Int64

// inDatastore is how a backing names its datastore: "[san]", or "[san] web/web.vmdk".
var inDatastore = regexp.MustCompile(`^\[([^\]]+)\]`)

// CreateVMTask refuses at once what makes no sense; what the host has no room for fails the task.
func (c *creator) CreateVMTask(ctx *simulator.Context, req *types.CreateVM_Task) soap.HasFault {
	body := new(methods.CreateVM_TaskBody)
	c.world.Lock()
	defer c.world.Unlock()
	for argument, missing := range map[string]bool{
		"configSpec.name": req.Config.Name == "", "configSpec.files": req.Config.Files == nil, "host": req.Host == nil,
	} {
		if missing {
			fault := &types.InvalidArgument{InvalidProperty: argument}
			body.Fault_ = simulator.Fault("A specified parameter was not correct: "+argument, fault)
			return body
		}
	}
	h := c.world.hosts[req.Host.Value]
	pool, pooled := c.inventory.registry.Get(req.Pool).(*simulator.ResourcePool)
	folder, filed := c.inventory.registry.Get(req.This).(*simulator.Folder)
	switch {
	case h == nil:
		body.Fault_ = notFound(*req.Host)
	case !pooled:
		body.Fault_ = notFound(req.Pool)
	case !filed:
		body.Fault_ = notFound(req.This)
	default:
		task := c.inventory.startJob(ctx, "CreateVM_Task", folder.Self, folder.Name, func(*job) (types.AnyType, types.BaseMethodFault) {
			return c.create(h, pool, folder, &req.Config)
		})
		body.Res = &types.CreateVM_TaskResponse{Returnval: task.ref()}
	}
	return body
}

func (c *creator) create(h *host, pool *simulator.ResourcePool, folder *simulator.Folder,
	config *types.VirtualMachineConfigSpec) (types.AnyType, types.BaseMethodFault) {
	c.world.Lock()
	defer c.world.Unlock()
	for _, other := range c.world.guests {
		if other.Name == config.Name {
			fault := &types.DuplicateName{Name: config.Name, Object: other.ref()}
			return nil, explained(fault, "The name '%s' already exists.", config.Name)
		}
	}
	if fault := unfit(h); fault != nil {
		return nil, fault
	}
	dc := c.inventory.datacenters[h.cluster.datacenter]
	g, fault := c.inventory.guestOf(h, config)
	if fault != nil {
		return nil, fault
	}
	c.world.guests[g.ID] = g
	g.place(h)
	c.inventory.putMachine(dc, g, pool, folder)
	return g.ref(), nil
}

// unfit tells why a host takes nothing new.
func unfit(h *host) types.BaseMethodFault {
	if !h.connected() {
		return explained(new(types.HostNotConnected), "The host %s does not respond", h.Name)
	}
	if h.Maintenance || h.entering {
		return explained(&types.InvalidHostState{Host: pointer(h.ref())}, "The host %s is in maintenance mode", h.Name)
	}
	return nil
}

// guestOf is what the devices of the specification make, where the host has what they need.
func (inv *inventory) guestOf(h *host, config *types.VirtualMachineConfigSpec) (*guest, types.BaseMethodFault) {
	g := &guest{}
	g.ID, g.Name, g.Host, g.Power = fmt.Sprintf("vm-%d", machineNumber.Add(1)), config.Name, h.ID, "stopped"
	cores, memory := float64(max(1, config.NumCPUs)), float64(config.MemoryMB)*mebibyte
	g.Assigned = amounts{"cpu": &cores, "memory": &memory}
	// One that has just been started has little to do.
	g.Used = amounts{"cpu": pointer(cores / 20), "memory": pointer(memory / 8), "network_io": new(float64), "disk_io": new(float64)}
	wanted := map[string]int64{}
	for index, base := range config.DeviceChange {
		device := base.GetVirtualDeviceConfigSpec().Device
		switch backing := device.GetVirtualDevice().Backing.(type) {
		case *types.VirtualDiskFlatVer2BackingInfo:
			name := homeOf(backing.FileName, config.Files.VmPathName)
			size := sizeOf(device.(*types.VirtualDisk))
			g.Disks = append(g.Disks, snapshotDisk{Datastore: name, Size: &size})
			wanted[name] += size
		case *types.VirtualEthernetCardNetworkBackingInfo:
			if !contains(h.snapshotHost.Networks, backing.DeviceName) {
				return nil, explained(&types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: int32(index)}},
					"Invalid configuration for device '%d': the host %s has no network %s.", index, h.Name, backing.DeviceName)
			}
			g.snapshotGuest.Networks = append(g.snapshotGuest.Networks, backing.DeviceName)
		}
	}
	for name, size := range wanted {
		if _, mounted := h.Datastores[name]; !mounted {
			return nil, explained(&types.InvalidDatastore{Name: name}, "Unable to access the datastore %s from %s.", name, h.Name)
		}
		if fault := inv.unwritable(h, name); fault != nil {
			return nil, fault
		}
		if ds := inv.datastore(inv.datacenters[h.cluster.datacenter], h, name); ds.Summary.FreeSpace < size {
			return nil, explained(&types.NoDiskSpace{Datastore: name}, "Insufficient disk space on datastore '%s'.", name)
		}
	}
	return g, nil
}

// homeOf is the datastore that a file is in: its own, or that of the VM's files.
func homeOf(names ...string) string {
	for _, name := range names {
		if found := inDatastore.FindStringSubmatch(name); found != nil {
			return found[1]
		}
	}
	return ""
}

func sizeOf(disk *types.VirtualDisk) int64 {
	if disk.CapacityInBytes > 0 {
		return disk.CapacityInBytes
	}
	return disk.CapacityInKB * 1024
}

// putMachine enters a VM while others read: what it is entered with is held meanwhile, one lock in another.
func (inv *inventory) putMachine(dc *simulator.Datacenter, g *guest, pool *simulator.ResourcePool, folder *simulator.Folder) {
	inv.Lock()
	defer inv.Unlock()
	held := []mo.Reference{pool, inv.registry.Get(g.host.ref()), folder}
	sizes := map[types.ManagedObjectReference]int64{}
	for _, disk := range g.Disks {
		ds := inv.datastore(dc, g.host, disk.Datastore)
		if sizes[ds.Self] == 0 {
			held = append(held, ds)
		}
		sizes[ds.Self] += *disk.Size
	}
	seen := map[string]bool{}
	for _, name := range g.snapshotGuest.Networks {
		if !seen[name] {
			held = append(held, inv.network(dc, name))
		}
		seen[name] = true
	}
	inv.holding(held, func() {
		vm := inv.newMachine(dc, g, pool)
		inv.registry.PutEntity(folder, vm)
		folder.ChildEntity = with(folder.ChildEntity, vm.Self)
	})
	for ref, size := range sizes {
		inv.take(ref, size)
	}
}

func (inv *inventory) holding(objects []mo.Reference, do func()) {
	if len(objects) == 0 {
		do()
		return
	}
	inv.edit(objects[0].Reference(), func(mo.Reference) { inv.holding(objects[1:], do) })
}

// PowerOnVMTask starts a VM where it is.
func (c *creator) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	body := new(methods.PowerOnVM_TaskBody)
	c.world.Lock()
	defer c.world.Unlock()
	g := c.world.guests[req.This.Value]
	if g == nil {
		body.Fault_ = notFound(req.This)
		return body
	}
	if g.task != nil {
		body.Fault_ = simulator.Fault("Another task is already in progress.", &types.TaskInProgress{Task: g.task.ref()})
		return body
	}
	task := c.inventory.startJob(ctx, "PowerOnVM_Task", g.ref(), g.Name, func(*job) (types.AnyType, types.BaseMethodFault) {
		c.world.Lock()
		defer c.world.Unlock()
		if g.running() {
			on := types.VirtualMachinePowerStatePoweredOn
			return nil, &types.InvalidPowerState{RequestedState: on, ExistingState: on}
		}
		if fault := unfit(g.host); fault != nil {
			return nil, fault
		}
		g.Power = "running"
		g.host.notePeak()
		c.inventory.showGuest(g)
		c.inventory.showHost(g.host)
		return nil, nil
	})
	body.Res = &types.PowerOnVM_TaskResponse{Returnval: task.ref()}
	return body
}
