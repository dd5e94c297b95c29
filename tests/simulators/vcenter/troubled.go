// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// troubled stands before the services: it counts, delays, fails and drops calls.
type troubled struct {
	*state
	next http.Handler
}

// soapMethod finds the first element of a SOAP body.
var soapMethod = regexp.MustCompile(`<(?:[\w.-]+:)?Body[^>]*>\s*<(?:[\w.-]+:)?([\w.-]+)`)

func (t troubled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, err := nameOf(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.calls.add(call)
	if latency := t.switches.latency(call); latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch t.switches.drop(call) {
	case "before":
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	case "after":
		t.next.ServeHTTP(newAnswer(), r)
		panic(http.ErrAbortHandler)
	}
	if status, message := t.switches.statusOfCall(call); status != 0 {
		http.Error(w, message, status)
		return
	}
	t.next.ServeHTTP(w, r)
}

// nameOf is the method of a SOAP call, or the method and the path of another.
func nameOf(r *http.Request) (string, error) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/sdk") && r.URL.Path != "/pbm" {
		return r.Method + " " + withoutIDs(r.URL.Path), nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if found := soapMethod.FindSubmatch(body); found != nil {
		return string(found[1]), nil
	}
	return "POST " + r.URL.Path, nil
}

// withoutIDs makes one pattern of the paths that differ in an identifier only.
func withoutIDs(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "id:") || strings.HasPrefix(part, "urn:") {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// answer keeps a response in memory.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{status: http.StatusOK, header: http.Header{}} }

func (a *answer) Header() http.Header            { return a.header }
func (a *answer) WriteHeader(status int)         { a.status = status }
func (a *answer) Write(data []byte) (int, error) { return a.body.Write(data) }
