// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"

	vmperformance "github.com/vmware/govmomi/performance"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func TestInventoryShowsTheSnapshot(t *testing.T) {
	local := map[string]any{"san": map[string]any{"shared": true}, "disk": map[string]any{"shared": false}}
	b := boot(t, 0, exampleCluster(
		[]map[string]any{
			exampleHost("a", map[string]any{"datastores": local}), exampleHost("b", map[string]any{"datastores": local}),
		},
		[]map[string]any{
			exampleGuest("1", "a", map[string]any{"pool": "gold", "blockers": []string{"iso_mounted", "snapshot", "balancing_disabled"}}),
			exampleGuest("2", "b", map[string]any{"power": "stopped", "blockers": []string{"template"}}),
		},
		[]map[string]any{{"name": "together", "kind": "affinity", "guests": []string{"1", "2"}, "strict": true}}))
	c := b.client()
	ctx := context.Background()
	root, err := view.NewManager(c).CreateContainerView(ctx, c.ServiceContent.RootFolder, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	var vms []mo.VirtualMachine
	if err := root.Retrieve(ctx, []string{"VirtualMachine"}, nil, &vms); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(vms, func(x, y mo.VirtualMachine) int { return int(x.Self.Value[0]) - int(y.Self.Value[0]) })
	first, second := vms[0], vms[1]
	if len(vms) != 2 || first.Summary.QuickStats.HostMemoryUsage != 4096 || first.Summary.QuickStats.OverallCpuUsage != 3900 ||
		first.Snapshot == nil || first.Runtime.Host.Value != "a" || !second.Config.Template || second.ResourcePool != nil {
		t.Errorf("%+v", first.Summary)
	}
	var hosts []mo.HostSystem
	if err := root.Retrieve(ctx, []string{"HostSystem"}, nil, &hosts); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if h.Summary.QuickStats.OverallCpuUsage != 4*mhzPerCore || h.Summary.Hardware.NumCpuCores != 16 ||
			h.Summary.CurrentEVCModeKey != "intel-skylake" || h.Config.Product.Version != "8.0.3" || len(h.Datastore) != 2 {
			t.Errorf("%+v", h.Summary)
		}
	}
	var datastores []mo.Datastore
	if err := root.Retrieve(ctx, []string{"Datastore"}, nil, &datastores); err != nil {
		t.Fatal(err)
	}
	if len(datastores) != 3 { // one shared, one local a host
		t.Errorf("%d datastores", len(datastores))
	}
	var clusters []mo.ClusterComputeResource
	if err := root.Retrieve(ctx, []string{"ClusterComputeResource"}, nil, &clusters); err != nil {
		t.Fatal(err)
	}
	config := clusters[0].ConfigurationEx.(*types.ClusterConfigInfoEx)
	if clusters[0].Name != "prod" || len(config.Rule) != 1 || *config.DrsVmConfig[0].Enabled ||
		config.DrsConfig.DefaultVmBehavior != types.DrsBehaviorManual {
		t.Errorf("%+v", config)
	}
}

func TestPerformanceAveragesToTheLoad(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil)}, []map[string]any{exampleGuest("1", "a", nil)}, nil))
	manager := vmperformance.NewManager(b.client())
	for counter, want := range map[string]int64{
		"cpu.usagemhz.average": 3900, "mem.consumed.average": 4 << 20, "net.usage.average": 500, "disk.usage.average": 1000,
	} {
		spec := types.PerfQuerySpec{MaxSample: 15, IntervalId: 20}
		series, err := manager.SampleByName(context.Background(), spec, []string{counter}, []types.ManagedObjectReference{reference("VirtualMachine", "1")})
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := manager.ToMetricSeries(context.Background(), series)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, v := range metrics[0].Value[0].Value {
			sum += v
		}
		if sum != 15*want {
			t.Errorf("%s: %v", counter, metrics[0].Value[0].Value)
		}
	}
}

