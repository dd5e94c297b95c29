// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"testing"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func bound(blocker string) map[string]any {
	return map[string]any{"blockers": []string{blocker}}
}

func withSAN(closed string) map[string]any {
	return map[string]any{"datastores": map[string]any{
		"san": map[string]any{"shared": true, "capacity": 1 << 40, "free": 1 << 39, "closed_because": closed},
	}}
}

func TestAPairNeverMeets(t *testing.T) {
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", nil), exampleHost("c", nil)},
		[]map[string]any{exampleGuest("1", "a", nil), exampleGuest("2", "b", nil)},
		[]map[string]any{{"name": "ft", "kind": "anti_affinity", "guests": []string{"1", "2"}, "strict": true, "source": "fault-tolerance"}}))
	c := b.client()
	expect[*types.FaultToleranceAntiAffinityViolated](t, b.move(c, "1", "b"))
	expect[*types.FaultToleranceAntiAffinityViolated](t, b.move(c, "2", "a"))
	if fault := b.move(c, "2", "c"); fault != nil {
		t.Errorf("the secondary may go elsewhere: %T", fault)
	}
	var vms []mo.VirtualMachine
	refs := []types.ManagedObjectReference{reference("VirtualMachine", "1"), reference("VirtualMachine", "2")}
	if err := property.DefaultCollector(c).Retrieve(context.Background(), refs, []string{"config.ftInfo", "runtime.faultToleranceState"}, &vms); err != nil {
		t.Fatal(err)
	}
	for _, vm := range vms {
		if vm.Runtime.FaultToleranceState != types.VirtualMachineFaultToleranceStateRunning || vm.Config.FtInfo == nil {
			t.Errorf("%+v", vm)
		}
	}
}

func TestWhatIsBoundStays(t *testing.T) {
	b := boot(t, 0, exampleCluster(
		[]map[string]any{
			exampleHost("a", nil), exampleHost("b", nil), exampleHost("c", withSAN("mounted read-only on this host")),
			exampleHost("d", map[string]any{"closed_because": "no VMkernel port with vMotion enabled", "schedulable": false}),
		},
		[]map[string]any{
			exampleGuest("1", "a", bound("cpu_affinity")), exampleGuest("2", "a", bound("usb_device")),
			exampleGuest("3", "a", bound("vsphere_pod")), exampleGuest("4", "a", bound("orphaned")),
			exampleGuest("5", "a", bound("iso_mounted")), exampleGuest("6", "a", nil), exampleGuest("7", "a", nil),
			exampleGuest("8", "a", map[string]any{"cpu_features": []string{"cpuid.avx512f"}}),
		}, nil))
	c := b.client()
	expect[*types.AffinityConfigured](t, b.move(c, "1", "b"))
	expect[*types.DisallowedMigrationDeviceAttached](t, b.move(c, "2", "b"))
	expect[*types.MigrationDisabled](t, b.move(c, "3", "b"))
	expect[*types.InvalidState](t, b.move(c, "4", "b"))
	expect[*types.CannotAccessVmDevice](t, b.move(c, "5", "b"))
	expect[*types.CannotAccessVmDisk](t, b.move(c, "6", "c"))
	expect[*types.VMotionNotConfigured](t, b.move(c, "6", "d"))
	expect[*types.FeatureRequirementsNotMet](t, b.move(c, "8", "b"))
	b.control("POST", "/_sim/guest", map[string]any{"id": "6", "reserved_memory": 65 * gib}, nil)
	expect[*types.InsufficientMemoryResourcesFault](t, b.move(c, "6", "b"))
	b.switches(map[string]any{"refuse_migrations": []map[string]any{{"guest": "7", "host": "b", "error": "CpuIncompatible", "message": "no"}}})
	expect[*types.CpuIncompatible](t, b.move(c, "7", "b"))
}

