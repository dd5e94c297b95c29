// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// loads are the resources that a host and its guests use up.
var loads = []string{"cpu", "memory", "network_io", "disk_io"}

// host is a hypervisor as it is now.
type host struct {
	snapshotHost
	cluster   *cluster
	own       map[string]float64 // what no guest explains
	guests    map[string]*guest
	incoming  map[string]float64                      // guest id -> memory held for a migration that is under way
	peak      float64                                 // most memory ever held
	entering  bool                                    // a task waits for the guests to leave
	noVMotion bool                                    // no VMkernel port has vMotion enabled
	mounts    map[types.ManagedObjectReference]string // what is wrong with the mount of a datastore

	datastores, networks map[types.ManagedObjectReference]bool
}

// guest is a VM as it is now; at most one task works on it at a time.
type guest struct {
	snapshotGuest
	host *host
	task *job // what works on it now

	disks    []disk
	home     types.ManagedObjectReference        // the datastore of its files that are no disk
	homeSize int64                               // what these files take
	iso      *types.ManagedObjectReference       // the datastore of the mounted image
	hostISO  bool                                // the mounted image is one of the host itself
	state    types.VirtualMachineConnectionState // where it is not what the host's is
	partner  *guest                              // the other VM of a fault-tolerant pair
	second   bool                                // it is the secondary of the pair
	fresh    bool                                // it has just been started or has just arrived: not measured yet
	tools    string                              // of VMware Tools: "" when they run, notRunning, or deaf
	reserved int64                               // bytes of memory
	networks []types.ManagedObjectReference
	pool     types.ManagedObjectReference
}

// disk is a virtual disk by the key of its device.
type disk struct {
	key       int32
	datastore types.ManagedObjectReference
	size      int64
	used      int64 // what it takes on its datastore
	thick     bool
	io        *float64 // bytes per second
	blockers  []string
}

// cluster has the hosts and guests of one snapshot.
type cluster struct {
	id, name, datacenter string
	hosts                []*host
	described            map[string]snapshotStore // its datastores by id, where the snapshot has them
}

func (c *cluster) ref() types.ManagedObjectReference {
	return reference("ClusterComputeResource", c.id)
}

// migration is one move in the order of starting, for whoever inspects a test run.
type migration struct {
	Guest   string   `json:"guest"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	State   string   `json:"state"`
	Error   string   `json:"error,omitempty"`
	Started float64  `json:"started"`
	Ended   *float64 `json:"ended"`
}

// world is the truth that the inventory shows. Its lock is taken before any lock of the inventory.
type world struct {
	sync.Mutex
	clusters   []*cluster
	hosts      map[string]*host
	guests     map[string]*guest
	migrations []*migration
	diskMoves  []*diskMove
}

// diskMove is one move of disks in the order of starting, alone or together with a migration.
type diskMove struct {
	Guest string            `json:"guest"`
	Disks map[string]string `json:"disks"` // where each goes, by id: home for the files that are no disk
	State string            `json:"state"`
	Error string            `json:"error,omitempty"`
}

func newWorld() *world {
	return &world{hosts: map[string]*host{}, guests: map[string]*guest{}}
}

// running tells whether it holds memory: of an orphan its host knows nothing, whatever vCenter last saw.
func (g *guest) running() bool {
	return g.Power == "running" && g.state != types.VirtualMachineConnectionStateOrphaned
}

func (g *guest) ref() types.ManagedObjectReference { return reference("VirtualMachine", g.ID) }

func (h *host) ref() types.ManagedObjectReference { return reference("HostSystem", h.ID) }

func (g *guest) has(blocker string) bool {
	for _, b := range g.Blockers {
		if b == blocker {
			return true
		}
	}
	return false
}

func (g *guest) load(resource string) float64 {
	if !g.running() {
		return 0
	}
	return g.Used.of(resource)
}

func (h *host) load(resource string) float64 {
	total := h.own[resource]
	for _, g := range h.guests {
		total += g.load(resource)
	}
	return max(0, total)
}

// heldMemory counts both ends of every migration under way.
func (h *host) heldMemory() float64 {
	total := h.load("memory")
	for _, bytes := range h.incoming {
		total += bytes
	}
	return total
}

func (h *host) notePeak() {
	h.peak = max(h.peak, h.heldMemory())
}

func (h *host) connected() bool { return h.Status == "online" }

func (h *host) quarantined() bool { return h.Schedulable != nil && !*h.Schedulable && !h.noVMotion }

// place puts the guest on the host; the loads of both hosts follow.
func (g *guest) place(target *host) {
	if g.host != nil {
		delete(g.host.guests, g.ID)
	}
	g.host = target
	target.guests[g.ID] = g
	target.notePeak()
}

// record notes a migration that starts now.
func (w *world) record(g *guest, target *host) *migration {
	m := &migration{Guest: g.ID, From: g.host.ID, To: target.ID, State: "running", Started: seconds(time.Now())}
	w.migrations = append(w.migrations, m)
	return m
}

func (m *migration) end(state string, fault types.BaseMethodFault) {
	m.State, m.Ended = state, pointer(seconds(time.Now()))
	if fault != nil {
		m.Error = faultName(fault)
	}
}

func seconds(t time.Time) float64 {
	return float64(t.UnixMicro()) / 1e6
}
