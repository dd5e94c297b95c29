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

// maintenance takes hosts out of service and back.
type maintenance struct {
	service
	*state
}

// lookAgain is how often a host that is being emptied is looked at.
const lookAgain = 20 * time.Millisecond

// EnterMaintenanceModeTask waits until the guests are gone, as a cluster without automatic DRS does.
func (m *maintenance) EnterMaintenanceModeTask(ctx *simulator.Context, req *types.EnterMaintenanceMode_Task) soap.HasFault {
	m.world.Lock()
	defer m.world.Unlock()
	h := m.world.hosts[req.This.Value]
	if fault := m.refusal(h, req.This); fault != nil {
		return &methods.EnterMaintenanceMode_TaskBody{Fault_: fault}
	}
	h.entering = true
	all := isTrue(req.EvacuatePoweredOffVms)
	task := m.inventory.startJob(ctx, "EnterMaintenanceMode_Task", h.ref(), h.Name, func(j *job) (types.AnyType, types.BaseMethodFault) {
		return nil, m.enter(j, h, time.Duration(req.Timeout)*time.Second, all)
	})
	return &methods.EnterMaintenanceMode_TaskBody{Res: &types.EnterMaintenanceMode_TaskResponse{Returnval: task.ref()}}
}

func (m *maintenance) refusal(h *host, ref types.ManagedObjectReference) *soap.Fault {
	switch {
	case h == nil:
		return notFound(ref)
	case !h.connected():
		return simulator.Fault("The host does not respond", &types.InvalidHostConnectionState{})
	case h.Maintenance || h.entering:
		return simulator.Fault("The host is in maintenance mode already", new(types.InvalidState))
	}
	return nil
}

func (m *maintenance) enter(j *job, h *host, timeout time.Duration, all bool) types.BaseMethodFault {
	started := time.Now()
	for {
		m.world.Lock()
		if h.empty(all) {
			h.entering, h.Maintenance = false, true
			m.stopAgents(h)
			m.inventory.showHost(h)
			m.inventory.summarize(h.cluster)
			m.world.Unlock()
			return nil
		}
		m.world.Unlock()

		var fault types.BaseMethodFault
		select {
		case <-j.cancelled:
			fault = explained(new(types.RequestCanceled), "The task was canceled by a user")
		case <-time.After(lookAgain):
			if timeout > 0 && time.Since(started) >= timeout {
				fault = explained(new(types.Timedout), "Guests are still on %s", h.Name)
			}
		}
		if fault != nil {
			m.world.Lock()
			h.entering = false
			m.world.Unlock()
			return fault
		}
	}
}

func (h *host) empty(all bool) bool {
	if len(h.incoming) > 0 {
		return false
	}
	for _, g := range h.guests {
		if !g.agent() && (all || g.running()) {
			return false
		}
	}
	return true
}

// stopAgents switches off what vCenter runs on the host for its own sake. The world's lock is held.
func (m *maintenance) stopAgents(h *host) {
	for _, g := range h.guests {
		if g.agent() && g.Power == "running" {
			g.Power = "stopped"
			m.inventory.showGuest(g)
		}
	}
}

func (m *maintenance) ExitMaintenanceModeTask(ctx *simulator.Context, req *types.ExitMaintenanceMode_Task) soap.HasFault {
	m.world.Lock()
	defer m.world.Unlock()
	h := m.world.hosts[req.This.Value]
	if h == nil {
		return &methods.ExitMaintenanceMode_TaskBody{Fault_: notFound(req.This)}
	}
	if !h.Maintenance {
		return &methods.ExitMaintenanceMode_TaskBody{
			Fault_: simulator.Fault("The host is not in maintenance mode", new(types.InvalidState)),
		}
	}
	h.Maintenance = false
	m.inventory.showHost(h)
	m.inventory.summarize(h.cluster)
	task := m.inventory.startJob(ctx, "ExitMaintenanceMode_Task", h.ref(), h.Name,
		func(*job) (types.AnyType, types.BaseMethodFault) { return nil, nil })
	return &methods.ExitMaintenanceMode_TaskBody{Res: &types.ExitMaintenanceMode_TaskResponse{Returnval: task.ref()}}
}
