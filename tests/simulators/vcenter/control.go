// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// counter counts calls by name.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) add(name string) {
	c.mu.Lock()
	c.counts[name]++
	c.mu.Unlock()
}

func (c *counter) snapshot() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	result := make(map[string]int, len(c.counts))
	for name, count := range c.counts {
		result[name] = count
	}
	return result
}

// control is the path by which a test looks behind the API and acts behind the client's back.
type control struct {
	*state
	tags tagging
}

func (c *control) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/state", func(w http.ResponseWriter, _ *http.Request) { reply(w, c.report(), nil) })
	mux.HandleFunc("POST /_sim/switches", func(w http.ResponseWriter, r *http.Request) {
		err := c.switches.merge(r.Body)
		if err == nil {
			c.applyDRS()
		}
		reply(w, map[string]any{}, err)
	})
	mux.HandleFunc("POST /_sim/sessions/expire", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"expired": c.expireSessions()}, nil)
	})
	mux.HandleFunc("POST /_sim/guest", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{}, c.changeGuest(r))
	})
	mux.HandleFunc("POST /_sim/host", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{}, c.changeHost(r))
	})
	mux.HandleFunc("POST /_sim/storage", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{}, c.changeDatastore(r))
	})
	return mux
}

func reply(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		value = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(value)
}

func (c *control) report() map[string]any {
	c.world.Lock()
	defer c.world.Unlock()
	guests, hosts, peaks := map[string]any{}, map[string]any{}, map[string]any{}
	for id, g := range c.world.guests {
		guests[id] = map[string]any{"host": g.host.ID, "power": g.Power, "disks": c.inventory.reportDisks(g)}
	}
	for id, h := range c.world.hosts {
		used := map[string]float64{}
		for _, resource := range loads {
			used[resource] = h.load(resource)
		}
		hosts[id] = map[string]any{"maintenance": h.Maintenance, "status": h.Status, "used": used}
		peaks[id] = map[string]any{"memory": h.peak}
	}
	migrations := make([]migration, len(c.world.migrations))
	for i, m := range c.world.migrations {
		migrations[i] = *m
	}
	moves := make([]diskMove, len(c.world.diskMoves))
	for i, m := range c.world.diskMoves {
		moves[i] = *m
	}
	return map[string]any{
		"datastores": c.inventory.reportStores(), "disk_moves": moves,
		"guests": guests, "hosts": hosts, "peak": peaks, "migrations": migrations, "calls": c.calls.snapshot(),
	}
}

func (c *control) applyDRS() {
	mode := c.switches.drs()
	c.world.Lock()
	defer c.world.Unlock()
	for _, cluster := range c.world.clusters {
		c.inventory.edit(cluster.ref(), func(object mo.Reference) {
			setDRS(object.(*simulator.ClusterComputeResource).ConfigurationEx.(*types.ClusterConfigInfoEx), mode)
		})
	}
}

func (c *control) expireSessions() int {
	registry := c.inventory.registry
	ctx := &simulator.Context{
		Context: context.Background(), Map: registry,
		Session: &simulator.Session{Registry: simulator.NewRegistry(), Map: registry},
	}
	open := sessions(ctx)
	for _, s := range open {
		registry.SessionManager().TerminateSession(ctx, &types.TerminateSession{SessionId: []string{s.Key}})
	}
	c.tags.expire()
	return len(open)
}

