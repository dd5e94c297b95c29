// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// twoStores is a cluster with datastores san and nfs, half of san free and 30 GiB of nfs; the guest has two disks
// on san.
func twoStores(more map[string]any) map[string]any {
	stores := map[string]any{
		"san": map[string]any{"shared": true, "capacity": 100 * gib, "free": 50 * gib},
		"nfs": map[string]any{"shared": true, "capacity": 40 * gib, "free": 30 * gib},
	}
	c := exampleCluster(
		[]map[string]any{exampleHost("a", map[string]any{"datastores": stores}), exampleHost("b", map[string]any{"datastores": stores})},
		[]map[string]any{exampleGuest("1", "a", map[string]any{"disks": []map[string]any{
			{"id": "2000", "datastore": "san", "size": 20 * gib, "used": 16 * gib},
			{"id": "2001", "datastore": "san", "size": 20 * gib, "used": 8 * gib},
			{"id": "home", "datastore": "san", "used": gib},
		}})}, nil)
	for name, value := range more {
		c[name] = value
	}
	return c
}

var nfs = reference("Datastore", "datastore-dc0/nfs")

// onlyDisk is the specification by which one disk goes to nfs.
func onlyDisk(key int32) types.VirtualMachineRelocateSpec {
	return types.VirtualMachineRelocateSpec{Disk: []types.VirtualMachineRelocateSpecDiskLocator{{DiskId: key, Datastore: nfs}}}
}

func (b *testbed) relocate(c *vim25.Client, spec types.VirtualMachineRelocateSpec) *object.Task {
	b.Helper()
	task, err := object.NewVirtualMachine(c, reference("VirtualMachine", "1")).Relocate(context.Background(), spec, "")
	if err != nil {
		b.Fatal(err)
	}
	return task
}

type storeReport struct {
	Datastores map[string]struct {
		Free       int64    `json:"free"`
		Lowest     int64    `json:"lowest_free"`
		LeftBehind []string `json:"left_behind"`
	}
	Guests map[string]struct{ Disks map[string]string }
	Moves  []diskMove `json:"disk_moves"`
}

func (b *testbed) stores() storeReport {
	b.Helper()
	var report storeReport
	b.control("GET", "/_sim/state", nil, &report)
	return report
}

func freeOf(t testing.TB, c *vim25.Client, ref types.ManagedObjectReference) int64 {
	t.Helper()
	var ds mo.Datastore
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), ref, []string{"summary"}, &ds); err != nil {
		t.Fatal(err)
	}
	return ds.Summary.FreeSpace
}

func TestOneDiskMovesAndItsSpaceWithIt(t *testing.T) {
	b := boot(t, 0, twoStores(nil))
	c := b.client()
	if fault := taskFault(t, c, b.relocate(c, onlyDisk(2001)).Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	report := b.stores()
	if freeOf(t, c, nfs) != 22*gib || report.Datastores["san"].Free != 58*gib || report.Datastores["san"].Lowest != 50*gib {
		t.Errorf("%+v", report)
	}
	disks := report.Guests["1"].Disks
	if disks["2000"] != "san" || disks["2001"] != "nfs" || disks["home"] != "san" || report.Moves[0].State != "done" {
		t.Errorf("%+v", report)
	}
	var vm mo.VirtualMachine
	ref := reference("VirtualMachine", "1")
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), ref, []string{"layoutEx", "config", "datastore"}, &vm); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range vm.LayoutEx.File {
		names = append(names, f.Name)
	}
	if !slices.Contains(names, "[nfs] vm1/vm1_1-flat.vmdk") || !slices.Contains(names, "[san] vm1/vm1.nvram") || len(vm.Datastore) != 2 {
		t.Error(names)
	}
	// The VM's own files go where the specification's datastore is, and disks without a place of their own with them.
	if fault := taskFault(t, c, b.relocate(c, types.VirtualMachineRelocateSpec{Datastore: &nfs, Disk: []types.VirtualMachineRelocateSpecDiskLocator{
		{DiskId: 2000, Datastore: reference("Datastore", "datastore-dc0/san")},
	}}).Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	if disks := b.stores().Guests["1"].Disks; disks["2000"] != "san" || disks["2001"] != "nfs" || disks["home"] != "nfs" {
		t.Error(disks)
	}
}

