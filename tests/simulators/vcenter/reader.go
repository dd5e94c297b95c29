// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// reader lets the simulator read, while nobody changes what it walks along.
type reader struct {
	service
	*state
}

func (r *reader) CreateContainerView(ctx *simulator.Context, req *types.CreateContainerView) (res soap.HasFault) {
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	manager := r.inventory.registry.ViewManager()
	ctx.WithLock(manager, func() { res = manager.CreateContainerView(ctx, req) })
	return res
}

func (r *reader) RetrieveProperties(ctx *simulator.Context, req *types.RetrieveProperties) soap.HasFault {
	collector, ok := ctx.Session.Get(req.This).(*simulator.PropertyCollector)
	if !ok {
		return &methods.RetrievePropertiesBody{Fault_: notFound(req.This)}
	}
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	return collector.RetrieveProperties(ctx, req)
}

func (r *reader) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	collector, ok := ctx.Session.Get(req.This).(*simulator.PropertyCollector)
	if !ok {
		return &methods.RetrievePropertiesExBody{Fault_: notFound(req.This)}
	}
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	return collector.RetrievePropertiesEx(ctx, req)
}
