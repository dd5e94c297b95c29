// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// relocation works out where a specification leads to. Its fault is one of the specification itself.
func (s *state) relocation(g *guest, spec types.VirtualMachineRelocateSpec) (target, types.BaseMethodFault) {
	t := target{host: g.host, pool: g.pool, home: g.home}
	if spec.Host != nil {
		if t.host = s.world.hosts[spec.Host.Value]; t.host == nil {
			return t, &types.ManagedObjectNotFound{Obj: *spec.Host}
		}
	}
	if t.host.cluster.datacenter != g.host.cluster.datacenter {
		return t, explained(new(types.NotSupported), "The simulator does not migrate between datacenters")
	}
	if spec.Pool != nil {
		pool, ok := s.inventory.registry.Get(*spec.Pool).(*simulator.ResourcePool)
		if !ok {
			return t, &types.ManagedObjectNotFound{Obj: *spec.Pool}
		}
		t.pool = pool.Self
	}
	owner := s.inventory.registry.Get(t.pool).(*simulator.ResourcePool).Owner
	if owner != t.host.cluster.ref() {
		fault := &types.InvalidArgument{InvalidProperty: "spec.pool"}
		return t, explained(fault, "A specified parameter was not correct: spec.pool")
	}
	if spec.Datastore != nil {
		if s.inventory.stores[*spec.Datastore] == nil {
			return t, &types.ManagedObjectNotFound{Obj: *spec.Datastore}
		}
		t.home = *spec.Datastore
	}
	for _, d := range g.disks {
		ref := d.datastore
		if spec.Datastore != nil {
			ref = *spec.Datastore
		}
		for _, locator := range spec.Disk {
			if locator.DiskId == d.key {
				ref = locator.Datastore
			}
		}
		if s.inventory.stores[ref] == nil {
			return t, &types.ManagedObjectNotFound{Obj: ref}
		}
		t.disks = append(t.disks, ref)
	}
	return t, nil
}
