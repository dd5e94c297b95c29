// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const snapshotSchema = "evenkeel.cluster/snapshot/2"

// readableSchemas are those that it is served from; the first knows datastores only as hosts see them.
var readableSchemas = []string{"evenkeel.cluster/snapshot/1", snapshotSchema}

// amounts holds quantities by resource; a nil value was not reported.
type amounts map[string]*float64

func (a amounts) of(resource string) float64 {
	if v := a[resource]; v != nil {
		return *v
	}
	return 0
}

type snapshotDatastore struct {
	Shared   bool   `json:"shared"`
	Capacity *int64 `json:"capacity"`
	Free     *int64 `json:"free"`

	ClosedBecause string `json:"closed_because"`
}

type snapshotHost struct {
	ID          string                       `json:"id"`
	Name        string                       `json:"name"`
	Status      string                       `json:"status"`
	Maintenance bool                         `json:"maintenance"`
	Schedulable *bool                        `json:"schedulable"`
	Capacity    amounts                      `json:"capacity"`
	Used        amounts                      `json:"used"`
	Pressure    amounts                      `json:"pressure"`
	Version     string                       `json:"version"`
	CPUModel    string                       `json:"cpu_model"`
	Address     string                       `json:"address"`
	Datastores  map[string]snapshotDatastore `json:"datastores"`
	Networks    []string                     `json:"networks"`

	ClosedBecause string            `json:"closed_because"`
	CPUFeatures   []string          `json:"cpu_features"`
	Labels        map[string]string `json:"labels"` // by category, the names of tags, joined by commas
}

// snapshotStore is a datastore as a thing of its own, which schema 2 has.
type snapshotStore struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Capacity      *int64   `json:"capacity"`
	Free          *int64   `json:"free"`
	Provisioned   *int64   `json:"provisioned"`
	Latency       *float64 `json:"latency"`
	IOPS          *float64 `json:"iops"`
	DiskIO        *float64 `json:"disk_io"`
	Cluster       string   `json:"cluster"`
	Tags          []string `json:"tags"`
	Maintenance   bool     `json:"maintenance"`
	ClosedBecause string   `json:"closed_because"`
	BalancedBy    string   `json:"balanced_by"`
}

// homeDisk is the id under which a snapshot has the files of a VM that are no disk.
const homeDisk = "home"

type snapshotDisk struct {
	ID        string   `json:"id"`
	Datastore string   `json:"datastore"`
	Size      *int64   `json:"size"`
	Used      *int64   `json:"used"`
	Thin      *bool    `json:"thin"`
	DiskIO    *float64 `json:"disk_io"`
	Blockers  []string `json:"blockers"`

	StoragePolicy string   `json:"storage_policy"`
	Targets       []string `json:"targets"` // ids of the datastores that comply with the policy; null for all
}

type snapshotGuest struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Host      string         `json:"host"`
	Power     string         `json:"power"`
	Assigned  amounts        `json:"assigned"`
	Used      amounts        `json:"used"`
	Pressure  amounts        `json:"pressure"`
	Disks     []snapshotDisk `json:"disks"`
	Networks  []string       `json:"networks"`
	Tags      []string       `json:"tags"`
	Pool      string         `json:"pool"`
	Blockers  []string       `json:"blockers"`
	CPUModels []string       `json:"cpu_models"`

	PlatformManaged bool     `json:"platform_managed"`
	CPUFeatures     []string `json:"cpu_features"`

	LastMigratedAt *time.Time `json:"last_migrated_at"`
	LastFailedAt   *time.Time `json:"last_failed_at"`
}

type snapshotRule struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Guests []string `json:"guests"`
	Hosts  []string `json:"hosts"`
	Strict bool     `json:"strict"`
	Source string   `json:"source"`
}

type snapshotStorageRule struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Guests []string `json:"guests"`
	Disks  []string `json:"disks"`
}

// snapshot is the part of a cluster snapshot that vSphere can express.
type snapshot struct {
	Schema  string `json:"schema"`
	Cluster struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"cluster"`
	Hosts  []snapshotHost  `json:"hosts"`
	Guests []snapshotGuest `json:"guests"`
	Rules  []snapshotRule  `json:"rules"`

	Datastores   []snapshotStore       `json:"datastores"`
	StorageRules []snapshotStorageRule `json:"storage_rules"`
}

func readSnapshot(file string) (*snapshot, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := new(snapshot)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func (s *snapshot) check() error {
	if !contains(readableSchemas, s.Schema) {
		return fmt.Errorf("schema is %q, expected %q", s.Schema, snapshotSchema)
	}
	if s.Cluster.ID == "" || s.Cluster.Name == "" {
		return fmt.Errorf("cluster.id and cluster.name must not be empty")
	}
	hosts := map[string]bool{}
	for i, h := range s.Hosts {
		if h.ID == "" || h.Name == "" || hosts[h.ID] {
			return fmt.Errorf("hosts[%d]: id %q and name %q must not be empty, and the id unique", i, h.ID, h.Name)
		}
		hosts[h.ID] = true
	}
	guests := map[string]bool{}
	for i, g := range s.Guests {
		if g.ID == "" || g.Name == "" || guests[g.ID] {
			return fmt.Errorf("guests[%d]: id %q and name %q must not be empty, and the id unique", i, g.ID, g.Name)
		}
		if !hosts[g.Host] {
			return fmt.Errorf("guests[%d].host: %q is not the id of a host", i, g.Host)
		}
		guests[g.ID] = true
	}
	for i, r := range s.StorageRules {
		for _, id := range r.Guests {
			if !guests[id] {
				return fmt.Errorf("storage_rules[%d].guests: %q is not the id of a guest", i, id)
			}
		}
	}
	for i, r := range s.Rules {
		for _, id := range r.Guests {
			if !guests[id] {
				return fmt.Errorf("rules[%d].guests: %q is not the id of a guest", i, id)
			}
		}
		for _, id := range r.Hosts {
			if !hosts[id] {
				return fmt.Errorf("rules[%d].hosts: %q is not the id of a host", i, id)
			}
		}
	}
	return nil
}
