// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// faultPointer turns a fault that was decoded as a value into the pointer that has its methods.
func faultPointer(detail any) any {
	value := reflect.ValueOf(detail)
	if value.Kind() != reflect.Struct {
		return detail
	}
	p := reflect.New(value.Type())
	p.Elem().Set(value)
	return p.Interface()
}

func relocate(c *vim25.Client, guest, host string) (*object.Task, error) {
	vm := object.NewVirtualMachine(c, reference("VirtualMachine", guest))
	target := reference("HostSystem", host)
	return vm.Relocate(context.Background(), types.VirtualMachineRelocateSpec{Host: &target}, "")
}

// taskFault is why the task failed, nil when it did not.
func taskFault(t testing.TB, c *vim25.Client, task types.ManagedObjectReference) types.BaseMethodFault {
	t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		var m mo.Task
		if err := property.DefaultCollector(c).RetrieveOne(context.Background(), task, []string{"info"}, &m); err != nil {
			t.Fatal(err)
		}
		switch m.Info.State {
		case types.TaskInfoStateSuccess:
			return nil
		case types.TaskInfoStateError:
			return m.Info.Error.Fault
		}
	}
	t.Fatal("the task does not end")
	return nil
}

func expect[F types.BaseMethodFault](t testing.TB, fault types.BaseMethodFault) {
	t.Helper()
	if _, ok := fault.(F); !ok {
		var want F
		t.Fatalf("got %T, expected a %T", fault, want)
	}
}

func (b *testbed) move(c *vim25.Client, guest, host string) types.BaseMethodFault {
	b.Helper()
	task, err := relocate(c, guest, host)
	if err != nil {
		b.Fatal(err)
	}
	return taskFault(b, c, task.Reference())
}

func hostOf(t testing.TB, c *vim25.Client, guest string) string {
	t.Helper()
	var vm mo.VirtualMachine
	ref := reference("VirtualMachine", guest)
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), ref, []string{"runtime.host"}, &vm); err != nil {
		t.Fatal(err)
	}
	return vm.Runtime.Host.Value
}

func TestMigrationMovesTheLoads(t *testing.T) {
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	if fault := b.move(c, "1", "b"); fault != nil {
		t.Fatalf("%T", fault)
	}
	var hosts []mo.HostSystem
	refs := []types.ManagedObjectReference{reference("HostSystem", "a"), reference("HostSystem", "b")}
	if err := property.DefaultCollector(c).Retrieve(context.Background(), refs, []string{"vm", "summary.quickStats"}, &hosts); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		vms, memory := 0, int32(16*1024)
		if h.Self.Value == "b" {
			vms, memory = 1, 24*1024
		}
		if len(h.Vm) != vms || h.Summary.QuickStats.OverallMemoryUsage != memory {
			t.Errorf("%s has %d VMs and %d MB", h.Self.Value, len(h.Vm), h.Summary.QuickStats.OverallMemoryUsage)
		}
	}
	var report struct {
		Migrations []migration
		Peak       map[string]map[string]float64
	}
	b.control("GET", "/_sim/state", nil, &report)
	if len(report.Migrations) != 1 || report.Migrations[0].State != "done" || report.Peak["b"]["memory"] != 24*gib {
		t.Errorf("%+v", report)
	}
}

