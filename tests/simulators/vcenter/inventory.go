// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// inventory shows the world as managed objects. Objects are made directly, not by API calls: the stock way
// looks at every object for each one that it adds.
//
// The simulator walks the inventory (views, traversals) without locks, so what it walks along is
// written with the lock held for writing, and such walks hold it for reading.
type inventory struct {
	sync.RWMutex
	ctx         *simulator.Context
	registry    *simulator.Registry
	datacenters map[string]*simulator.Datacenter
	datastores  map[string]*simulator.Datastore
	networks    map[string]*mo.Network
	clock       func() time.Time // vCenter's own
	refusals    func(guest, host string) []refusedMigration

	stores map[types.ManagedObjectReference]*store // held with the world's lock
	pods   map[string]*simulator.StoragePod
	stale  func() bool             // whether changes of free space are not shown before someone asks vCenter to look
	sdrs   func(pod string) string // how Storage DRS is set for a cluster of datastores
}

func newInventory(ctx *simulator.Context) *inventory {
	return &inventory{
		ctx: ctx, registry: ctx.Map, datacenters: map[string]*simulator.Datacenter{},
		datastores: map[string]*simulator.Datastore{}, networks: map[string]*mo.Network{}, clock: time.Now,
		refusals: func(string, string) []refusedMigration { return nil },
		stores:   map[types.ManagedObjectReference]*store{}, pods: map[string]*simulator.StoragePod{},
		sdrs: func(string) string { return "" }, stale: func() bool { return false },
	}
}

// add puts the cluster of a snapshot into the world and into the inventory.
func (inv *inventory) add(w *world, s *snapshot, datacenter string) error {
	dc, err := inv.datacenter(datacenter)
	if err != nil {
		return err
	}
	c := &cluster{id: s.Cluster.ID, name: s.Cluster.Name, datacenter: datacenter, described: map[string]snapshotStore{}}
	for _, described := range s.Datastores {
		c.described[described.ID] = described
	}
	for _, other := range w.clusters {
		if other.id == c.id || other.name == c.name && other.datacenter == c.datacenter {
			return fmt.Errorf("cluster %q (id %q) is in datacenter %q twice, or its id is used by another cluster",
				c.name, c.id, datacenter)
		}
	}
	for _, spec := range s.Hosts {
		if w.hosts[spec.ID] != nil {
			return fmt.Errorf("host id %q is in two snapshots; it is the host's reference and must be unique", spec.ID)
		}
		h := newHost(spec, c)
		w.hosts[h.ID] = h
		c.hosts = append(c.hosts, h)
	}
	for _, spec := range s.Guests {
		if w.guests[spec.ID] != nil {
			return fmt.Errorf("guest id %q is in two snapshots; it is the VM's reference and must be unique", spec.ID)
		}
		g := &guest{snapshotGuest: spec, state: connectionOf(spec.Blockers)}
		w.guests[g.ID] = g
		g.host = w.hosts[spec.Host]
		g.host.guests[g.ID] = g
	}
	pairUp(w, s.Rules)
	for _, h := range c.hosts {
		for _, resource := range loads {
			h.own[resource] = h.Used.of(resource) - h.load(resource)
		}
		h.notePeak()
	}
	w.clusters = append(w.clusters, c)
	inv.putCluster(dc, w, c, s)
	inv.putStorageRules(w, s)
	for _, spec := range s.Guests {
		for ref, bytes := range w.guests[spec.ID].io() {
			inv.stores[ref].firstIO += bytes
		}
	}
	guests := make([]*guest, len(s.Guests))
	for i, spec := range s.Guests {
		guests[i] = w.guests[spec.ID]
	}
	inv.tellPast(guests)
	return nil
}

func newHost(spec snapshotHost, c *cluster) *host {
	return &host{
		snapshotHost: spec, cluster: c, noVMotion: strings.Contains(spec.ClosedBecause, "vMotion"),
		mounts: map[types.ManagedObjectReference]string{},
		own:    map[string]float64{}, guests: map[string]*guest{}, incoming: map[string]float64{},
		datastores: map[types.ManagedObjectReference]bool{}, networks: map[types.ManagedObjectReference]bool{},
	}
}

