// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// mover migrates VMs.
type mover struct {
	service
	*state
}

func (m *mover) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	task, fault := m.start(ctx, "RelocateVM_Task", req.This, func(g *guest) (target, types.BaseMethodFault) {
		return m.relocation(g, req.Spec)
	})
	if fault != nil {
		return &methods.RelocateVM_TaskBody{Fault_: fault}
	}
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: task}}
}

func (m *mover) MigrateVMTask(ctx *simulator.Context, req *types.MigrateVM_Task) soap.HasFault {
	task, fault := m.start(ctx, "MigrateVM_Task", req.This, func(g *guest) (target, types.BaseMethodFault) {
		if req.State != "" && req.State != powerState(g) {
			return target{}, &types.InvalidPowerState{RequestedState: req.State, ExistingState: powerState(g)}
		}
		return m.relocation(g, types.VirtualMachineRelocateSpec{Host: req.Host, Pool: req.Pool})
	})
	if fault != nil {
		return &methods.MigrateVM_TaskBody{Fault_: fault}
	}
	return &methods.MigrateVM_TaskBody{Res: &types.MigrateVM_TaskResponse{Returnval: task}}
}

// start refuses at once what vCenter refuses at once; everything else ends the task with an error.
func (m *mover) start(ctx *simulator.Context, name string, ref types.ManagedObjectReference,
	resolve func(*guest) (target, types.BaseMethodFault)) (types.ManagedObjectReference, *soap.Fault) {
	m.world.Lock()
	defer m.world.Unlock()
	g := m.world.guests[ref.Value]
	if g == nil {
		return ref, notFound(ref)
	}
	if g.has("locked") {
		return ref, simulator.Fault("The method is disabled by 'backup'", &types.MethodDisabled{Source: "backup"})
	}
	if g.task != nil {
		return ref, simulator.Fault("Another task is already in progress.", &types.TaskInProgress{Task: g.task.ref()})
	}
	t, fault := resolve(g)
	if fault != nil {
		return ref, simulator.Fault(localized(fault).LocalizedMessage, fault)
	}
	g.task = m.inventory.startJob(ctx, name, g.ref(), g.Name, func(j *job) (types.AnyType, types.BaseMethodFault) {
		return nil, m.migrate(j, g, t)
	})
	return g.task.ref(), nil
}

func notFound(ref types.ManagedObjectReference) *soap.Fault {
	return simulator.Fault("The object has already been deleted or has not been completely created",
		&types.ManagedObjectNotFound{Obj: ref})
}

// migrate is the whole of one migration.
func (m *mover) migrate(j *job, g *guest, t target) types.BaseMethodFault {
	record, copies, fault := m.begin(g, t)
	var failure *failMigration
	stores := copies.move != nil
	if fault == nil {
		if !g.at(t) {
			m.inventory.tell(beingMigrated(g, m.world.hosts[record.From], t.host, stores))
			failure = m.switches.failureOf(g.ID)
			fault = m.transfer(j, copies.files, failure)
		}
		fault = m.end(record, copies, g, t, fault, failure.pretends())
	}
	switch from := m.world.hosts[record.From]; {
	case fault != nil && stores:
		m.inventory.tell(notRelocated(g, from, t.host, fault))
	case fault != nil:
		m.inventory.tell(notMigrated(g, from, t.host, fault))
	case failure.pretends():
	case stores:
		m.inventory.tell(relocated(g, from, t.host))
	case from != t.host:
		m.inventory.tell(migrated(g, from, t.host))
	}
	return fault
}

// copies are the files that go along, and what is noted of that; the move is nil where none do.
type copies struct {
	files transfers
	move  *diskMove
}

