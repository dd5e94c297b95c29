// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// failCall makes calls fail: with a vim fault by its name (SOAP methods only), or with an HTTP status.
type failCall struct {
	Call        string   `json:"call"`
	Object      string   `json:"object"`
	Error       any      `json:"error"`
	Message     string   `json:"message"`
	Skip        int      `json:"skip"`
	Count       *int     `json:"count"`
	Probability *float64 `json:"probability"`
}

// failMigration makes a migration fail when it is at that percentage.
type failMigration struct {
	Guest     string  `json:"guest"`
	AtPercent float64 `json:"at_percent"`
	Error     string  `json:"error"`
	Count     *int    `json:"count"`
}

// failDeletion keeps the old files after a move of disks, or the copies after one that failed.
type failDeletion struct {
	Guest string `json:"guest"`
	Count *int   `json:"count"`
}

// refusedMigration makes the check of a migration, and the migration itself, object.
type refusedMigration struct {
	Guest   string `json:"guest"`
	Host    string `json:"host"`
	Error   string `json:"error"`
	Message string `json:"message"`
}

// dropConnection closes the connection instead of answering, before or after the call was carried out.
type dropConnection struct {
	Call  string `json:"call"`
	Count *int   `json:"count"`
	When  string `json:"when"`
}

// slowCall makes a call take so much longer; a client that leaves meanwhile gets nothing done.
type slowCall struct {
	Call    string  `json:"call"`
	Seconds float64 `json:"seconds"`
}

// settings are what can be switched.
type settings struct {
	LatencySeconds   float64           `json:"latency_seconds"`
	MigrationSeconds float64           `json:"migration_seconds"`
	Seed             uint64            `json:"seed"`
	DRS              string            `json:"drs"`
	Datacenters      map[string]string `json:"datacenters"`
	ReadOnlyUser     string            `json:"read_only_user"`
	NoPermissionOn   []string          `json:"no_permission_on"`
	Hidden           []string          `json:"hidden"`
	LateCancels      bool              `json:"late_cancels"`
	FailCalls        []failCall        `json:"fail_calls"`
	SlowCalls        []slowCall        `json:"slow_calls"`
	FailMigrations   []failMigration   `json:"fail_migrations"`
	DropConnections  []dropConnection  `json:"drop_connection"`

	FailDeletions    []failDeletion      `json:"fail_deletions"`
	StaleSpace       bool                `json:"stale_space"`
	StorageDRS       map[string]string   `json:"storage_drs"`
	StoragePolicies  []storagePolicy     `json:"storage_policies"`
	RefuseMigrations []refusedMigration  `json:"refuse_migrations"`
	NoStatistics     []string            `json:"no_statistics"`
	Unreadable       map[string][]string `json:"unreadable"`
	ClockSkew        float64             `json:"clock_skew_seconds"`
	StandaloneHosts  []string            `json:"standalone_hosts"`
	ESXi             bool                `json:"esxi"`
}

// merged are the settings with those replaced, each as a whole, that the JSON object names.
func (s settings) merged(given map[string]json.RawMessage) (settings, error) {
	for name, value := range given {
		if err := s.replace(name, value); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	if s.DRS == "" {
		s.DRS = "manual"
	}
	return s, s.complete()
}

func (s *settings) replace(name string, value json.RawMessage) error {
	switch name {
	case "latency_seconds":
		return decodeNew(value, &s.LatencySeconds)
	case "migration_seconds":
		return decodeNew(value, &s.MigrationSeconds)
	case "seed":
		return decodeNew(value, &s.Seed)
	case "drs":
		return decodeNew(value, &s.DRS)
	case "datacenters":
		return decodeNew(value, &s.Datacenters)
	case "read_only_user":
		return decodeNew(value, &s.ReadOnlyUser)
	case "no_permission_on":
		return decodeNew(value, &s.NoPermissionOn)
	case "hidden":
		return decodeNew(value, &s.Hidden)
	case "late_cancels":
		return decodeNew(value, &s.LateCancels)
	case "fail_calls":
		return decodeNew(value, &s.FailCalls)
	case "slow_calls":
		return decodeNew(value, &s.SlowCalls)
	case "fail_migrations":
		return decodeNew(value, &s.FailMigrations)
	case "stale_space":
		return decodeNew(value, &s.StaleSpace)
	case "fail_deletions":
		return decodeNew(value, &s.FailDeletions)
	case "storage_policies":
		return decodeNew(value, &s.StoragePolicies)
	case "storage_drs":
		return decodeNew(value, &s.StorageDRS)
	case "drop_connection":
		return decodeNew(value, &s.DropConnections)
	case "refuse_migrations":
		return decodeNew(value, &s.RefuseMigrations)
	case "no_statistics":
		return decodeNew(value, &s.NoStatistics)
	case "unreadable":
		return decodeNew(value, &s.Unreadable)
	case "clock_skew_seconds":
		return decodeNew(value, &s.ClockSkew)
	case "standalone_hosts":
		return decodeNew(value, &s.StandaloneHosts)
	case "esxi":
		return decodeNew(value, &s.ESXi)
	}
	return fmt.Errorf("there is no such switch")
}

// decodeNew does not decode into the old value, whose lists it would write over in place.
func decodeNew[T any](data []byte, field *T) error {
	var fresh T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&fresh); err != nil {
		return err
	}
	*field = fresh
	return nil
}

