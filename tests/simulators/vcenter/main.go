// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Command vcenter serves cluster snapshots through the vSphere API, for tests.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	flag.Func("snapshot", "snapshot `file` of a cluster; may be given more than once", func(file string) error {
		o.snapshots = append(o.snapshots, file)
		return nil
	})
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on")
	flag.StringVar(&o.certificate, "tls-cert", "", "`file` of the server's certificate (PEM)")
	flag.StringVar(&o.key, "tls-key", "", "`file` of the server's key (PEM)")
	flag.StringVar(&o.user, "user", "administrator@vsphere.local", "`name` to log in with")
	flag.StringVar(&o.password, "password", "secret", "`password` to log in with")
	flag.Float64Var(&o.migrationSeconds, "migration-seconds", 0.2, "time in `seconds` that every migration takes")
	flag.StringVar(&o.switchesFile, "switches", "", "JSON `file` of initial switches")
	withStdin := flag.Bool("exit-with-stdin", false, "exit when standard input closes")
	flag.Parse()
	if len(o.snapshots) == 0 || o.certificate == "" || o.key == "" || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("--snapshot, --tls-cert and --tls-key are needed, and no other arguments")
	}

	v, err := newVcenter(o)
	if err != nil {
		return err
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	if *withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stopped <- syscall.SIGTERM
		}()
	}
	failed := make(chan error, 1)
	go func() { failed <- v.serve() }()

	address := v.listener.Addr().(*net.TCPAddr)
	ready := map[string]any{"ready": true, "host": address.IP.String(), "port": address.Port}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	select {
	case <-stopped:
		err = v.http.Close()
	case err = <-failed:
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
