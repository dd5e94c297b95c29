// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// checker tells what a migration would meet, without doing it.
type checker struct {
	service
	*state
}

func (c *checker) CheckRelocateTask(ctx *simulator.Context, req *types.CheckRelocate_Task) soap.HasFault {
	task, fault := c.check(ctx, "CheckRelocate_Task", req.Vm, req.Spec)
	if fault != nil {
		return &methods.CheckRelocate_TaskBody{Fault_: fault}
	}
	return &methods.CheckRelocate_TaskBody{Res: &types.CheckRelocate_TaskResponse{Returnval: task}}
}

func (c *checker) CheckMigrateTask(ctx *simulator.Context, req *types.CheckMigrate_Task) soap.HasFault {
	task, fault := c.check(ctx, "CheckMigrate_Task", req.Vm,
		types.VirtualMachineRelocateSpec{Host: req.Host, Pool: req.Pool})
	if fault != nil {
		return &methods.CheckMigrate_TaskBody{Fault_: fault}
	}
	return &methods.CheckMigrate_TaskBody{Res: &types.CheckMigrate_TaskResponse{Returnval: task}}
}

// check shows the VM as the entity of the task, as vCenter does: pyVmomi cannot read a task about a checker.
func (c *checker) check(ctx *simulator.Context, name string, ref types.ManagedObjectReference,
	spec types.VirtualMachineRelocateSpec) (types.ManagedObjectReference, *soap.Fault) {
	c.world.Lock()
	defer c.world.Unlock()
	g := c.world.guests[ref.Value]
	if g == nil {
		return ref, notFound(ref)
	}
	t, fault := c.relocation(g, spec)
	if fault != nil {
		return ref, simulator.Fault(localized(fault).LocalizedMessage, fault)
	}
	result := types.CheckResult{Vm: pointer(g.ref()), Host: pointer(t.host.ref())}
	for _, obstacle := range c.inventory.obstacles(g, t) {
		result.Error = append(result.Error, *localized(obstacle))
	}
	results := types.ArrayOfCheckResult{CheckResult: []types.CheckResult{result}}
	task := c.inventory.startJob(ctx, name, g.ref(), g.Name, func(*job) (types.AnyType, types.BaseMethodFault) { return results, nil })
	return task.ref(), nil
}
