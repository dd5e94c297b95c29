// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// state is what the services share.
type state struct {
	world     *world
	inventory *inventory
	switches  *switches
	calls     *counter
}

// service is an object that answers calls in place of the simulator's own. The VM and host objects of the
// simulator cannot be wrapped: it asserts their exact types everywhere.
type service struct {
	unlocked
	Self types.ManagedObjectReference
}

func (s *service) Reference() types.ManagedObjectReference { return s.Self }

// dispatcher sees every call before the simulator does and may send it to a service.
type dispatcher struct {
	*state
	routes map[string]types.ManagedObjectReference
}

func newDispatcher(s *state) *dispatcher {
	d := &dispatcher{state: s, routes: map[string]types.ManagedObjectReference{}}
	route := func(object mo.Reference, names ...string) {
		s.inventory.registry.Put(object)
		for _, name := range names {
			d.routes[name] = object.Reference()
		}
	}
	named := func(name string) service {
		return service{Self: reference("EvenKeelService", name)}
	}
	route(&mover{named("mover"), s}, "RelocateVM_Task", "MigrateVM_Task")
	route(&creator{named("creator"), s}, "CreateVM_Task", "PowerOnVM_Task")
	route(&checker{named("checker"), s}, "CheckRelocate_Task", "CheckMigrate_Task")
	route(&maintenance{named("maintenance"), s}, "EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task")
	route(&performance{named("performance"), s}, "QueryPerf", "QueryAvailablePerfMetric")
	route(&authorization{named("authorization"), s}, "HasPrivilegeOnEntities", "HasPrivilegeOnEntity",
		"HasUserPrivilegeOnEntities", "FetchUserPrivilegeOnEntities")
	route(&reader{named("reader"), s}, "CreateContainerView", "CreateCollectorForEvents", "QueryEvents", "RetrieveProperties",
		"RetrievePropertiesEx", "ContinueRetrievePropertiesEx")
	route(&shutter{named("shutter"), s}, "ShutdownGuest")
	route(&browser{named("browser"), s}, "SearchDatastore_Task", "RefreshDatastore")
	route(&timekeeper{named("timekeeper"), s}, "CurrentTime")
	route(&refuser{named("refuser")}, "Refuse")
	return d
}

// handle is the simulator's hook: it may change the method that is about to be called.
func (d *dispatcher) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if f := d.switches.failureOfSOAP(method.Name, subject(method).Value); f != nil {
		return d.refuse(ctx, method, f.Message, f.fault(subject(method)))
	}
	if ctx.Session == nil {
		return nil, withoutSession(method)
	}
	if !strings.HasSuffix(method.Name, "_Task") && method.Name != "ShutdownGuest" {
		d.reroute(method)
		return nil, nil
	}
	if privilege := d.privilege(method); privilege != "" && d.forbiddenTo(ctx.Session.UserName, method) {
		fault := &types.NoPermission{Object: pointer(method.This), PrivilegeId: privilege}
		return d.refuse(ctx, method, "Permission to perform this operation was denied.", fault)
	}
	if !d.reroute(method) && method.Name != "ReconfigureComputeResource_Task" {
		return d.refuse(ctx, method, "The simulator does not do "+method.Name, new(types.NotSupported))
	}
	return nil, nil
}

func (d *dispatcher) reroute(method *simulator.Method) bool {
	ref, ok := d.routes[method.Name]
	if ok {
		method.This = ref
	}
	return ok
}

// subject is the object that the call is about.
func subject(method *simulator.Method) types.ManagedObjectReference {
	switch body := method.Body.(type) {
	case *types.CheckRelocate_Task:
		return body.Vm
	case *types.CheckMigrate_Task:
		return body.Vm
	}
	return method.This
}

// refuse answers the call with a fault and its message. Only a call with a session can be sent elsewhere;
// without one the fault goes alone.
func (d *dispatcher) refuse(ctx *simulator.Context, method *simulator.Method, message string,
	fault types.BaseMethodFault) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, fault
	}
	if message == "" {
		message = localized(fault).LocalizedMessage
	}
	method.This, method.Name = d.routes["Refuse"], "Refuse"
	method.Body = &refusal{simulator.Fault(message, fault)}
	return nil, nil
}

type refuser struct{ service }

type refusal struct{ fault *soap.Fault }

func (r *refusal) Fault() *soap.Fault { return r.fault }

func (*refuser) Refuse(r *refusal) soap.HasFault { return r }

// withoutSession lets pass what a client needs to log in. The simulator answers other reads without a
// session by leaving out every property; vCenter refuses them.
func withoutSession(method *simulator.Method) types.BaseMethodFault {
	var objects []types.ManagedObjectReference
	var specs []types.PropertyFilterSpec
	switch body := method.Body.(type) {
	case *types.RetrievePropertiesEx:
		specs = body.SpecSet
	case *types.RetrieveProperties:
		specs = body.SpecSet
	default:
		if method.Name == "Fetch" {
			// the type of the body is internal to govmomi
			this := reflect.ValueOf(body).Elem().FieldByName("This")
			objects = append(objects, this.Interface().(types.ManagedObjectReference))
		}
	}
	for _, spec := range specs {
		for _, object := range spec.ObjectSet {
			objects = append(objects, object.Obj)
		}
	}
	for _, object := range objects {
		if object.Type != "ServiceInstance" && object.Type != "SessionManager" {
			return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &object, PrivilegeId: "System.View"}}
		}
	}
	return nil
}