func TestTags(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil)},
		[]map[string]any{exampleGuest("1", "a", map[string]any{"tags": []string{"prod", "web"}})}, nil))
	client := rest.NewClient(b.client())
	ctx := context.Background()
	if client.Login(ctx, url.UserPassword(testUser, "wrong")) == nil {
		t.Error("any password will do")
	}
	if err := client.Login(ctx, url.UserPassword(testUser, testPassword)); err != nil {
		t.Fatal(err)
	}
	attached, err := tags.NewManager(client).GetAttachedTags(ctx, reference("VirtualMachine", "1"))
	if err != nil || len(attached) != 2 {
		t.Fatal(attached, err)
	}
	b.control("POST", "/_sim/sessions/expire", nil, nil)
	if _, err := tags.NewManager(client).GetAttachedTags(ctx, reference("VirtualMachine", "1")); err == nil {
		t.Error("the session did not end")
	}
	if status := b.control("POST", "/api/session", nil, nil); status != http.StatusUnauthorized {
		t.Error("without a password:", status)
	}
}

func TestSessionsAndPermissions(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil), exampleHost("b", nil)},
		[]map[string]any{exampleGuest("1", "a", nil)}, nil))
	_, err := b.login(testUser, "wrong")
	soapFault[*types.InvalidLogin](t, err)

	b.switches(map[string]any{"read_only_user": "auditor"})
	auditor, err := b.login("auditor", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	_, err = relocate(auditor, "1", "b")
	if fault := soapFault[*types.NoPermission](t, err); fault.PrivilegeId != "Resource.HotMigrate" {
		t.Error(fault.PrivilegeId)
	}
	response, err := methods.FetchUserPrivilegeOnEntities(context.Background(), auditor, &types.FetchUserPrivilegeOnEntities{
		This: *auditor.ServiceContent.AuthorizationManager, UserName: "auditor",
		Entities: []types.ManagedObjectReference{reference("VirtualMachine", "1")},
	})
	if err != nil || slices.Contains(response.Returnval[0].Privileges, "Resource.HotMigrate") {
		t.Error(response, err)
	}

	b.control("POST", "/_sim/sessions/expire", nil, nil)
	_, err = relocate(auditor, "1", "b")
	soapFault[*types.NotAuthenticated](t, err)
	var vm mo.VirtualMachine
	err = property.DefaultCollector(auditor).RetrieveOne(context.Background(), reference("VirtualMachine", "1"), []string{"name"}, &vm)
	soapFault[*types.NotAuthenticated](t, err)
}

func TestCallsFailAndDrop(t *testing.T) {
	b := boot(t, 0, exampleCluster([]map[string]any{exampleHost("a", nil), exampleHost("b", nil)},
		[]map[string]any{exampleGuest("1", "a", nil)}, nil))
	c := b.client()
	b.switches(map[string]any{
		"fail_calls": []any{
			map[string]any{"call": "RelocateVM_Task", "object": "1", "error": "HostConnectFault", "message": "no way", "skip": 1, "count": 1},
		},
		"drop_connection": []any{map[string]any{"call": "CurrentTime"}},
	})
	if fault := b.move(c, "1", "b"); fault != nil {
		t.Fatalf("%T", fault)
	}
	_, err := relocate(c, "1", "a")
	soapFault[*types.HostConnectFault](t, err)
	if fault := b.move(c, "1", "a"); fault != nil {
		t.Fatalf("%T", fault)
	}
	var dropped net.Error
	if _, err := methods.GetCurrentTime(context.Background(), c); !errors.Is(err, io.EOF) && !errors.As(err, &dropped) {
		t.Error(err)
	}
	if _, err := methods.GetCurrentTime(context.Background(), c); err != nil {
		t.Error(err)
	}
	if status := b.control("POST", "/_sim/switches", map[string]any{"fail_calls": []any{map[string]any{"call": "Login", "error": "Nonsense"}}}, nil); status != http.StatusBadRequest {
		t.Error("an unknown fault was taken:", status)
	}
}

func TestTwoClustersOfOneName(t *testing.T) {
	first := exampleCluster([]map[string]any{exampleHost("a", nil)}, nil, nil)
	second := exampleCluster([]map[string]any{exampleHost("b", nil)}, nil, nil)
	second["cluster"] = map[string]any{"id": "c2", "name": "prod"}
	b := boot(t, 0, first)
	s := &snapshot{}
	s.Cluster.ID, s.Cluster.Name = "c2", "prod"
	if b.vcenter.inventory.add(b.vcenter.world, s, "dc0") == nil {
		t.Error("two clusters of one name in one datacenter")
	}
	if err := b.vcenter.inventory.add(b.vcenter.world, s, "dc1"); err != nil {
		t.Error(err)
	}
}