func TestNothingNewOnAClosedDatastore(t *testing.T) {
	for _, closed := range []string{"in maintenance mode", "mounted read-only on this host"} {
		b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", withSAN(closed))}, nil, nil))
		_, fault := create(t, b.client(), "a", wantedMachine("new", "san", "vlan1", 1))
		expect[*types.InvalidDatastoreState](t, fault)
	}
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", withSAN("not accessible from this host"))}, nil, nil))
	_, fault := create(t, b.client(), "a", wantedMachine("new", "san", "vlan1", 1))
	expect[*types.InaccessibleDatastore](t, fault)
}

func TestMaintenanceMindsNeitherAgentsNorOrphans(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil)}, []map[string]any{
		exampleGuest("1", "a", map[string]any{"platform_managed": true}), exampleGuest("2", "a", bound("orphaned")),
	}, nil))
	c := b.client()
	task, err := object.NewHostSystem(c, reference("HostSystem", "a")).EnterMaintenanceMode(context.Background(), 5, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	var vm mo.VirtualMachine
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), reference("VirtualMachine", "1"), []string{"runtime.powerState"}, &vm); err != nil {
		t.Fatal(err)
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		t.Errorf("the agent is %s", vm.Runtime.PowerState)
	}
}

func TestTheClockMayBeWrong(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil), exampleHost("b", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	b.switches(map[string]any{"clock_skew_seconds": 10800})
	now, err := methods.GetCurrentTime(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(*now); ahead < 2*time.Hour {
		t.Errorf("%s ahead", ahead)
	}
	if fault := b.move(c, "1", "b"); fault != nil {
		t.Fatalf("%T", fault)
	}
	if found := eventsOf(t, c, "c1", time.Now().Add(2*time.Hour)); len(found) != 1 {
		t.Error(found)
	}
}

func TestAGuestShutsDownWhenItIsAsked(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil)}, []map[string]any{exampleGuest("1", "a", nil), exampleGuest("2", "a", nil)}, nil))
	c := b.client()
	ctx := context.Background()
	if err := object.NewVirtualMachine(c, reference("VirtualMachine", "1")).ShutdownGuest(ctx); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		state, err := object.NewVirtualMachine(c, reference("VirtualMachine", "1")).PowerState(ctx)
		if err != nil || time.Since(start) > 10*time.Second {
			t.Fatal(state, err)
		}
		if state == types.VirtualMachinePowerStatePoweredOff {
			break
		}
	}
	b.control("POST", "/_sim/guest", map[string]any{"id": "2", "tools": "notRunning"}, nil)
	soapFault[*types.ToolsUnavailable](t, object.NewVirtualMachine(c, reference("VirtualMachine", "2")).ShutdownGuest(ctx))
}

func TestStatisticsAndPropertiesMayBeRefused(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	ctx := context.Background()
	b.switches(map[string]any{"no_statistics": []string{"1"}, "unreadable": map[string]any{"1": []string{"runtime.powerState"}}})
	_, err := methods.QueryPerf(ctx, c, &types.QueryPerf{
		This: *c.ServiceContent.PerfManager, QuerySpec: []types.PerfQuerySpec{{Entity: reference("VirtualMachine", "1")}},
	})
	soapFault[*types.InvalidArgument](t, err)
	spec := types.PropertyFilterSpec{
		ObjectSet: []types.ObjectSpec{{Obj: reference("VirtualMachine", "1")}},
		PropSet:   []types.PropertySpec{{Type: "VirtualMachine", PathSet: []string{"name", "runtime.powerState"}}},
	}
	found, err := methods.RetrievePropertiesEx(ctx, c, &types.RetrievePropertiesEx{
		This: c.ServiceContent.PropertyCollector, SpecSet: []types.PropertyFilterSpec{spec},
	})
	if err != nil {
		t.Fatal(err)
	}
	if object := found.Returnval.Objects[0]; len(object.PropSet) != 1 || len(object.MissingSet) != 1 {
		t.Errorf("%+v", object)
	}
}
