// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/vmware/govmomi/vapi/rest"
)

// newAPI adds the newer way to the tags, /api, to the older one, /rest, which is all that govmomi has.
// The two differ in names only: of paths, of the action and in that the old one wraps each answer.
func newAPI(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		old := oldPath(r.URL)
		if old == nil {
			next.ServeHTTP(w, r)
			return
		}
		request := r.Clone(r.Context())
		request.URL = old
		response := newAnswer()
		next.ServeHTTP(response, request)
		status, body := response.status, response.body.Bytes()
		if wrapped := struct{ Value json.RawMessage }{}; json.Unmarshal(body, &wrapped) == nil && wrapped.Value != nil {
			body = wrapped.Value
		}
		switch {
		case status == http.StatusOK && len(body) == 0:
			status = http.StatusNoContent
		case status == http.StatusOK && r.Method == http.MethodPost && r.URL.RawQuery == "":
			status = http.StatusCreated
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// oldPath is where /rest has what this path of /api names, nil for other paths.
func oldPath(u *url.URL) *url.URL {
	path, found := strings.CutPrefix(u.Path, "/api/")
	if !found || path != "session" && !strings.HasPrefix(path, "cis/tagging/") {
		return nil
	}
	old := *u
	if path == "session" {
		path = "cis/session"
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "urn:") {
			parts[i] = "id:" + part
		}
	}
	old.Path, old.RawPath = rest.Path+"/com/vmware/"+strings.Join(parts, "/"), ""
	if action := u.Query().Get("action"); action != "" {
		old.RawQuery = "~action=" + url.QueryEscape(action)
	}
	return &old
}
