# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve snapshots over the API of Proxmox VE. See tests/simulators/README.md."""

from __future__ import annotations

import argparse
import secrets
import ssl
import sys
import time

from pve.access import Access
from pve.api import PARTS
from pve.faults import Switches
from pve.ha_load import HaChoice
from pve.load import VERSIONS, load_world
from pve.server import Server

from ansible_collections.evenkeel.cluster.tests.simulators.kit import serving
from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError


def _servers(options: argparse.Namespace) -> list[Server]:
    """One for each snapshot, each on a port of its own: a Proxmox VE is one cluster."""
    assert PARTS
    address, tls = serving.address_of(options), serving.tls_of(options)
    if len(options.snapshot) > 1 and address[1]:
        raise SnapshotError(
            f"--listen {options.listen}: {len(options.snapshot)} clusters can't share one port: use port 0"
        )
    return [_server(options, path, address, tls) for path in options.snapshot]


def _server(options: argparse.Namespace, path: str, address: tuple[str, int], tls: ssl.SSLContext) -> Server:
    switches = Switches(options.migration_seconds)
    if options.switches:
        switches.merge(serving.read_json(options.switches))
    choice = HaChoice(options.rules_as_ha, tuple(options.ha_guest))

    def clock() -> float:
        return time.time() + options.clock_skew

    world = load_world(serving.read_json(path), options.version, switches, choice, clock)
    tokens = dict(token.split("=", 1) for token in options.token)
    users = Access(switches, {options.user: options.password}, tokens, clock, secrets.token_bytes(32))
    return Server(address, world, users, tls)


def _parser() -> argparse.ArgumentParser:
    parser = serving.parser_of(__doc__ or "", "root@pam")
    parser.add_argument("--token", action="append", default=[], metavar="USER@REALM!NAME=UUID")
    parser.add_argument("--version", choices=sorted(VERSIONS), default="9.2")
    parser.add_argument(
        "--rules-as-ha",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also make HA rules of the snapshot's strict rules whose source is not ha-rule or ha-group",
    )
    parser.add_argument(
        "--ha-guest", action="append", type=int, default=[], metavar="VMID", help="put a guest under HA"
    )
    parser.add_argument(
        "--clock-skew",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="by how much the cluster's clock is ahead of this machine's",
    )
    return parser


if __name__ == "__main__":
    sys.exit(serving.run(_parser().parse_args(), _servers))
