// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// TestManyClientsAtOnce is for the race detector: clients move the same guests and read everything.
func TestManyClientsAtOnce(t *testing.T) {
	var hosts, guests []map[string]any
	for i := range 4 {
		hosts = append(hosts, exampleHost(fmt.Sprint("h", i), nil))
	}
	for i := range 12 {
		used := map[string]any{"cpu": 0.5, "memory": gib}
		guests = append(guests, exampleGuest(fmt.Sprint(i), fmt.Sprint("h", i%4), map[string]any{"used": used}))
	}
	b := boot(t, 0.02, exampleCluster(hosts, guests, nil))
	var wait sync.WaitGroup
	for worker := range 6 {
		c := b.client()
		wait.Add(2)
		go func() {
			defer wait.Done()
			for i := range 10 {
				task, err := relocate(c, fmt.Sprint((worker+i)%12), fmt.Sprint("h", (worker*i)%4))
				if err != nil {
					if _, busy := soap.ToSoapFault(err).VimFault().(types.TaskInProgress); !busy {
						t.Error(err)
					}
					continue
				}
				if i%3 == 0 {
					_ = task.Cancel(context.Background())
				}
				if i%2 == 0 {
					_, _ = task.WaitForResult(context.Background(), nil)
				}
			}
		}()
		go func() {
			defer wait.Done()
			for range 6 {
				v, err := view.NewManager(c).CreateContainerView(context.Background(), c.ServiceContent.RootFolder, nil, true)
				if err != nil {
					t.Error(err)
					return
				}
				var found []mo.HostSystem
				if err := v.Retrieve(context.Background(), []string{"HostSystem"}, nil, &found); err != nil || len(found) != 4 {
					t.Error(len(found), err)
				}
				var vms []mo.VirtualMachine
				if err := v.Retrieve(context.Background(), []string{"VirtualMachine"}, nil, &vms); err != nil || len(vms) != 12 {
					t.Error(len(vms), err)
				}
				if err := v.Destroy(context.Background()); err != nil {
					t.Error(err)
				}
				b.control("GET", "/_sim/state", nil, nil)
				b.switches(map[string]any{"drs": "partiallyAutomated"})
			}
		}()
	}
	wait.Wait()

	b.vcenter.world.Lock()
	defer b.vcenter.world.Unlock()
	count := 0
	for _, h := range b.vcenter.world.hosts {
		count += len(h.guests)
		for _, g := range h.guests {
			if g.host != h {
				t.Errorf("%s is on two hosts", g.ID)
			}
		}
	}
	if count != 12 {
		t.Errorf("%d guests", count)
	}
}
