// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The server of NATS, as tests run it: nats -c FILE.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	flags := flag.NewFlagSet("nats", flag.ExitOnError)
	options, err := server.ConfigureOptions(flags, os.Args[1:], nil, nil, nil)
	if err == nil {
		var running *server.Server
		if running, err = server.NewServer(options); err == nil {
			running.ConfigureLogger()
			err = server.Run(running)
			running.WaitForShutdown()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
