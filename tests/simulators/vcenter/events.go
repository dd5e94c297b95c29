// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// tell posts an event as vCenter does at the end of a migration. Nobody may hold the world or the inventory.
func (inv *inventory) tell(event types.BaseEvent) {
	inv.tellAt(event, time.Time{})
}

// tellAt posts an event of then; the zero time is now.
func (inv *inventory) tellAt(event types.BaseEvent, then time.Time) {
	ctx := &simulator.Context{
		Context: context.Background(), Map: inv.registry,
		Session: &simulator.Session{Registry: simulator.NewRegistry(), Map: inv.registry},
	}
	ctx.Session.UserName = "VSPHERE.LOCAL\\simulator"
	manager := inv.registry.EventManager()
	// Whoever reads events looks along the inventory for what they belong to.
	inv.RLock()
	defer inv.RUnlock()
	ctx.WithLock(manager, func() {
		manager.PostEvent(ctx, &types.PostEvent{This: manager.Self, EventToPost: event})
		if then.IsZero() {
			then = inv.clock()
		}
		event.GetEvent().CreatedTime = then
	})
}

// tellPast posts the events that the guests of a snapshot remember, in their order.
func (inv *inventory) tellPast(guests []*guest) {
	type past struct {
		at    time.Time
		event types.BaseEvent
	}
	var told []past
	for _, g := range guests {
		if g.LastMigratedAt != nil {
			told = append(told, past{*g.LastMigratedAt, migrated(g, otherHost(g), g.host)})
		}
		if g.LastFailedAt != nil {
			told = append(told, past{*g.LastFailedAt, notMigrated(g, g.host, otherHost(g), new(types.MigrationFault))})
		}
	}
	slices.SortStableFunc(told, func(a, b past) int { return cmp.Compare(a.at.Unix(), b.at.Unix()) })
	for _, one := range told {
		inv.tellAt(one.event, one.at)
	}
}

// otherHost is one where the guest may have been.
func otherHost(g *guest) *host {
	for _, h := range g.host.cluster.hosts {
		if h != g.host {
			return h
		}
	}
	return g.host
}

// All that the texts of these events name is there: the simulator's own templates want it.
func about(g *guest, at *host) types.VmEvent {
	return types.VmEvent{Event: types.Event{
		ComputeResource: &types.ComputeResourceEventArgument{
			EntityEventArgument: types.EntityEventArgument{Name: at.cluster.name}, ComputeResource: at.cluster.ref(),
		},
		Datacenter: datacenterArgument(at),
		Ds:         datastoreArgument(g),
		Host:       pointer(hostArgument(at)),
		Vm:         &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: g.Name}, Vm: g.ref()},
	}}
}

func hostArgument(h *host) types.HostEventArgument {
	return types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: h.Name}, Host: h.ref()}
}

func datacenterArgument(h *host) *types.DatacenterEventArgument {
	return &types.DatacenterEventArgument{
		EntityEventArgument: types.EntityEventArgument{Name: h.cluster.datacenter},
		Datacenter:          reference("Datacenter", h.cluster.datacenter),
	}
}

func datastoreArgument(g *guest) *types.DatastoreEventArgument {
	argument := &types.DatastoreEventArgument{Datastore: reference("Datastore", "none")}
	if len(g.Disks) > 0 {
		argument.Name, argument.Datastore = g.Disks[0].Datastore, reference("Datastore", g.Disks[0].Datastore)
	}
	return argument
}

// beingMigrated is posted when a migration starts: no task names the host that it goes to.
func beingMigrated(g *guest, from, to *host, stores bool) types.BaseEvent {
	if stores {
		return &types.VmBeingRelocatedEvent{
			VmRelocateSpecEvent: types.VmRelocateSpecEvent{VmEvent: about(g, from)}, DestHost: hostArgument(to),
			DestDatacenter: datacenterArgument(to), DestDatastore: datastoreArgument(g),
		}
	}
	return &types.VmBeingHotMigratedEvent{
		VmEvent: about(g, from), DestHost: hostArgument(to),
		DestDatacenter: datacenterArgument(to), DestDatastore: datastoreArgument(g),
	}
}

func migrated(g *guest, from, to *host) types.BaseEvent {
	return &types.VmMigratedEvent{
		VmEvent: about(g, to), SourceHost: hostArgument(from),
		SourceDatacenter: datacenterArgument(from), SourceDatastore: datastoreArgument(g),
	}
}

// migratedByDRS is what DRS leaves behind.
func migratedByDRS(g *guest, from, to *host) types.BaseEvent {
	return &types.DrsVmMigratedEvent{VmMigratedEvent: *migrated(g, from, to).(*types.VmMigratedEvent)}
}

// relocated is told of disks that went along, or alone.
func relocated(g *guest, from, to *host) types.BaseEvent {
	return &types.VmRelocatedEvent{
		VmRelocateSpecEvent: types.VmRelocateSpecEvent{VmEvent: about(g, to)}, SourceHost: hostArgument(from),
		SourceDatacenter: datacenterArgument(from), SourceDatastore: datastoreArgument(g),
	}
}

// notRelocated is told where disks were to go along, or alone.
func notRelocated(g *guest, from, to *host, why types.BaseMethodFault) types.BaseEvent {
	return &types.VmRelocateFailedEvent{
		VmRelocateSpecEvent: types.VmRelocateSpecEvent{VmEvent: about(g, from)}, DestHost: hostArgument(to),
		Reason: *localized(why), DestDatacenter: datacenterArgument(to), DestDatastore: datastoreArgument(g),
	}
}

func notMigrated(g *guest, from, to *host, why types.BaseMethodFault) types.BaseEvent {
	return &types.VmFailedMigrateEvent{
		VmEvent: about(g, from), DestHost: hostArgument(to), Reason: *localized(why),
		DestDatacenter: datacenterArgument(to), DestDatastore: datastoreArgument(g),
	}
}
