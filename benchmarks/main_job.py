# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the playbook balance on each simulator: dry run, run, second run.

    .venv/bin/python benchmarks/main_job.py [--platform vcenter] [--size 8x200]

Default: all platforms and the sizes 8x200 and 64x3000. A migration on a simulator takes --migration-seconds.
Prints a line for each run with its seconds and the results of the migrations. The second run must find
nothing to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform, Simulator, start
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

PLAYBOOK = Path(__file__).parents[1] / "playbooks" / "balance.yml"
PLATFORMS: list[Platform] = ["vcenter", "proxmox", "vmmanager"]
RUNS = {"dry run": ["--check", "--diff"], "run": [], "second run": []}


def inventory(simulator: Simulator, folder: Path) -> dict[str, object]:
    """Returns an inventory of one cluster, with files for the data that modules exchange."""
    if simulator.connection.platform == "vcenter":
        connection = {
            "balance_platform": "vsphere",
            "balance_hostname": simulator.host,
            "balance_port": simulator.port,
            "balance_username": simulator.user,
            "balance_password": simulator.password,
        }
    elif simulator.connection.platform == "vmmanager":
        connection = {
            "balance_platform": "vmmanager",
            "balance_vmmanager_host": simulator.host,
            "balance_vmmanager_port": simulator.port,
            "balance_vmmanager_username": simulator.user,
            "balance_vmmanager_password": simulator.password,
        }
    else:
        connection = {
            "balance_platform": "proxmox",
            "balance_api_host": [simulator.host],
            "balance_api_port": simulator.port,
            "balance_api_user": simulator.user,
            "balance_api_password": simulator.password,
        }
    files = {f"balance_{name}_path": str(folder / f"{name}.json") for name in ("snapshot", "plan", "outcome")}
    host = {**connection, **files, "balance_ca_path": str(simulator.ca_path)}
    return {"clusters": {"hosts": {"bench": host}}}


def run(folder: Path, options: list[str]) -> float:
    """Returns the seconds of one run of the playbook."""
    begun = time.monotonic()
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            PLAYBOOK,
            "-i",
            folder / "clusters.json",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
        # Without what tests keep between processes (tools/quick): users have none of that.
        env=dict(os.environ, ANSIBLE_NOCOLOR="1", EVENKEEL_QUICK="no"),
    )
    if ended.returncode != 0:
        raise SystemExit(ended.stdout[-3000:] + ended.stderr[-3000:])
    return time.monotonic() - begun


def measure(platform: Platform, size: str, migration_seconds: float) -> None:
    """Prints the three runs on one simulator."""
    hosts, guests = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = folder / "cluster.json"
        cluster.write_text(json.dumps(generate(Shape(hosts=hosts, guests=guests, seed=5)).to_json()))
        options = ["--migration-seconds", str(migration_seconds)]
        with start(platform, [cluster], folder / "simulator", options=options) as simulator:
            (folder / "clusters.json").write_text(json.dumps(inventory(simulator, folder)))
            for what, more in RUNS.items():
                seconds = run(folder, more)
                outcome = json.loads((folder / "outcome.json").read_text())
                results = [migration["result"] for migration in outcome["migrations"]]
                counts = (
                    ", ".join(f"{results.count(result)} {result}" for result in sorted(set(results)))
                    or "nothing to do"
                )
                print(
                    f"{platform:<9} {size:<8} {what:<11} {seconds:7.1f} s  {outcome['status']:<8} {counts}",
                    flush=True,
                )


def main() -> None:
    """Measures the platforms and sizes of the command line, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--platform", action="append", choices=PLATFORMS)
    parser.add_argument("--size", action="append", metavar="HOSTSxGUESTS")
    parser.add_argument("--migration-seconds", type=float, default=0.2)
    arguments = parser.parse_args()
    for platform in arguments.platform or PLATFORMS:
        for size in arguments.size or ["8x200", "64x3000"]:
            measure(platform, size, arguments.migration_seconds)


if __name__ == "__main__":
    main()
