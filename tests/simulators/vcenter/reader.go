// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"

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

func (r *reader) CreateCollectorForEvents(ctx *simulator.Context, req *types.CreateCollectorForEvents) (res soap.HasFault) {
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	manager := r.inventory.registry.EventManager()
	ctx.WithLock(manager, func() { res = manager.CreateCollectorForEvents(ctx, req) })
	return res
}

func (r *reader) QueryEvents(ctx *simulator.Context, req *types.QueryEvents) (res soap.HasFault) {
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	manager := r.inventory.registry.EventManager()
	ctx.WithLock(manager, func() { res = manager.QueryEvents(ctx, req) })
	return res
}

func (r *reader) RetrieveProperties(ctx *simulator.Context, req *types.RetrieveProperties) soap.HasFault {
	collector, ok := ctx.Session.Get(req.This).(*simulator.PropertyCollector)
	if !ok {
		return &methods.RetrievePropertiesBody{Fault_: notFound(req.This)}
	}
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	body := collector.RetrieveProperties(ctx, req).(*methods.RetrievePropertiesBody)
	if body.Res != nil {
		body.Res.Returnval = r.visible(body.Res.Returnval)
	}
	return body
}

func (r *reader) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	collector, ok := ctx.Session.Get(req.This).(*simulator.PropertyCollector)
	if !ok {
		return &methods.RetrievePropertiesExBody{Fault_: notFound(req.This)}
	}
	r.inventory.RLock()
	defer r.inventory.RUnlock()
	body := collector.RetrievePropertiesEx(ctx, req).(*methods.RetrievePropertiesExBody)
	if body.Res != nil {
		body.Res.Returnval.Objects = r.visible(body.Res.Returnval.Objects)
	}
	return body
}

func (r *reader) ContinueRetrievePropertiesEx(ctx *simulator.Context, req *types.ContinueRetrievePropertiesEx) soap.HasFault {
	collector, ok := ctx.Session.Get(req.This).(*simulator.PropertyCollector)
	if !ok {
		return &methods.ContinueRetrievePropertiesExBody{Fault_: notFound(req.This)}
	}
	body := collector.ContinueRetrievePropertiesEx(ctx, req).(*methods.ContinueRetrievePropertiesExBody)
	if body.Res != nil {
		body.Res.Returnval.Objects = r.visible(body.Res.Returnval.Objects)
	}
	return body
}

// visible leaves out the objects that the user may not see, as vCenter does, without a word.
func (r *reader) visible(objects []types.ObjectContent) []types.ObjectContent {
	for i := range objects {
		r.loseProperties(&objects[i])
	}
	return slices.DeleteFunc(objects, func(o types.ObjectContent) bool { return r.switches.hides(o.Obj.Value) })
}

// loseProperties reports those that can't be read of an object, each with its fault, as vCenter does.
func (r *reader) loseProperties(object *types.ObjectContent) {
	for _, path := range r.switches.now().Unreadable[object.Obj.Value] {
		lost := false
		object.PropSet = slices.DeleteFunc(slices.Clone(object.PropSet), func(p types.DynamicProperty) bool {
			lost = lost || p.Name == path
			return p.Name == path
		})
		if lost {
			object.MissingSet = append(object.MissingSet, types.MissingProperty{
				Path: path, Fault: *localized(explained(&types.SystemError{Reason: "simulated"}, "A general system error occurred")),
			})
		}
	}
}
