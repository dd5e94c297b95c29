// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	testUser     = "administrator@vsphere.local"
	testPassword = "secret"
)

// testbed is a simulator that runs within the test.
type testbed struct {
	*testing.T
	vcenter *vcenter
	ca      string
}

func boot(t *testing.T, migrationSeconds float64, snapshots ...map[string]any) *testbed {
	t.Helper()
	dir := t.TempDir()
	o := options{
		listen: "127.0.0.1:0", user: testUser, password: testPassword, migrationSeconds: migrationSeconds,
		certificate: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
	}
	makeCertificate(t, o.certificate, o.key)
	for _, s := range snapshots {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, s["cluster"].(map[string]any)["id"].(string)+".json")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o.snapshots = append(o.snapshots, file)
	}
	v, err := newVcenter(o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = v.serve() }()
	t.Cleanup(func() { _ = v.http.Close() })
	return &testbed{T: t, vcenter: v, ca: o.certificate}
}

func makeCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// login gives a client with a session of its own.
func (b *testbed) login(user, password string) (*vim25.Client, error) {
	b.Helper()
	ctx := context.Background()
	transport := soap.NewClient(&url.URL{Scheme: "https", Host: b.vcenter.listener.Addr().String(), Path: "/sdk"}, false)
	if err := transport.SetRootCAs(b.ca); err != nil {
		b.Fatal(err)
	}
	client, err := vim25.NewClient(ctx, transport)
	if err != nil {
		b.Fatal(err)
	}
	return client, session.NewManager(client).Login(ctx, url.UserPassword(user, password))
}

func (b *testbed) client() *vim25.Client {
	b.Helper()
	client, err := b.login(testUser, testPassword)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// control does a request of the control path and reads its answer.
func (b *testbed) control(method, path string, body, result any) int {
	b.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(b.ca)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		b.Fatal("no certificate", err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	request, err := http.NewRequest(method, "https://"+b.vcenter.listener.Addr().String()+path, bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	if result != nil {
		if err := json.Unmarshal(text, result); err != nil {
			b.Fatal(string(text), err)
		}
	}
	return response.StatusCode
}

func (b *testbed) switches(changes map[string]any) {
	b.Helper()
	if status := b.control("POST", "/_sim/switches", changes, nil); status != http.StatusOK {
		b.Fatal("switches:", status)
	}
}

// soapFault is the fault that an error came from.
func soapFault[F types.BaseMethodFault](t testing.TB, err error) F {
	t.Helper()
	var want F
	if err == nil || !soap.IsSoapFault(err) {
		t.Fatalf("got %v, expected a %T", err, want)
	}
	detail := soap.ToSoapFault(err).VimFault()
	pointer := faultPointer(detail)
	fault, ok := pointer.(F)
	if !ok {
		t.Fatalf("got %T, expected a %T", detail, want)
	}
	return fault
}

const gib = 1 << 30

func exampleHost(id string, more map[string]any) map[string]any {
	h := map[string]any{
		"id": id, "name": id + ".example", "status": "online", "maintenance": false, "schedulable": true,
		"capacity": map[string]any{"cpu": 16, "memory": 64 * gib, "network_io": 1.25e9, "disk_io": 4e9},
		"used":     map[string]any{"cpu": 4, "memory": 20 * gib, "network_io": 3e6, "disk_io": 8e6},
		"version":  "8.0.3", "cpu_model": "intel-skylake", "address": "10.0.0.1",
		"datastores": map[string]any{"san": map[string]any{"shared": true, "capacity": 1 << 40, "free": 1 << 39}},
		"networks":   []string{"vlan1"},
	}
	for name, value := range more {
		h[name] = value
	}
	return h
}

func exampleGuest(id, host string, more map[string]any) map[string]any {
	g := map[string]any{
		"id": id, "name": "vm" + id, "kind": "vm", "host": host, "power": "running",
		"assigned": map[string]any{"cpu": 4, "memory": 8 * gib},
		"used":     map[string]any{"cpu": 1.5, "memory": 4 * gib, "network_io": 512000, "disk_io": 1024000},
		"disks":    []map[string]any{{"datastore": "san", "size": 20 * gib}}, "networks": []string{"vlan1"},
	}
	for name, value := range more {
		g[name] = value
	}
	return g
}

func exampleCluster(hosts, guests, rules []map[string]any) map[string]any {
	return map[string]any{
		"schema": snapshotSchema, "cluster": map[string]any{"id": "c1", "name": "prod"},
		"hosts": hosts, "guests": guests, "rules": rules,
	}
}
