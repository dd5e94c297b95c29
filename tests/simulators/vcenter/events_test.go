// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// eventsOf reads what happened in a cluster since then, two events a page; gives type and guest of each.
func eventsOf(t testing.TB, c *vim25.Client, cluster string, since time.Time) []string {
	t.Helper()
	ctx := context.Background()
	created, err := methods.CreateCollectorForEvents(ctx, c, &types.CreateCollectorForEvents{
		This: *c.ServiceContent.EventManager,
		Filter: types.EventFilterSpec{
			Entity: &types.EventFilterSpecByEntity{
				Entity: reference("ClusterComputeResource", cluster), Recursion: types.EventFilterSpecRecursionOptionAll,
			},
			Time: &types.EventFilterSpecByTime{BeginTime: &since},
			EventTypeId: []string{
				"VmMigratedEvent", "DrsVmMigratedEvent", "VmRelocatedEvent", "VmFailedMigrateEvent", "VmRelocateFailedEvent",
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for {
		page, err := methods.ReadNextEvents(ctx, c, &types.ReadNextEvents{This: created.Returnval, MaxCount: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Returnval) == 0 {
			return found
		}
		for _, event := range page.Returnval {
			kind := "moved "
			switch event.(type) {
			case *types.DrsVmMigratedEvent:
				kind = "moved by DRS "
			case *types.VmFailedMigrateEvent:
				kind = "failed "
			case *types.VmRelocateFailedEvent:
				kind = "not relocated "
			}
			found = append(found, kind+event.GetEvent().Vm.Vm.Value)
		}
	}
}

func TestEventsTellWhatBecameOfMigrations(t *testing.T) {
	now := time.Now()
	b := boot(t, 0, exampleCluster(
		[]map[string]any{exampleHost("a", nil), exampleHost("b", nil)},
		[]map[string]any{
			exampleGuest("1", "a", nil),
			exampleGuest("2", "a", map[string]any{"last_migrated_at": now.Add(-time.Hour).UTC().Format(time.RFC3339)}),
			exampleGuest("3", "a", map[string]any{"last_failed_at": now.Add(-2 * time.Hour).UTC().Format(time.RFC3339)}),
			exampleGuest("4", "a", map[string]any{"last_migrated_at": now.Add(-9 * time.Hour).UTC().Format(time.RFC3339)}),
		}, nil))
	c := b.client()
	b.control("POST", "/_sim/switches", map[string]any{
		"fail_migrations": []map[string]any{{"guest": "3", "at_percent": 50}},
	}, nil)
	if fault := b.move(c, "1", "b"); fault != nil {
		t.Fatalf("%T", fault)
	}
	if fault := b.move(c, "3", "b"); fault == nil {
		t.Fatal("it did not fail")
	}
	b.control("POST", "/_sim/guest", map[string]any{"id": "2", "host": "b"}, nil)
	expected := []string{"failed 3", "moved 2", "moved 1", "failed 3", "moved by DRS 2"}
	if found := eventsOf(t, c, "c1", now.Add(-3*time.Hour)); !slices.Equal(found, expected) {
		t.Errorf("%q", found)
	}
	if found := eventsOf(t, c, "c1", now.Add(-time.Minute)); !slices.Equal(found, expected[2:]) {
		t.Errorf("%q", found)
	}
}