func TestACopyThatFailsGivesItsSpaceBack(t *testing.T) {
	b := boot(t, 0.1, twoStores(nil))
	c := b.client()
	b.switches(map[string]any{"fail_migrations": []map[string]any{{"guest": "1", "at_percent": 50, "error": "NoDiskSpace", "count": 1}}})
	expect[*types.NoDiskSpace](t, taskFault(t, c, b.relocate(c, onlyDisk(2000)).Reference()))
	report := b.stores()
	if nfs := report.Datastores["nfs"]; nfs.Free != 30*gib || nfs.Lowest != 22*gib || report.Guests["1"].Disks["2000"] != "san" {
		t.Errorf("%+v", report)
	}
	if found := eventsOf(t, c, "c1", time.Now().Add(-time.Hour)); !slices.Equal(found, []string{"not relocated 1"}) {
		t.Errorf("%q", found)
	}
}

func TestACancelledCopyGivesItsSpaceBack(t *testing.T) {
	b := boot(t, 30, twoStores(nil))
	c := b.client()
	task := b.relocate(c, onlyDisk(2000))
	if err := task.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
	expect[*types.RequestCanceled](t, taskFault(t, c, task.Reference()))
	if report := b.stores(); report.Datastores["nfs"].Free != 30*gib || report.Moves[0].State != "cancelled" {
		t.Errorf("%+v", report)
	}
}

func TestADatastoreThatFillsUpMeanwhileEndsTheCopy(t *testing.T) {
	b := boot(t, 4, twoStores(nil))
	c := b.client()
	task := b.relocate(c, onlyDisk(2000))
	b.control("POST", "/_sim/storage", map[string]any{"id": "nfs", "free": 0}, nil)
	expect[*types.NoDiskSpace](t, taskFault(t, c, task.Reference()))
	if report := b.stores(); report.Guests["1"].Disks["2000"] != "san" || report.Datastores["nfs"].Lowest < 0 {
		t.Errorf("%+v", report)
	}
}