func (inv *inventory) datacenter(name string) (*simulator.Datacenter, error) {
	if dc := inv.datacenters[name]; dc != nil {
		return dc, nil
	}
	service := inv.registry.Get(vim25.ServiceInstance).(*simulator.ServiceInstance)
	root := inv.registry.Get(service.Content.RootFolder).(*simulator.Folder)
	body := root.CreateDatacenter(inv.ctx, &types.CreateDatacenter{This: root.Self, Name: name})
	if fault := body.Fault(); fault != nil {
		return nil, fmt.Errorf("datacenter %q: %s", name, fault.String)
	}
	ref := body.(*methods.CreateDatacenterBody).Res.Returnval
	dc := inv.registry.Get(ref).(*simulator.Datacenter)
	inv.datacenters[name] = dc
	return dc, nil
}

func (inv *inventory) folder(ref types.ManagedObjectReference) *simulator.Folder {
	return inv.registry.Get(ref).(*simulator.Folder)
}

// putChild puts the object in a folder.
func (inv *inventory) putChild(folder types.ManagedObjectReference, child mo.Entity) {
	f := inv.folder(folder)
	inv.registry.PutEntity(f, child)
	f.ChildEntity = append(f.ChildEntity, child.Reference())
}

func (inv *inventory) putCluster(dc *simulator.Datacenter, w *world, c *cluster, s *snapshot) {
	object := &simulator.ClusterComputeResource{}
	object.Self = c.ref()
	object.Name = c.name
	object.ConfigurationEx = clusterConfig(s)
	object.Summary = &types.ClusterComputeResourceSummary{
		ComputeResourceSummary: types.ComputeResourceSummary{OverallStatus: types.ManagedEntityStatusGreen},
		UsageSummary:           &types.ClusterUsageSummary{},
	}
	root := inv.putPool(object, c, "Resources", nil)
	object.ResourcePool = &root.Self
	inv.putChild(dc.HostFolder, object)

	for _, h := range c.hosts {
		inv.putHost(dc, object, h)
	}
	object.Host = slices.Clip(object.Host)

	pools := map[string]*simulator.ResourcePool{"": root}
	vmFolder := inv.folder(dc.VmFolder)
	for _, spec := range s.Guests {
		g := w.guests[spec.ID]
		pool := pools[spec.Pool]
		if pool == nil {
			pool = inv.putPool(object, c, spec.Pool, root)
			pools[spec.Pool] = pool
		}
		vm := inv.newMachine(dc, g, pool)
		inv.registry.PutEntity(vmFolder, vm)
		vmFolder.ChildEntity = append(vmFolder.ChildEntity, vm.Self)
	}
	for _, pool := range pools {
		pool.Vm = slices.Clip(pool.Vm)
	}
	for _, h := range c.hosts {
		inv.showHost(h)
	}
	inv.summarize(c)
}

func (inv *inventory) putPool(owner *simulator.ClusterComputeResource, c *cluster, name string,
	parent *simulator.ResourcePool) *simulator.ResourcePool {
	pool := simulator.NewResourcePool(inv.ctx)
	pool.Self = reference("ResourcePool", "resgroup-"+c.id)
	pool.Name, pool.Owner = name, owner.Self
	pool.Summary.GetResourcePoolSummary().Name = name
	if parent == nil {
		inv.registry.PutEntity(owner, pool)
		return pool
	}
	pool.Self.Value += "-" + name
	pool.Summary = &types.ResourcePoolSummary{Name: name, Config: pool.Config}
	inv.registry.PutEntity(parent, pool)
	parent.ResourcePool.ResourcePool = append(parent.ResourcePool.ResourcePool, pool.Self)
	return pool
}

// uuidOf gives the same UUID for the same text every time.
func uuidOf(text string) string {
	sum := sha1.Sum([]byte(text))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