// complete fills in what was left out and refuses what cannot be.
func (s *settings) complete() error {
	for i := range s.FailCalls {
		f := &s.FailCalls[i]
		if f.Error == nil {
			f.Error = 500.0
		}
		_, status := f.Error.(float64)
		name, _ := f.Error.(string)
		if strings.Contains(f.Call, "/") && !status {
			return fmt.Errorf("fail_calls[%d].error: %v is not an HTTP status", i, f.Error)
		}
		if _, err := newFault(name, types.ManagedObjectReference{}); !status && err != nil {
			return fmt.Errorf("fail_calls[%d].error: %w", i, err)
		}
	}
	for i := range s.FailMigrations {
		f := &s.FailMigrations[i]
		if f.Guest == "" {
			f.Guest = "*"
		}
		if f.Error == "" {
			f.Error = "MigrationFault"
		}
		if _, err := newFault(f.Error, types.ManagedObjectReference{}); err != nil && !f.pretends() {
			return fmt.Errorf("fail_migrations[%d].error: %w", i, err)
		}
	}
	for i, p := range s.StoragePolicies {
		if _, err := newFault(p.Fault, types.ManagedObjectReference{}); p.Fault != "" && err != nil {
			return fmt.Errorf("storage_policies[%d].fault: %w", i, err)
		}
	}
	for pod, mode := range s.StorageDRS {
		if !contains([]string{"disabled", "manual", "automated"}, mode) {
			return fmt.Errorf("storage_drs: %q of %q is not disabled, manual or automated", mode, pod)
		}
	}
	for i := range s.RefuseMigrations {
		r := &s.RefuseMigrations[i]
		if r.Error == "" {
			r.Error = "MigrationFault"
		}
		if _, err := newFault(r.Error, types.ManagedObjectReference{}); err != nil {
			return fmt.Errorf("refuse_migrations[%d].error: %w", i, err)
		}
	}
	for i := range s.DropConnections {
		d := &s.DropConnections[i]
		if d.Count == nil {
			d.Count = pointer(1)
		}
		if d.When == "" {
			d.When = "before"
		}
		if d.When != "before" && d.When != "after" {
			return fmt.Errorf("drop_connection[%d].when: %q is neither before nor after", i, d.When)
		}
	}
	return checkDRS(s.DRS)
}

func (f *failCall) fault(object types.ManagedObjectReference) types.BaseMethodFault {
	return knownFault(f.Error.(string), object)
}

// pretends tells whether the task is to end well although the VM stays where it was.
func (f *failMigration) pretends() bool { return f != nil && f.Error == "OK" }

func (f *failMigration) fault(object types.ManagedObjectReference) types.BaseMethodFault {
	if f.pretends() {
		return nil
	}
	return knownFault(f.Error, object)
}

// knownFault makes a fault whose name was checked when the switches were set.
func knownFault(name string, object types.ManagedObjectReference) types.BaseMethodFault {
	fault, err := newFault(name, object)
	if err != nil {
		panic(err)
	}
	return fault
}