// begin checks the way and lets both hosts hold the memory of the guest from now on.
func (m *mover) begin(g *guest, t target) (*migration, copies, types.BaseMethodFault) {
	m.world.Lock()
	defer m.world.Unlock()
	record := m.world.record(g, t.host)
	along := copies{files: g.transfers(t)}
	along.move = along.files.record(m.world, m.inventory, g)
	if obstacles := m.inventory.obstacles(g, t); len(obstacles) > 0 {
		record.end("failed", obstacles[0])
		along.move.end("failed", obstacles[0])
		g.task = nil
		return record, along, obstacles[0]
	}
	if t.host != g.host {
		t.host.incoming[g.ID] = g.load("memory")
		t.host.notePeak()
	}
	return record, along, nil
}

func (m *diskMove) end(state string, fault types.BaseMethodFault) {
	if m == nil {
		return
	}
	m.State = state
	if fault != nil {
		m.Error = faultName(fault)
	}
}

// transfer takes the time of a migration, in steps that show its progress and take the space of what is copied.
func (m *mover) transfer(j *job, files transfers, failure *failMigration) types.BaseMethodFault {
	duration := m.switches.migrationTime()
	steps := min(20, max(1, int(duration/(50*time.Millisecond))))
	cancelled := j.cancelled
	for step := 0; ; step++ {
		percent := 100 * step / steps
		if fault := m.copyTo(files, percent); fault != nil {
			return fault
		}
		if failure != nil && float64(percent) >= failure.AtPercent {
			if failure.pretends() {
				return nil
			}
			return explained(failure.fault(j.entity()), "The migration failed at %g %%", failure.AtPercent)
		}
		if step == steps {
			return nil
		}
		select {
		case <-cancelled:
			if m.switches.lateCancels() {
				cancelled = nil
				step--
				j.seemCancelled()
				continue
			}
			return explained(new(types.RequestCanceled), "The task was canceled by a user")
		case <-time.After(duration / time.Duration(steps)):
			j.progress(int32(min(95, 100*(step+1)/steps)))
		}
	}
}

func (m *mover) copyTo(files transfers, percent int) types.BaseMethodFault {
	m.world.Lock()
	defer m.world.Unlock()
	return m.inventory.copyTo(files, percent)
}

// end moves the guest unless the transfer failed, only pretends, or its ground was cut away meanwhile.
func (m *mover) end(record *migration, along copies, g *guest, t target, fault types.BaseMethodFault, pretends bool) types.BaseMethodFault {
	m.world.Lock()
	defer m.world.Unlock()
	kept := along.move != nil && m.switches.failsToDelete(g.ID)
	g.task = nil
	delete(t.host.incoming, g.ID)
	switch {
	case fault != nil:
	case g.host.ID != record.From:
		fault = explained(new(types.InvalidState), "%s is on %s now", g.Name, g.host.Name)
	case !g.host.connected():
		fault = explained(new(types.HostNotConnected), "The source host %s does not respond", g.host.Name)
	case !t.host.connected():
		fault = explained(new(types.HostNotConnected), "The host %s does not respond", t.host.Name)
	}
	if fault != nil {
		state := "failed"
		if _, ok := fault.(*types.RequestCanceled); ok {
			state = "cancelled"
		}
		record.end(state, fault)
		along.move.end(state, fault)
		m.inventory.finish(along.files, false, kept)
		return fault
	}
	if pretends {
		record.end("failed", new(types.MigrationFault))
		along.move.end("failed", new(types.MigrationFault))
		m.inventory.finish(along.files, false, kept)
		return nil
	}
	m.commit(g, t)
	m.inventory.finish(along.files, true, kept)
	record.end("done", nil)
	along.move.end("done", nil)
	return nil
}

func (m *mover) commit(g *guest, t target) {
	if disks := g.datastoreRefs(); !g.on(t) {
		g.home = t.home
		for i, ref := range t.disks {
			g.disks[i].arrive(ref)
		}
		m.inventory.showDisks(g, disks)
	}
	if pool := g.pool; t.pool != pool {
		g.pool = t.pool
		m.inventory.showPool(g, pool)
	}
	if from := g.host; t.host != from {
		g.place(t.host)
		m.inventory.showMove(g, from)
	}
}
