// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var reading = []string{"System.Anonymous", "System.View", "System.Read"}

// changing are the privileges that a user without permission lacks.
var changing = []string{
	"Resource.HotMigrate", "Resource.ColdMigrate", "Resource.AssignVMToPool", "Host.Config.Maintenance",
	"Host.Inventory.EditCluster", "VirtualMachine.Inventory.Create", "VirtualMachine.Interact.PowerOn",
	"VirtualMachine.Interact.PowerOff", "Datastore.AllocateSpace", "Datastore.Browse",
}

// privilege is what the call needs, "" when reading is enough.
func (d *dispatcher) privilege(method *simulator.Method) string {
	switch method.Name {
	case "RelocateVM_Task", "MigrateVM_Task":
		d.world.Lock()
		defer d.world.Unlock()
		if g := d.world.guests[method.This.Value]; g != nil && g.running() {
			return "Resource.HotMigrate"
		}
		return "Resource.ColdMigrate"
	case "SearchDatastore_Task":
		return "Datastore.Browse"
	case "CreateVM_Task":
		return "VirtualMachine.Inventory.Create"
	case "ShutdownGuest":
		return "VirtualMachine.Interact.PowerOff"
	case "PowerOnVM_Task":
		return "VirtualMachine.Interact.PowerOn"
	case "EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task":
		return "Host.Config.Maintenance"
	case "ReconfigureComputeResource_Task":
		return "Host.Inventory.EditCluster"
	}
	return ""
}

// forbiddenTo looks at the object of the call and, for a migration, at the target too.
func (d *dispatcher) forbiddenTo(user string, method *simulator.Method) bool {
	objects := []string{method.This.Value}
	switch body := method.Body.(type) {
	case *types.RelocateVM_Task:
		if body.Spec.Host != nil {
			objects = append(objects, body.Spec.Host.Value)
		}
		if body.Spec.Datastore != nil {
			objects = append(objects, body.Spec.Datastore.Value)
		}
		for _, locator := range body.Spec.Disk {
			objects = append(objects, locator.Datastore.Value)
		}
	case *types.SearchDatastore_Task:
		objects = []string{strings.TrimPrefix(method.This.Value, "datastoreBrowser-")}
		objects[0] = "datastore-" + objects[0]
	case *types.CreateVM_Task:
		if body.Host != nil {
			objects = append(objects, body.Host.Value)
		}
	case *types.MigrateVM_Task:
		if body.Host != nil {
			objects = append(objects, body.Host.Value)
		}
	}
	return slices.ContainsFunc(objects, func(id string) bool { return d.switches.forbidden(user, id) })
}

// authorization tells who may do what.
type authorization struct {
	service
	*state
}

// granted tells whether the user holds a privilege on an object: all of them unless switches say otherwise.
func (a *authorization) granted(user string, entity types.ManagedObjectReference, privilege string) bool {
	if slices.Contains(reading, privilege) {
		return !a.switches.hides(entity.Value)
	}
	if user != "" && user == a.switches.readOnlyUser() {
		return false
	}
	return !slices.Contains(changing, privilege) || !a.switches.forbidden(user, entity.Value)
}

func (a *authorization) privileges(user string, entity types.ManagedObjectReference) []string {
	all := append(append([]string{}, reading...), changing...)
	for _, p := range a.manager().PrivilegeList {
		if !slices.Contains(all, p.PrivId) {
			all = append(all, p.PrivId)
		}
	}
	return slices.DeleteFunc(all, func(p string) bool { return !a.granted(user, entity, p) })
}

func (a *authorization) manager() *simulator.AuthorizationManager {
	ref := reference("AuthorizationManager", "AuthorizationManager")
	return a.inventory.registry.Get(ref).(*simulator.AuthorizationManager)
}

func (a *authorization) availability(user string, entity types.ManagedObjectReference, ids []string) []types.PrivilegeAvailability {
	result := make([]types.PrivilegeAvailability, len(ids))
	for i, id := range ids {
		result[i] = types.PrivilegeAvailability{PrivId: id, IsGranted: a.granted(user, entity, id)}
	}
	return result
}

// user finds who has the session; another one than the caller's may be asked for.
func (a *authorization) user(ctx *simulator.Context, session string) string {
	for _, s := range sessions(ctx) {
		if s.Key == session {
			return s.UserName
		}
	}
	return ctx.Session.UserName
}

// sessions are all that are open. The simulator lists them only on the way of a session.
func sessions(ctx *simulator.Context) []types.UserSession {
	return ctx.Session.Get(ctx.Map.SessionManager().Self).(*simulator.SessionManager).SessionList
}

func (a *authorization) HasPrivilegeOnEntities(ctx *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	user := a.user(ctx, req.SessionId)
	res := &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entity {
		res.Returnval = append(res.Returnval, types.EntityPrivilege{
			Entity: entity, PrivAvailability: a.availability(user, entity, req.PrivId),
		})
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: res}
}

func (a *authorization) HasPrivilegeOnEntity(ctx *simulator.Context, req *types.HasPrivilegeOnEntity) soap.HasFault {
	res := &types.HasPrivilegeOnEntityResponse{}
	for _, p := range a.availability(a.user(ctx, req.SessionId), req.Entity, req.PrivId) {
		res.Returnval = append(res.Returnval, p.IsGranted)
	}
	return &methods.HasPrivilegeOnEntityBody{Res: res}
}

func (a *authorization) HasUserPrivilegeOnEntities(req *types.HasUserPrivilegeOnEntities) soap.HasFault {
	res := &types.HasUserPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entities {
		res.Returnval = append(res.Returnval, types.EntityPrivilege{
			Entity: entity, PrivAvailability: a.availability(req.UserName, entity, req.PrivId),
		})
	}
	return &methods.HasUserPrivilegeOnEntitiesBody{Res: res}
}

func (a *authorization) FetchUserPrivilegeOnEntities(req *types.FetchUserPrivilegeOnEntities) soap.HasFault {
	res := &types.FetchUserPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entities {
		res.Returnval = append(res.Returnval, types.UserPrivilegeResult{
			Entity: entity, Privileges: a.privileges(req.UserName, entity),
		})
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: res}
}
