// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"sync"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// wantedMachine is what a client sends: a disk and a network card.
func wantedMachine(name, datastore, network string, gibibytes int64) types.VirtualMachineConfigSpec {
	disk := &types.VirtualDisk{CapacityInKB: gibibytes << 20}
	disk.Key, disk.ControllerKey, disk.UnitNumber = -2, -1, pointer(int32(0))
	backing := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent"}
	backing.FileName = "[" + datastore + "]"
	disk.Backing = backing
	controller := &types.ParaVirtualSCSIController{}
	controller.Key, controller.SharedBus = -1, types.VirtualSCSISharingNoSharing
	card := &types.VirtualVmxnet3{}
	card.Key = -3
	link := &types.VirtualEthernetCardNetworkBackingInfo{}
	link.DeviceName = network
	card.Backing = link
	spec := types.VirtualMachineConfigSpec{
		Name: name, NumCPUs: 2, MemoryMB: 4096, Files: &types.VirtualMachineFileInfo{VmPathName: "[" + datastore + "]"},
	}
	for _, device := range []types.BaseVirtualDevice{controller, disk, card} {
		change := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device}
		if device == types.BaseVirtualDevice(disk) {
			change.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
		}
		spec.DeviceChange = append(spec.DeviceChange, change)
	}
	return spec
}

func create(t *testing.T, c *vim25.Client, host string, spec types.VirtualMachineConfigSpec) (types.ManagedObjectReference, types.BaseMethodFault) {
	t.Helper()
	ctx := context.Background()
	var dc mo.Datacenter
	v, err := view.NewManager(c).CreateContainerView(ctx, c.ServiceContent.RootFolder, []string{"Datacenter"}, true)
	if err != nil {
		t.Fatal(err)
	}
	refs, err := v.Find(ctx, []string{"Datacenter"}, property.Match{"name": "dc0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := property.DefaultCollector(c).RetrieveOne(ctx, refs[0], []string{"vmFolder"}, &dc); err != nil {
		t.Fatal(err)
	}
	pool := object.NewResourcePool(c, reference("ResourcePool", "resgroup-c1"))
	task, err := object.NewFolder(c, dc.VmFolder).CreateVM(ctx, spec, pool, object.NewHostSystem(c, reference("HostSystem", host)))
	if err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		return types.ManagedObjectReference{}, fault
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return info.Result.(types.ManagedObjectReference), nil
}

func TestCreatedMachineIsWhereItWasWanted(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil), exampleHost("b", nil)},
		[]map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	ctx := context.Background()
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			v, err := view.NewManager(c).CreateContainerView(ctx, c.ServiceContent.RootFolder, nil, true)
			if err != nil {
				t.Error(err)
				return
			}
			var machines []mo.VirtualMachine
			for range 5 {
				if err := v.Retrieve(ctx, []string{"VirtualMachine"}, nil, &machines); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	ref, fault := create(t, c, "b", wantedMachine("web1", "san", "vlan1", 10))
	if fault != nil {
		t.Fatalf("%T", fault)
	}
	readers.Wait()
	vm := object.NewVirtualMachine(c, ref)
	task, err := vm.PowerOn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	var found mo.VirtualMachine
	if err := property.DefaultCollector(c).RetrieveOne(ctx, ref, nil, &found); err != nil {
		t.Fatal(err)
	}
	if found.Name != "web1" || found.Runtime.Host.Value != "b" || found.Runtime.PowerState != "poweredOn" ||
		found.Config.Hardware.NumCPU != 2 || found.Config.Hardware.MemoryMB != 4096 || len(found.Datastore) != 1 ||
		len(found.Network) != 1 {
		t.Errorf("%+v", found)
	}
	var datastore mo.Datastore
	if err := property.DefaultCollector(c).RetrieveOne(ctx, found.Datastore[0], nil, &datastore); err != nil {
		t.Fatal(err)
	}
	if datastore.Summary.FreeSpace != 1<<39-10*gib || len(datastore.Vm) != 2 {
		t.Errorf("%+v", datastore.Summary)
	}
}

func TestWhatTheHostCannotHaveFailsTheTask(t *testing.T) {
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", map[string]any{"maintenance": true})},
		[]map[string]any{exampleGuest("1", "a", map[string]any{"name": "taken"})}, nil))
	c := b.client()
	for _, wrong := range []struct {
		host string
		spec types.VirtualMachineConfigSpec
		want types.BaseMethodFault
	}{
		{"a", wantedMachine("taken", "san", "vlan1", 1), new(types.DuplicateName)},
		{"b", wantedMachine("new", "san", "vlan1", 1), new(types.InvalidHostState)},
		{"a", wantedMachine("new", "nfs", "vlan1", 1), new(types.InvalidDatastore)},
		{"a", wantedMachine("new", "san", "vlan9", 1), new(types.InvalidDeviceBacking)},
		{"a", wantedMachine("new", "san", "vlan1", 1<<20), new(types.NoDiskSpace)},
	} {
		_, fault := create(t, c, wrong.host, wrong.spec)
		if faultName(fault) != faultName(wrong.want) {
			t.Errorf("got %T, expected %T", fault, wrong.want)
		}
	}
	if guests := len(b.vcenter.world.guests); guests != 1 {
		t.Errorf("%d guests", guests)
	}
}
