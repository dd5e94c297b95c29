// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"path"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// browser tells which files are on a datastore, and how much is free.
type browser struct {
	service
	*state
}

func (b *browser) SearchDatastoreTask(ctx *simulator.Context, req *types.SearchDatastore_Task) soap.HasFault {
	body := new(methods.SearchDatastore_TaskBody)
	b.world.Lock()
	defer b.world.Unlock()
	for _, s := range b.inventory.stores {
		ds := b.inventory.registry.Get(s.ref).(*simulator.Datastore)
		prefix := "[" + s.name + "] "
		if ds.Browser != req.This || !strings.HasPrefix(req.DatastorePath, prefix) {
			continue
		}
		folder := strings.Trim(strings.TrimPrefix(req.DatastorePath, prefix), "/")
		names := b.inventory.filesIn(b.world, s, folder)
		var patterns []string
		if req.SearchSpec != nil {
			patterns = req.SearchSpec.MatchPattern
		}
		task := b.inventory.startJob(ctx, "SearchDatastore_Task", s.ref, s.name, func(*job) (types.AnyType, types.BaseMethodFault) {
			if len(names) == 0 {
				fault := &types.FileNotFound{FileFault: types.FileFault{File: req.DatastorePath}}
				return nil, explained(fault, "File %s was not found", req.DatastorePath)
			}
			result := types.HostDatastoreBrowserSearchResults{Datastore: pointer(s.ref), FolderPath: prefix + folder + "/"}
			for _, name := range names {
				if len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) }) {
					result.File = append(result.File, &types.FileInfo{Path: name})
				}
			}
			return result, nil
		})
		body.Res = &types.SearchDatastore_TaskResponse{Returnval: task.ref()}
		return body
	}
	fault := &types.InvalidDatastorePath{DatastorePath: req.DatastorePath}
	body.Fault_ = simulator.Fault("Invalid datastore path '"+req.DatastorePath+"'.", fault)
	return body
}

// RefreshDatastore shows what is free now.
func (b *browser) RefreshDatastore(req *types.RefreshDatastore) soap.HasFault {
	b.world.Lock()
	defer b.world.Unlock()
	if s := b.inventory.stores[req.This]; s != nil {
		b.inventory.showStore(s)
		return &methods.RefreshDatastoreBody{Res: new(types.RefreshDatastoreResponse)}
	}
	return &methods.RefreshDatastoreBody{Fault_: notFound(req.This)}
}

// filesIn are the names of the files in a folder. The world's lock is held.
func (inv *inventory) filesIn(w *world, s *store, folder string) []string {
	var names []string
	note := func(file string) {
		if path.Dir(file) == folder {
			names = append(names, path.Base(file))
		}
	}
	for file := range s.leftovers {
		note(file)
	}
	for _, g := range w.guests {
		for _, f := range g.files() {
			if f.datastore == s.ref {
				note(f.path)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
