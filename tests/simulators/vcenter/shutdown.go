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

// shutter lets operating systems shut down. vCenter answers when it has asked, not when the VM is off.
type shutter struct {
	service
	*state
}

// shutdownTime is how long an operating system takes to end.
const shutdownTime = 100 * time.Millisecond

func (s *shutter) ShutdownGuest(_ *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	body := new(methods.ShutdownGuestBody)
	s.world.Lock()
	defer s.world.Unlock()
	g := s.world.guests[req.This.Value]
	switch {
	case g == nil:
		body.Fault_ = notFound(req.This)
	case !g.running():
		fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: powerState(g)}
		body.Fault_ = simulator.Fault("The attempted operation cannot be performed in the current state", fault)
	case g.tools == "notRunning":
		body.Fault_ = simulator.Fault("VMware Tools is not running", new(types.ToolsUnavailable))
	default:
		body.Res = new(types.ShutdownGuestResponse)
		if g.tools != "deaf" {
			go s.end(g)
		}
	}
	return body
}

func (s *shutter) end(g *guest) {
	time.Sleep(shutdownTime)
	s.world.Lock()
	defer s.world.Unlock()
	g.Power = "stopped"
	s.inventory.showGuest(g)
	s.inventory.showHost(g.host)
}

// timekeeper tells vCenter's time.
type timekeeper struct {
	service
	*state
}

func (t *timekeeper) CurrentTime(*types.CurrentTime) soap.HasFault {
	return &methods.CurrentTimeBody{Res: &types.CurrentTimeResponse{Returnval: t.inventory.clock()}}
}