// changeGuest is a person or HA at work: power, load or place of a guest change without a task.
func (c *control) changeGuest(r *http.Request) error {
	var given struct {
		ID    string  `json:"id"`
		Used  amounts `json:"used"`
		Power *string `json:"power"`
		Host  *string `json:"host"`

		State    *string `json:"state"`
		Measured *bool   `json:"measured"`
		Tools    *string `json:"tools"`
		Image    *string `json:"iso"`
		Reserved *int64  `json:"reserved_memory"`

		Busy float64 `json:"busy_seconds"`
	}
	if err := decode(r, &given); err != nil {
		return err
	}
	// Moved behind the client's back: DRS has done it.
	var moved types.BaseEvent
	defer func() {
		if moved != nil {
			c.inventory.tell(moved)
		}
	}()
	c.world.Lock()
	defer c.world.Unlock()
	g := c.world.guests[given.ID]
	if g == nil {
		return fmt.Errorf("id: there is no guest %q", given.ID)
	}
	if given.Busy > 0 {
		if g.task != nil {
			return fmt.Errorf("busy_seconds: guest %q is busy already", given.ID)
		}
		c.occupy(g, time.Duration(given.Busy*float64(time.Second)))
	}
	from := g.host
	if given.Host != nil {
		target := c.world.hosts[*given.Host]
		if target == nil || target.cluster != g.host.cluster {
			return fmt.Errorf("host: there is no host %q in the cluster of guest %q", *given.Host, given.ID)
		}
		if g.task != nil {
			return fmt.Errorf("host: guest %q is being migrated", given.ID)
		}
		g.place(target)
	}
	if given.Used != nil {
		// another goroutine may be reading the old one
		next := amounts{}
		for resource, amount := range g.Used {
			next[resource] = amount
		}
		for resource, amount := range given.Used {
			next[resource] = amount
		}
		g.Used = next
	}
	if given.Power != nil {
		g.Power = *given.Power
	}
	if given.State != nil {
		g.state = types.VirtualMachineConnectionState(*given.State)
	}
	if given.Measured != nil {
		g.fresh = !*given.Measured
	}
	if given.Tools != nil {
		g.tools = *given.Tools
	}
	if given.Image != nil {
		if err := c.inventory.mountImage(g, *given.Image); err != nil {
			return err
		}
	}
	if given.Reserved != nil {
		g.reserved = *given.Reserved
		c.inventory.showReservation(g)
	}
	g.host.notePeak()
	if g.host != from {
		c.inventory.showMove(g, from)
		moved = migratedByDRS(g, from, g.host)
		return nil
	}
	c.inventory.showGuest(g)
	c.inventory.showHost(g.host)
	return nil
}

// occupy keeps a guest busy with somebody's task. The world's lock is held.
func (c *control) occupy(g *guest, duration time.Duration) {
	registry := c.inventory.registry
	ctx := &simulator.Context{
		Context: context.Background(), Map: registry,
		Session: &simulator.Session{Registry: simulator.NewRegistry(), Map: registry},
	}
	g.task = c.inventory.startJob(ctx, "CreateSnapshot_Task", g.ref(), g.Name, func(*job) (types.AnyType, types.BaseMethodFault) {
		time.Sleep(duration)
		c.world.Lock()
		defer c.world.Unlock()
		g.task = nil
		return nil, nil
	})
}

func (c *control) changeHost(r *http.Request) error {
	var given struct {
		ID          string  `json:"id"`
		Maintenance *bool   `json:"maintenance"`
		Status      *string `json:"status"`
		VMotion     *bool   `json:"vmotion"`

		Datastores map[string]string `json:"datastores"`
	}
	if err := decode(r, &given); err != nil {
		return err
	}
	c.world.Lock()
	defer c.world.Unlock()
	h := c.world.hosts[given.ID]
	if h == nil {
		return fmt.Errorf("id: there is no host %q", given.ID)
	}
	if given.Status != nil {
		if !contains([]string{"online", "offline", "unknown"}, *given.Status) {
			return fmt.Errorf("status: %q is not online, offline or unknown", *given.Status)
		}
		h.Status = *given.Status
	}
	if given.VMotion != nil {
		h.noVMotion = !*given.VMotion
	}
	for name, state := range given.Datastores {
		if err := c.inventory.setDatastore(h, name, state); err != nil {
			return err
		}
	}
	if given.Maintenance != nil {
		h.Maintenance = *given.Maintenance
	}
	c.inventory.showHost(h)
	c.inventory.summarize(h.cluster)
	for _, g := range h.guests {
		c.inventory.showGuest(g)
	}
	return nil
}

func (c *control) changeDatastore(r *http.Request) error {
	var given storeChange
	if err := decode(r, &given); err != nil {
		return err
	}
	c.world.Lock()
	defer c.world.Unlock()
	return c.inventory.changeStore(given)
}

func decode(r *http.Request, value any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(value)
}
