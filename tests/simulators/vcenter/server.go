// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The release that the simulator claims to be.
const (
	version    = "8.0.3"
	apiVersion = "8.0.3.0"
)

type options struct {
	snapshots        []string
	listen           string
	certificate, key string
	user, password   string
	migrationSeconds float64
	switchesFile     string
}

// vcenter is a running simulator.
type vcenter struct {
	*state
	listener net.Listener
	http     *http.Server
}

// newVcenter reads the snapshots, fills the inventory and listens; serve starts to answer.
func newVcenter(o options) (*vcenter, error) {
	content := vpx.ServiceContent
	content.About.Version, content.About.ApiVersion = version, apiVersion
	content.About.FullName = "VMware vCenter Server " + version + " (simulated)"
	switches := newSwitches(o.migrationSeconds)
	if o.switchesFile != "" {
		if err := switches.read(o.switchesFile); err != nil {
			return nil, err
		}
	}
	if switches.now().ESXi {
		content.About.ApiType, content.About.FullName = "HostAgent", "VMware ESXi "+version+" (simulated)"
	}
	ctx, instance := simulator.NewServiceInstance(simulator.NewContext(), content, vpx.RootFolder)
	service := simulator.New(ctx, instance)

	s := &state{
		world: newWorld(), inventory: newInventory(ctx), switches: switches,
		calls: &counter{counts: map[string]int{}},
	}
	s.inventory.clock, s.inventory.refusals = switches.clock, switches.refusalsOf
	s.inventory.stale = func() bool { return switches.now().StaleSpace }
	s.inventory.sdrs = func(pod string) string { return switches.now().StorageDRS[pod] }
	for _, file := range o.snapshots {
		snapshot, err := readSnapshot(file)
		if err != nil {
			return nil, err
		}
		if err := s.inventory.add(s.world, snapshot, s.switches.datacenterOf(snapshot.Cluster.ID)); err != nil {
			return nil, err
		}
	}
	if err := s.inventory.addStandalone(switches.now().StandaloneHosts); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	v := &vcenter{state: s, listener: listener}
	if err := v.mount(service, o); err != nil {
		listener.Close()
		return nil, err
	}
	return v, nil
}

// mount puts the SOAP and REST services and the control path behind one TLS port. The simulator's own
// server is not used: it leaves no place in front of it.
func (v *vcenter) mount(service *simulator.Service, o options) error {
	certificate, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return err
	}
	registry := service.Context.Map
	address := v.listener.Addr().String()
	service.Listen = &url.URL{Scheme: "https", Host: address, Path: "/sdk", User: url.UserPassword(o.user, o.password)}
	service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	manager := registry.SessionManager()
	manager.ServiceHostName = address
	manager.TLS = func() *tls.Config { return service.TLS }
	manager.ValidLogin = func(login *types.Login) bool {
		known := login.UserName == o.user || login.UserName != "" && login.UserName == v.switches.readOnlyUser()
		return known && login.Password == o.password
	}

	service.RegisterSDK(registry, "/sdk/vimService")
	service.RegisterSDK(newPolicyRegistry(v.state))
	service.ServeMux.HandleFunc("/sdk/vimServiceVersions.xml", service.ServiceVersions)
	patterns, handler := vapi.New(service.Listen, registry)
	tags := tagging{handler}
	for _, pattern := range patterns {
		service.Handle(pattern, tags.Handler)
	}
	if err := tags.fill(o.user, o.password, v.world, v.inventory.stores); err != nil {
		return err
	}
	ctl := &control{state: v.state, tags: tags}
	ctl.applyDRS()
	registry.Handler = newDispatcher(v.state).handle

	front := http.NewServeMux()
	front.Handle("/_sim/", loopbackOnly(ctl.mux()))
	front.Handle("/", troubled{v.state, newAPI(service.ServeMux)})
	v.http = &http.Server{
		Handler: front, TLSConfig: service.TLS, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
	}
	return nil
}

func (v *vcenter) serve() error {
	return v.http.ServeTLS(v.listener, "", "")
}

func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			http.Error(w, "loopback only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