func TestMigrationFailsCancelsAndIsBusy(t *testing.T) {
	b := boot(t, 0.3, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	task, err := relocate(c, "1", "b")
	if err != nil {
		t.Fatal(err)
	}
	_, err = relocate(c, "1", "b")
	if busy := soapFault[*types.TaskInProgress](t, err); busy.Task != task.Reference() {
		t.Errorf("busy with %s", busy.Task)
	}
	if err := task.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
	expect[*types.RequestCanceled](t, taskFault(t, c, task.Reference()))

	b.switches(map[string]any{"migration_seconds": 0.05, "fail_migrations": []any{
		map[string]any{"guest": "1", "at_percent": 50, "error": "MigrationFault", "count": 1},
	}})
	expect[*types.MigrationFault](t, b.move(c, "1", "b"))
	if hostOf(t, c, "1") != "a" {
		t.Error("the guest moved all the same")
	}
	if fault := b.move(c, "1", "b"); fault != nil || hostOf(t, c, "1") != "b" {
		t.Errorf("%T", fault)
	}
}

func TestObstacles(t *testing.T) {
	local := map[string]any{"san": map[string]any{"shared": true}, "local": map[string]any{"shared": false}}
	rules := []map[string]any{
		{"name": "apart", "kind": "anti_affinity", "guests": []string{"apart1", "apart2"}, "hosts": []string{}, "strict": true},
		{"name": "wish", "kind": "anti_affinity", "guests": []string{"plain", "apart2"}, "hosts": []string{}, "strict": false},
		{"name": "pin", "kind": "host_affinity", "guests": []string{"pinned"}, "hosts": []string{"a"}, "strict": true},
		{"name": "ban", "kind": "host_anti_affinity", "guests": []string{"banned"}, "hosts": []string{"b"}, "strict": true},
	}
	b := boot(t, 0, exampleCluster(
		[]map[string]any{
			exampleHost("a", map[string]any{"datastores": local}), exampleHost("b", map[string]any{"datastores": local}),
			exampleHost("resting", map[string]any{"maintenance": true}), exampleHost("gone", map[string]any{"status": "offline"}),
			exampleHost("other", map[string]any{"networks": []string{"vlan2"}}),
		},
		[]map[string]any{
			exampleGuest("plain", "a", nil),
			exampleGuest("huge", "a", map[string]any{"used": map[string]any{"cpu": 1, "memory": 60 * gib}}),
			exampleGuest("local", "a", map[string]any{"disks": []map[string]any{{"datastore": "local", "size": gib}}}),
			exampleGuest("gpu", "a", map[string]any{"blockers": []string{"passthrough_device"}}),
			exampleGuest("apart1", "a", nil), exampleGuest("apart2", "b", nil),
			exampleGuest("pinned", "a", nil), exampleGuest("banned", "a", nil),
		}, rules))
	c := b.client()
	expect[*types.InvalidHostState](t, b.move(c, "plain", "resting"))
	expect[*types.HostNotConnected](t, b.move(c, "plain", "gone"))
	expect[*types.CannotAccessNetwork](t, b.move(c, "plain", "other"))
	expect[*types.InsufficientHostMemoryCapacityFault](t, b.move(c, "huge", "b"))
	expect[*types.CannotAccessVmDisk](t, b.move(c, "local", "b"))
	expect[*types.DisallowedMigrationDeviceAttached](t, b.move(c, "gpu", "b"))
	expect[*types.RuleViolation](t, b.move(c, "apart1", "b"))
	expect[*types.VmHostAffinityRuleViolation](t, b.move(c, "pinned", "b"))
	expect[*types.VmHostAffinityRuleViolation](t, b.move(c, "banned", "b"))
	if fault := b.move(c, "plain", "b"); fault != nil {
		t.Errorf("plain: %T", fault)
	}

	target := reference("HostSystem", "b")
	response, err := methods.CheckRelocate_Task(context.Background(), c, &types.CheckRelocate_Task{
		This: *c.ServiceContent.VmProvisioningChecker, Vm: reference("VirtualMachine", "pinned"),
		Spec: types.VirtualMachineRelocateSpec{Host: &target},
	})
	if err != nil {
		t.Fatal(err)
	}
	if fault := taskFault(t, c, response.Returnval); fault != nil {
		t.Fatalf("%T", fault)
	}
	var task mo.Task
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), response.Returnval, []string{"info"}, &task); err != nil {
		t.Fatal(err)
	}
	results := task.Info.Result.(types.ArrayOfCheckResult).CheckResult
	if len(results) != 1 || len(results[0].Error) != 1 {
		t.Fatalf("%+v", results)
	}
	expect[*types.VmHostAffinityRuleViolation](t, results[0].Error[0].Fault)
}

func TestMaintenanceWaitsForTheGuests(t *testing.T) {
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	host := object.NewHostSystem(c, reference("HostSystem", "a"))
	task, err := host.EnterMaintenanceMode(context.Background(), 1, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	expect[*types.Timedout](t, taskFault(t, c, task.Reference()))
	if task, err = host.EnterMaintenanceMode(context.Background(), 0, false, nil); err != nil {
		t.Fatal(err)
	}
	if fault := b.move(c, "1", "b"); fault != nil {
		t.Fatalf("%T", fault)
	}
	if fault := taskFault(t, c, task.Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	expect[*types.InvalidHostState](t, b.move(c, "1", "a"))
}