func (b *testbed) search(c *vim25.Client, datastore types.ManagedObjectReference, path string) ([]string, types.BaseMethodFault) {
	b.Helper()
	ctx := context.Background()
	var ds mo.Datastore
	if err := property.DefaultCollector(c).RetrieveOne(ctx, datastore, []string{"browser"}, &ds); err != nil {
		b.Fatal(err)
	}
	task, err := object.NewHostDatastoreBrowser(c, ds.Browser).SearchDatastore(ctx, path, &types.HostDatastoreBrowserSearchSpec{MatchPattern: []string{"vm1_0*"}})
	if err != nil {
		b.Fatal(err)
	}
	if fault := taskFault(b, c, task.Reference()); fault != nil {
		return nil, fault
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, f := range info.Result.(types.HostDatastoreBrowserSearchResults).File {
		names = append(names, f.GetFileInfo().Path)
	}
	return names, nil
}

func TestOldFilesThatAreNotDeletedStayAndTakeSpace(t *testing.T) {
	b := boot(t, 0, twoStores(nil))
	c := b.client()
	b.switches(map[string]any{"fail_deletions": []map[string]any{{"guest": "1", "count": 1}}})
	if fault := taskFault(t, c, b.relocate(c, onlyDisk(2000)).Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	report := b.stores()
	if report.Datastores["san"].Free != 50*gib || report.Datastores["nfs"].Free != 14*gib || report.Guests["1"].Disks["2000"] != "nfs" {
		t.Errorf("%+v", report)
	}
	names, _ := b.search(c, reference("Datastore", "datastore-dc0/san"), "[san] vm1")
	if !slices.Equal(names, []string{"vm1_0-flat.vmdk", "vm1_0.vmdk"}) {
		t.Error(names)
	}
	_, fault := b.search(c, nfs, "[nfs] vm9")
	expect[*types.FileNotFound](t, fault)
}

func TestCheckRelocateObjectsToDatastores(t *testing.T) {
	b := boot(t, 0, twoStores(nil))
	c := b.client()
	check := func() []types.LocalizedMethodFault {
		response, err := methods.CheckRelocate_Task(context.Background(), c, &types.CheckRelocate_Task{
			This: *c.ServiceContent.VmProvisioningChecker, Vm: reference("VirtualMachine", "1"), Spec: onlyDisk(2000),
		})
		if err != nil {
			t.Fatal(err)
		}
		info, err := object.NewTask(c, response.Returnval).WaitForResult(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return info.Result.(types.ArrayOfCheckResult).CheckResult[0].Error
	}
	if errors := check(); len(errors) != 0 {
		t.Error(errors)
	}
	b.control("POST", "/_sim/storage", map[string]any{"id": "nfs", "free": gib}, nil)
	expect[*types.InsufficientStorageSpace](t, check()[0].Fault)
	b.control("POST", "/_sim/storage", map[string]any{"id": "nfs", "free": 30 * gib, "maintenance": "inMaintenance"}, nil)
	expect[*types.InvalidDatastoreState](t, check()[0].Fault)
	if status := b.control("POST", "/_sim/storage", map[string]any{"id": "gone"}, nil); status == 200 {
		t.Error(status)
	}
}

func TestALinkedCloneIsCopiedWithWhatItStandsOn(t *testing.T) {
	cluster := twoStores(nil)
	disks := cluster["guests"].([]map[string]any)[0]["disks"].([]map[string]any)
	disks[1]["blockers"] = []string{"linked_clone"}
	b := boot(t, 0, cluster)
	if fault := taskFault(t, b.client(), b.relocate(b.client(), onlyDisk(2001)).Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
	report := b.stores()
	if report.Datastores["san"].Free != 58*gib || report.Datastores["nfs"].Free != 10*gib {
		t.Errorf("%+v", report)
	}
}

func TestADiskThatIsNotPersistentKeepsAllDisksOfARunningVM(t *testing.T) {
	cluster := twoStores(nil)
	disks := cluster["guests"].([]map[string]any)[0]["disks"].([]map[string]any)
	disks[1]["blockers"] = []string{"nonpersistent_disk"}
	b := boot(t, 0, cluster)
	expect[*types.NonPersistentDisksNotSupported](t, taskFault(t, b.client(), b.relocate(b.client(), onlyDisk(2000)).Reference()))
}

func TestDisksStayWhileVMwareToolsAreInstalled(t *testing.T) {
	b := boot(t, 0, twoStores(nil))
	c := b.client()
	b.control("POST", "/_sim/guest", map[string]any{"id": "1", "iso": "[]"}, nil)
	expect[*types.ToolsInstallationInProgress](t, taskFault(t, c, b.relocate(c, onlyDisk(2000)).Reference()))
	b.control("POST", "/_sim/guest", map[string]any{"id": "1", "iso": ""}, nil)
	if fault := taskFault(t, c, b.relocate(c, onlyDisk(2000)).Reference()); fault != nil {
		t.Fatalf("%T", fault)
	}
}

func TestClustersOfDatastoresAndTheirRules(t *testing.T) {
	b := boot(t, 0, twoStores(map[string]any{
		"datastores": []map[string]any{
			{"id": "san", "name": "san", "shared": true, "cluster": "gold", "balanced_by": "Storage DRS"},
			{"id": "nfs", "name": "nfs", "shared": true, "cluster": "gold", "latency": 12.0, "iops": 200.0, "type": "NFS"},
		},
		"storage_rules": []map[string]any{
			{"name": "apart", "kind": "anti_affinity", "guests": []string{"1"}},
			{"name": "disks", "kind": "anti_affinity", "guests": []string{"1"}, "disks": []string{"2000", "2001"}},
		},
	}))
	c := b.client()
	var pod mo.StoragePod
	if err := property.DefaultCollector(c).RetrieveOne(context.Background(), reference("StoragePod", "group-p-dc0/gold"), nil, &pod); err != nil {
		t.Fatal(err)
	}
	config := pod.PodStorageDrsEntry.StorageDrsConfig
	if !config.PodConfig.Enabled || config.PodConfig.DefaultVmBehavior != "automated" || len(config.PodConfig.Rule) != 1 ||
		len(config.VmConfig[0].IntraVmAntiAffinity.DiskId) != 2 || len(pod.ChildEntity) != 2 {
		t.Errorf("%+v", config)
	}
	// Of datastores themselves there are samples of five minutes, but no newest ones.
	query := func(interval int32) []types.BasePerfMetricSeries {
		response, err := methods.QueryPerf(context.Background(), c, &types.QueryPerf{
			This: *c.ServiceContent.PerfManager,
			QuerySpec: []types.PerfQuerySpec{{
				Entity: nfs, IntervalId: interval, StartTime: pointer(time.Now().Add(-time.Hour)),
				MetricId: []types.PerfMetricId{{CounterId: 188}, {CounterId: 178}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return response.Returnval[0].(*types.PerfEntityMetric).Value
	}
	series := query(300)
	if len(series) != 2 || len(query(20)) != 0 {
		t.Fatalf("%+v", series)
	}
	latency := series[0].(*types.PerfMetricIntSeries).Value
	if slices.Max(latency) != 12 || slices.Min(latency) != 3 {
		t.Error(latency)
	}
}
