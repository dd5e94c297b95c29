// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// job is a task that takes time. The simulator's own Task cannot be used: it holds the lock of its
// entity until it ends, so that reads of a migrating VM would wait, and a cancelled one still succeeds.
type job struct {
	registry  *simulator.Registry
	clock     func() time.Time
	cancelled chan struct{}

	mu   sync.Mutex
	info types.TaskInfo
}

// taskView is what clients read of a job. Every change puts a new one in the registry instead of
// writing to the old, so that reading needs no lock.
type taskView struct {
	mo.Task
	unlocked

	job *job
}

var taskNumber atomic.Int64

// unlocked opts out of the registry's locking.
type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}

// startJob runs work beside the caller and returns the task to watch it by. The world's lock is held.
func (inv *inventory) startJob(ctx *simulator.Context, name string, entity types.ManagedObjectReference, entityName string,
	work func(*job) (types.AnyType, types.BaseMethodFault)) *job {
	key := fmt.Sprintf("task-%d", taskNumber.Add(1))
	now := inv.clock()
	j := &job{registry: ctx.Map, clock: inv.clock, cancelled: make(chan struct{})}
	j.info = types.TaskInfo{
		Key: key, Task: reference("Task", key), Name: name, DescriptionId: entity.Type + "." + name,
		Entity: &entity, EntityName: entityName, State: types.TaskInfoStateRunning, Cancelable: true,
		QueueTime: now, StartTime: &now, Reason: &types.TaskReasonUser{UserName: ctx.Session.UserName},
	}
	j.publish()
	inv.showTask(entity, j.ref())
	go func() {
		result, fault := work(j)
		j.finish(result, fault)
	}()
	return j
}

func (j *job) ref() types.ManagedObjectReference { return reference("Task", j.info.Key) }

// publish is called with the job's lock held or before anybody else knows the job.
func (j *job) publish(changes ...types.PropertyChange) {
	view := &taskView{job: j}
	view.Self, view.Info = j.ref(), j.info
	j.registry.Put(view)
	if len(changes) > 0 {
		// Update writes to what it is given before it tells the listeners.
		told := &taskView{job: j}
		told.Self, told.Info = view.Self, j.info
		j.registry.Update(&simulator.Context{Map: j.registry}, told, changes)
	}
}

func (j *job) progress(percent int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.info.Progress = percent
	j.publish(types.PropertyChange{Name: "info.progress", Val: percent})
}

func (j *job) finish(result types.AnyType, fault types.BaseMethodFault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.clock()
	j.info.CompleteTime, j.info.Cancelable = &now, false
	if fault != nil {
		j.info.State = types.TaskInfoStateError
		j.info.Error = localized(fault)
	} else {
		j.info.State, j.info.Error, j.info.Result, j.info.Progress = types.TaskInfoStateSuccess, nil, result, 100
	}
	changes := []types.PropertyChange{
		{Name: "info.completeTime", Val: now}, {Name: "info.state", Val: j.info.State},
	}
	if fault != nil {
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: *j.info.Error})
	}
	if result != nil {
		changes = append(changes, types.PropertyChange{Name: "info.result", Val: result})
	}
	j.publish(changes...)
}

// seemCancelled shows a job as cancelled that goes on all the same.
func (j *job) seemCancelled() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.info.State, j.info.Error = types.TaskInfoStateError, localized(new(types.RequestCanceled))
	j.publish(types.PropertyChange{Name: "info.state", Val: j.info.State}, types.PropertyChange{Name: "info.error", Val: *j.info.Error})
}

// CancelTask asks the job to stop; it ends in error RequestCanceled unless it was done before it heard.
func (v *taskView) CancelTask(_ *simulator.Context, _ *types.CancelTask) soap.HasFault {
	j := v.job
	j.mu.Lock()
	defer j.mu.Unlock()
	body := new(methods.CancelTaskBody)
	if j.info.CompleteTime != nil {
		body.Fault_ = simulator.Fault("The task is complete already", new(types.InvalidState))
		return body
	}
	if !j.info.Cancelled {
		j.info.Cancelled = true
		close(j.cancelled)
		j.publish(types.PropertyChange{Name: "info.cancelled", Val: true})
	}
	body.Res = new(types.CancelTaskResponse)
	return body
}

func (j *job) entity() types.ManagedObjectReference { return *j.info.Entity }
