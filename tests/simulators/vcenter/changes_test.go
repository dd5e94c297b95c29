// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"net/http"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func TestStorageAndPoolsMove(t *testing.T) {
	both := map[string]any{"san": map[string]any{"shared": true}, "nfs": map[string]any{"shared": true}}
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", map[string]any{"datastores": both}), exampleHost("b", map[string]any{"datastores": both})},
		[]map[string]any{exampleGuest("1", "a", nil), exampleGuest("2", "a", map[string]any{"pool": "gold"})}, nil))
	c := b.client()
	ctx := context.Background()
	vm := object.NewVirtualMachine(c, reference("VirtualMachine", "1"))
	datastore, pool := reference("Datastore", "datastore-dc0/nfs"), reference("ResourcePool", "resgroup-c1-gold")
	task, err := vm.Relocate(ctx, types.VirtualMachineRelocateSpec{Datastore: &datastore, Pool: &pool}, "")
	if err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	if task, err = vm.Migrate(ctx, nil, object.NewHostSystem(c, reference("HostSystem", "b")), "", ""); err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	var found mo.VirtualMachine
	if err := property.DefaultCollector(c).RetrieveOne(ctx, vm.Reference(), nil, &found); err != nil {
		t.Fatal(err)
	}
	devices := object.VirtualDeviceList(found.Config.Hardware.Device).SelectByType(&types.VirtualDisk{})
	backing := devices[0].GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if *backing.Datastore != datastore || found.Datastore[0] != datastore || *found.ResourcePool != pool ||
		found.Runtime.Host.Value != "b" || len(found.RecentTask) != 2 {
		t.Errorf("%+v %+v", backing, found.RecentTask)
	}
}

func TestHiddenObjectsAndPeopleAtWork(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil), exampleHost("b", nil)},
		[]map[string]any{exampleGuest("1", "a", nil), exampleGuest("2", "a", nil)}, nil))
	c := b.client()
	ctx := context.Background()
	b.switches(map[string]any{"hidden": []string{"2"}})
	all, err := view.NewManager(c).CreateContainerView(ctx, c.ServiceContent.RootFolder, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	var vms []mo.VirtualMachine
	if err := all.Retrieve(ctx, []string{"VirtualMachine"}, []string{"name"}, &vms); err != nil || len(vms) != 1 {
		t.Error(len(vms), err)
	}

	b.control("POST", "/_sim/guest", map[string]any{"id": "1", "host": "b", "used": map[string]any{"memory": gib}}, nil)
	b.control("POST", "/_sim/guest", map[string]any{"id": "2", "power": "stopped"}, nil)
	b.control("POST", "/_sim/host", map[string]any{"id": "a", "status": "offline"}, nil)
	var report struct {
		Hosts map[string]struct {
			Status string
			Used   map[string]float64
		}
		Guests map[string]map[string]any
	}
	b.control("GET", "/_sim/state", nil, &report)
	if hostOf(t, c, "1") != "b" || report.Hosts["b"].Used["memory"] != 21*gib || report.Hosts["a"].Used["memory"] != 12*gib ||
		report.Hosts["a"].Status != "offline" || report.Guests["2"]["power"] != "stopped" {
		t.Errorf("%+v", report)
	}
	if status := b.control("POST", "/_sim/guest", map[string]any{"id": "nobody"}, nil); status != http.StatusBadRequest {
		t.Error(status)
	}
}
