# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve a snapshot over the API of Proxmox VE. See tests/simulators/README.md."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import ssl
import sys
import threading
import time
from pathlib import Path

from pve.access import Access
from pve.api import PARTS
from pve.errors import SnapshotError
from pve.faults import Switches
from pve.ha_load import HaChoice
from pve.load import VERSIONS, load_world
from pve.server import Server


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)
    try:
        server = _server(options)
    except (SnapshotError, OSError) as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    if options.exit_with_stdin:
        threading.Thread(target=_wait_for_closed_stdin, args=(over,), daemon=True).start()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    host, port = server.server_address[:2]
    print(json.dumps({"ready": True, "host": host, "port": port}), flush=True)
    over.wait()
    server.shutdown()
    server.server_close()
    return 0


def _wait_for_closed_stdin(over: threading.Event) -> None:
    sys.stdin.buffer.read()
    over.set()


def _server(options: argparse.Namespace) -> Server:
    assert PARTS
    switches = Switches(options.migration_seconds)
    if options.switches:
        switches.merge(json.loads(Path(options.switches).read_text()))
    if len(options.snapshot) != 1:
        raise SnapshotError(
            "one Proxmox VE server is one cluster: start another server for another --snapshot"
        )
    try:
        snapshot = json.loads(Path(options.snapshot[0]).read_text())
    except ValueError as error:
        raise SnapshotError(f"{options.snapshot[0]} is not JSON: {error}") from error
    choice = HaChoice(options.rules_as_ha, tuple(options.ha_guest))
    world = load_world(snapshot, options.version, switches, choice, time.time)
    tokens = dict(token.split("=", 1) for token in options.token)
    users = Access(switches, {options.user: options.password}, tokens, time.time, secrets.token_bytes(32))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.tls_cert, options.tls_key)
    host, _, port = options.listen.rpartition(":")
    return Server((host, int(port)), world, users, tls)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshot", action="append", required=True, metavar="FILE")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--tls-cert", required=True, metavar="FILE")
    parser.add_argument("--tls-key", required=True, metavar="FILE")
    parser.add_argument("--user", default="root@pam")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--token", action="append", default=[], metavar="USER@REALM!NAME=UUID")
    parser.add_argument("--version", choices=sorted(VERSIONS), default="9.2")
    parser.add_argument("--migration-seconds", type=float, default=0.2, metavar="X")
    parser.add_argument("--switches", metavar="FILE", help="JSON with faults and delays to start with")
    parser.add_argument(
        "--rules-as-ha",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also make HA rules of the snapshot's strict rules whose source is not ha-rule or ha-group",
    )
    parser.add_argument(
        "--ha-guest", action="append", type=int, default=[], metavar="VMID", help="put a guest under HA"
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
