// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// failCall makes calls fail: SOAP methods by name with a vim fault, REST calls ("GET /path") with a status.
type failCall struct {
	Call        string   `json:"call"`
	Object      string   `json:"object"`
	Error       any      `json:"error"`
	Message     string   `json:"message"`
	Skip        int      `json:"skip"`
	Count       *int     `json:"count"`
	Probability *float64 `json:"probability"`
}

type failMigration struct {
	Guest     string `json:"guest"`
	AtPercent int    `json:"at_percent"`
	Error     string `json:"error"`
	Count     *int   `json:"count"`
}

type dropConnection struct {
	Call  string `json:"call"`
	Count *int   `json:"count"`
}

// settings are what can be switched; a setting that is given again replaces the old one.
type settings struct {
	LatencySeconds   float64           `json:"latency_seconds"`
	MigrationSeconds float64           `json:"migration_seconds"`
	Seed             uint64            `json:"seed"`
	DRS              string            `json:"drs"`
	Datacenters      map[string]string `json:"datacenters"`
	ReadOnlyUser     string            `json:"read_only_user"`
	NoPermissionOn   []string          `json:"no_permission_on"`
	FailCalls        []failCall        `json:"fail_calls"`
	FailMigrations   []failMigration   `json:"fail_migrations"`
	DropConnections  []dropConnection  `json:"drop_connection"`
}

// switches are the settings and what is left of their counts.
type switches struct {
	mu sync.Mutex
	settings
	random *rand.Rand
}

func newSwitches(migrationSeconds float64) *switches {
	s := &switches{settings: settings{MigrationSeconds: migrationSeconds, DRS: "manual"}}
	s.random = rand.New(rand.NewPCG(s.Seed, 0))
	return s
}

func (s *switches) read(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := s.merge(bytes.NewReader(data)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// merge takes over the settings that the JSON names, or none when one of them is wrong.
func (s *switches) merge(data io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := map[string]json.RawMessage{}
	if err := json.NewDecoder(data).Decode(&given); err != nil {
		return err
	}
	next := s.settings
	for name, value := range given {
		if err := next.set(name, value); err != nil {
			return err
		}
	}
	if err := next.check(); err != nil {
		return err
	}
	if _, ok := given["seed"]; ok {
		s.random = rand.New(rand.NewPCG(next.Seed, 0))
	}
	s.settings = next
	return nil
}

// set replaces one setting as a whole, so that nothing of an old list shines through.
func (s *settings) set(name string, value json.RawMessage) error {
	fields := map[string]any{
		"latency_seconds": &s.LatencySeconds, "migration_seconds": &s.MigrationSeconds, "seed": &s.Seed,
		"drs": &s.DRS, "datacenters": &s.Datacenters, "read_only_user": &s.ReadOnlyUser,
		"no_permission_on": &s.NoPermissionOn, "fail_calls": &s.FailCalls,
		"fail_migrations": &s.FailMigrations, "drop_connection": &s.DropConnections,
	}
	field, ok := fields[name]
	if !ok {
		return fmt.Errorf("switch %q is not known", name)
	}
	switch name {
	case "datacenters":
		s.Datacenters = nil
	case "no_permission_on":
		s.NoPermissionOn = nil
	case "fail_calls":
		s.FailCalls = nil
	case "fail_migrations":
		s.FailMigrations = nil
	case "drop_connection":
		s.DropConnections = nil
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(field); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s *settings) check() error {
	for i, f := range s.FailCalls {
		if name, ok := f.Error.(string); ok {
			if _, err := newFault(name, types.ManagedObjectReference{}); err != nil {
				return fmt.Errorf("fail_calls[%d].error: %w", i, err)
			}
		} else if _, ok := f.Error.(float64); !ok {
			return fmt.Errorf("fail_calls[%d].error: expected the name of a fault or an HTTP status", i)
		}
	}
	for i, f := range s.FailMigrations {
		if _, err := newFault(f.Error, types.ManagedObjectReference{}); err != nil {
			return fmt.Errorf("fail_migrations[%d].error: %w", i, err)
		}
	}
	return checkDRS(s.DRS)
}

func (s *switches) latency() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.LatencySeconds * float64(time.Second))
}

func (s *switches) migrationTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.MigrationSeconds * float64(time.Second))
}

func (s *switches) drs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.DRS
}

// forbidden tells whether the user may not change the object.
func (s *switches) forbidden(user, object string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return user == s.ReadOnlyUser && user != "" || contains(s.NoPermissionOn, object) || contains(s.NoPermissionOn, "*")
}

func (s *switches) readOnlyUser() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ReadOnlyUser
}

// failureOfCall is the rule that makes this call fail, if there is one.
func (s *switches) failureOfCall(call, object string) *failCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.FailCalls {
		f := &s.FailCalls[i]
		if !matches(f.Call, call) || f.Object != "" && f.Object != object {
			continue
		}
		if f.Probability != nil && s.random.Float64() >= *f.Probability {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if taken(&f.Count) {
			found := *f
			return &found
		}
	}
	return nil
}

func (s *switches) failureOf(guest string) *failMigration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.FailMigrations {
		f := &s.FailMigrations[i]
		if (f.Guest == "*" || f.Guest == guest) && taken(&f.Count) {
			found := *f
			return &found
		}
	}
	return nil
}

func (s *switches) drops(call string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.DropConnections {
		if d := &s.DropConnections[i]; matches(d.Call, call) && taken(&d.Count) {
			return true
		}
	}
	return false
}

// taken uses up one of a count; without a count there is no end.
func taken(count **int) bool {
	if *count == nil {
		return true
	}
	if **count <= 0 {
		return false
	}
	*count = pointer(**count - 1)
	return true
}

// matches takes * for any text without a slash.
func matches(pattern, call string) bool {
	ok, err := path.Match(pattern, call)
	return ok && err == nil || pattern == "*"
}

func (f *failMigration) fault(object types.ManagedObjectReference) types.BaseMethodFault {
	fault, err := newFault(f.Error, object)
	if err != nil {
		panic(err) // names are checked when switches are set
	}
	return fault
}

// datacenterOf is where the cluster belongs, by its id.
func (s *switches) datacenterOf(cluster string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name := s.Datacenters[cluster]; name != "" {
		return name
	}
	return "dc0"
}
