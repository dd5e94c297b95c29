// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vim25/types"
)

// tagging is the simulator's REST service for tags, filled through its own interface.
type tagging struct {
	http.Handler
}

const tagCategory = "Even Keel"

// fill makes a tag for each name in use and attaches it to its guests and datastores, and those of hosts in their
// categories.
func (t tagging) fill(user, password string, w *world, stores map[types.ManagedObjectReference]*store) error {
	ids, idsOfStores, ofStores := map[string]string{}, map[string]string{}, ""
	session := ""
	post := func(path string, body any) (string, error) {
		data, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		req, err := http.NewRequest(http.MethodPost, rest.Path+"/com/vmware/cis"+path, bytes.NewReader(data))
		if err != nil {
			return "", err
		}
		req.SetBasicAuth(user, password)
		req.Header.Set("vmware-api-session-id", session)
		res := newAnswer()
		t.ServeHTTP(res, req)
		value := struct{ Value string }{}
		if res.status != http.StatusOK || json.Unmarshal(res.body.Bytes(), &value) != nil {
			return "", fmt.Errorf("POST %s: %d %s", path, res.status, res.body.String())
		}
		return value.Value, nil
	}
	var err error
	if session, err = post("/session", nil); err != nil {
		return err
	}
	newCategory := func(name, kind string) (string, error) {
		return post("/tagging/category", map[string]any{"create_spec": map[string]any{
			"name": name, "description": "Tags of the snapshot", "cardinality": "MULTIPLE",
			"associable_types": []string{kind},
		}})
	}
	newTag := func(name, category string) (string, error) {
		return post("/tagging/tag", map[string]any{"create_spec": map[string]any{
			"name": name, "description": "", "category_id": category,
		}})
	}
	category, err := newCategory(tagCategory, "VirtualMachine")
	if err != nil {
		return err
	}
	attacher := t.Handler.(interface {
		AttachTag(types.ManagedObjectReference, string) types.BaseMethodFault
	})
	for _, g := range w.guests {
		for _, name := range g.Tags {
			if ids[name] == "" {
				if ids[name], err = newTag(name, category); err != nil {
					return err
				}
			}
			if fault := attacher.AttachTag(g.ref(), ids[name]); fault != nil {
				return fmt.Errorf("tag %q of guest %q: %s", name, g.ID, faultName(fault))
			}
		}
	}
	for _, s := range stores {
		for _, name := range s.tags {
			if ofStores == "" {
				if ofStores, err = newCategory(tagCategory+" datastores", "Datastore"); err != nil {
					return err
				}
			}
			if idsOfStores[name] == "" {
				if idsOfStores[name], err = newTag(name, ofStores); err != nil {
					return err
				}
			}
			if fault := attacher.AttachTag(s.ref, idsOfStores[name]); fault != nil {
				return fmt.Errorf("tag %q of datastore %q: %s", name, s.id, faultName(fault))
			}
		}
	}
	categories, ofHosts := map[string]string{}, map[[2]string]string{}
	for _, h := range w.hosts {
		for label, values := range h.Labels {
			if categories[label] == "" {
				if categories[label], err = newCategory(label, "HostSystem"); err != nil {
					return err
				}
			}
			for _, name := range strings.Split(values, ",") {
				key := [2]string{label, name}
				if ofHosts[key] == "" {
					if ofHosts[key], err = newTag(name, categories[label]); err != nil {
						return err
					}
				}
				if fault := attacher.AttachTag(h.ref(), ofHosts[key]); fault != nil {
					return fmt.Errorf("tag %q of host %q: %s", name, h.ID, faultName(fault))
				}
			}
		}
	}
	return nil
}

// expire ends every session. The service has no call for that; its map of sessions is exported, its type is not.
func (t tagging) expire() {
	lock := t.Handler.(sync.Locker)
	lock.Lock()
	defer lock.Unlock()
	clear(reflect.ValueOf(t.Handler).Elem().FieldByName("Session").Interface().(map[string]*rest.Session))
}
