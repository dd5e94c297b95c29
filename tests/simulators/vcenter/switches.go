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
	"regexp"
	"strings"
	"sync"
	"time"
)

// switches are the settings in force and what is left of their counts.
type switches struct {
	mu       sync.Mutex
	settings settings
	random   *rand.Rand
}

func newSwitches(migrationSeconds float64) *switches {
	return &switches{
		settings: settings{MigrationSeconds: migrationSeconds, DRS: "manual"}, random: rand.New(rand.NewPCG(0, 0)),
	}
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
	given := map[string]json.RawMessage{}
	if err := json.NewDecoder(data).Decode(&given); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.settings.merged(given)
	if err != nil {
		return err
	}
	if _, ok := given["seed"]; ok {
		s.random = rand.New(rand.NewPCG(next.Seed, 0))
	}
	s.settings = next
	return nil
}

// now are the settings in force; their lists are not written to except by counting.
func (s *switches) now() settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// latency is how much longer the call takes.
func (s *switches) latency(call string) time.Duration {
	now := s.now()
	seconds := now.LatencySeconds
	for _, slow := range now.SlowCalls {
		if matches(slow.Call, call) {
			seconds += slow.Seconds
		}
	}
	return time.Duration(seconds * float64(time.Second))
}

func (s *switches) migrationTime() time.Duration {
	return time.Duration(s.now().MigrationSeconds * float64(time.Second))
}

// refusalsOf are what is to speak against migrating the guest to the host.
func (s *switches) refusalsOf(guest, host string) []refusedMigration {
	var found []refusedMigration
	for _, r := range s.now().RefuseMigrations {
		if (r.Guest == "" || matches(r.Guest, guest)) && (r.Host == "" || matches(r.Host, host)) {
			found = append(found, r)
		}
	}
	return found
}

func (s *switches) withoutStatistics(object string) bool {
	return contains(s.now().NoStatistics, object) || contains(s.now().NoStatistics, "*")
}

// clock is vCenter's time, which may be another than this machine's.
func (s *switches) clock() time.Time {
	return time.Now().Add(time.Duration(s.now().ClockSkew * float64(time.Second)))
}

func (s *switches) drs() string { return s.now().DRS }

func (s *switches) lateCancels() bool { return s.now().LateCancels }

func (s *switches) readOnlyUser() string { return s.now().ReadOnlyUser }

// hides tells whether the object is out of sight.
func (s *switches) hides(object string) bool { return contains(s.now().Hidden, object) }

// forbidden tells whether the user may not change the object.
func (s *switches) forbidden(user, object string) bool {
	now := s.now()
	return user != "" && user == now.ReadOnlyUser || contains(now.NoPermissionOn, object) || contains(now.NoPermissionOn, "*")
}

// datacenterOf is where the cluster belongs, by its id.
func (s *switches) datacenterOf(cluster string) string {
	if name := s.now().Datacenters[cluster]; name != "" {
		return name
	}
	return "dc0"
}

// failureOfSOAP is the rule that answers this method with a fault.
func (s *switches) failureOfSOAP(method, object string) *failCall {
	return s.failure(func(f *failCall) bool {
		_, named := f.Error.(string)
		return named && matches(f.Call, method) && (f.Object == "" || f.Object == object)
	})
}

// statusOfCall is the HTTP status that the call is answered with, 0 for none.
func (s *switches) statusOfCall(call string) (int, string) {
	f := s.failure(func(f *failCall) bool {
		_, named := f.Error.(string)
		return !named && matches(f.Call, call)
	})
	if f == nil {
		return 0, ""
	}
	return int(f.Error.(float64)), f.Message
}

func (s *switches) failure(applies func(*failCall) bool) *failCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.settings.FailCalls {
		f := &s.settings.FailCalls[i]
		if !applies(f) || f.Probability != nil && s.random.Float64() >= *f.Probability {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if used(f.Count) {
			found := *f
			return &found
		}
	}
	return nil
}

func (s *switches) failureOf(guest string) *failMigration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.settings.FailMigrations {
		f := &s.settings.FailMigrations[i]
		if (f.Guest == "*" || f.Guest == guest) && used(f.Count) {
			found := *f
			return &found
		}
	}
	return nil
}

// failsToDelete tells whether files of the guest that are not needed any more stay.
func (s *switches) failsToDelete(guest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.settings.FailDeletions {
		f := &s.settings.FailDeletions[i]
		if (f.Guest == "*" || f.Guest == guest) && used(f.Count) {
			return true
		}
	}
	return false
}

// drop tells when the connection of this call is closed: "before" it, "after" it, or "" for not at all.
func (s *switches) drop(call string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.settings.DropConnections {
		if d := &s.settings.DropConnections[i]; matches(d.Call, call) && used(d.Count) {
			return d.When
		}
	}
	return ""
}

// used takes one of a count, if one is left; without a count there is no end.
func used(count *int) bool {
	if count == nil {
		return true
	}
	*count--
	return *count >= 0
}

// matches takes * for any text.
func matches(pattern, call string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == call
	}
	expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^" + expression + "$").MatchString(call)
}
