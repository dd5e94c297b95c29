# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve snapshots over the API of VMmanager 6. See tests/simulators/README.md."""

from __future__ import annotations

import argparse
import sys
import time

from vmm.access import Access
from vmm.load import load_world
from vmm.server import Server
from vmm.switches import Switches

from ansible_collections.evenkeel.cluster.tests.simulators.kit import serving


def _servers(options: argparse.Namespace) -> list[Server]:
    switches = Switches(options.migration_seconds)
    if options.switches:
        switches.merge(serving.read_json(options.switches))
    world = load_world([serving.read_json(path) for path in options.snapshot], switches, time.time)
    tokens = dict.fromkeys(options.token, options.user)
    access = Access(switches, {options.user: options.password}, tokens, time.time)
    return [Server(serving.address_of(options), world, access, serving.tls_of(options))]


def _parser() -> argparse.ArgumentParser:
    parser = serving.parser_of(__doc__ or "", "admin@example.com")
    parser.add_argument(
        "--token", action="append", default=[], metavar="TOKEN", help="one of the user that never ends"
    )
    return parser


if __name__ == "__main__":
    sys.exit(serving.run(_parser().parse_args(), _servers))
