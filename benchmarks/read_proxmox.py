# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The duration of a full read of a Proxmox VE cluster, compared with one request for each figure.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.benchmarks.read_proxmox --hosts 64 --guests 3000

"full" is ProxmoxPlatform.read(), for current values (0 s) and for means over an hour. "naive" requests for
each guest, one after the other, its configuration, its status, and its history once for each figure (cpu,
memory and disk; of each the mean and the pressure as some, full and peak): 14 calls. It is measured on a
sample and scaled up. `--latency` is the number of seconds that the server waits before it answers a call,
like a network and a busy node. The simulator runs on the same machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from proxmoxer import ProxmoxAPI

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.connection import (
    ProxmoxConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

HISTORIES = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--guests", type=int, default=3000)
    parser.add_argument("--sample", type=int, default=50, help="guests that are read the naive way")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workdir:
        file = Path(workdir) / "cluster.json"
        file.write_text(json.dumps(generate(Shape(hosts=options.hosts, guests=options.guests)).to_json()))
        with launch.start(
            "proxmox", [file], workdir, switches={"latency_seconds": options.latency}
        ) as served:
            measure(served, options)


def measure(served: launch.Simulator, options: argparse.Namespace) -> None:
    naive = naive_seconds(served, options.sample) * options.guests / options.sample
    print(f"naive          {naive:7.2f} s, {2 + HISTORIES} calls a guest (from {options.sample} guests)")
    for window in (0, 3600):
        platform = ProxmoxPlatform(
            ProxmoxConnection(
                api_hosts=(served.host,),
                api_port=served.port,
                api_user=served.user,
                api_password=served.password,
                ca_path=served.ca_path,
                window_seconds=window,
                workers=options.workers,
            )
        )
        best, calls = float("inf"), 0
        for _ in range(options.repeat):
            before = sum(served.state()["calls"].values())
            started = time.perf_counter()
            snapshot = platform.read()
            best = min(best, time.perf_counter() - started)
            calls = sum(served.state()["calls"].values()) - before
            if len(snapshot.guests) != options.guests:
                raise SystemExit(f"{len(snapshot.guests)} guests were read of {options.guests}")
        platform.close()
        print(
            f"full, {window:>4} s   {best:7.2f} s, {calls / options.guests:.2f} calls a guest"
            f" ({calls} in all), naive / full = {naive / best:.1f}"
        )


def naive_seconds(served: launch.Simulator, sample: int) -> float:
    """Returns the seconds to read this number of guests, one call after the other over one connection."""
    api = ProxmoxAPI(
        served.host,
        port=served.port,
        user=served.user,
        password=served.password,
        verify_ssl=served.ca_path,
        timeout=30,
    )
    guests = api.cluster.resources.get(type="vm")[:sample]
    started = time.perf_counter()
    for guest in guests:
        path = api(f"nodes/{guest['node']}/{guest['type']}/{guest['vmid']}")
        path.config.get()
        path.status.current.get()
        for _ in range(HISTORIES):
            path.rrddata.get(timeframe="hour", cf="AVERAGE")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
