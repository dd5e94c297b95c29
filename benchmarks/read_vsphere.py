# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The duration of a full read of a vCenter, compared with bare property-collector reads.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.benchmarks.read_vsphere --hosts 64 --guests 3000

"full" is VSpherePlatform.read(): inventory, privileges, loads and tags, converted to a snapshot; with
"storage" also latencies and files. "bare" is the property collector with unmodified pyvmomi, one view and the
same page size, of the same leaf paths; "bare, slim" omits the devices. Each time is the best of several; the
simulator runs on the same machine.
"""

from __future__ import annotations

import argparse
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyVmomi
from pyVim.connect import SmartConnect

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import PAGE
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.connection import (
    VSphereConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.inventory import (
    DATASTORE_PATHS,
    GUEST_PATHS,
    HOST_PATHS,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

DEVICES = "config.hardware.device"

_library: Any = pyVmomi
vim, vmodl = _library.vim, _library.vmodl


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--guests", type=int, default=3000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workdir:
        file = Path(workdir) / "cluster.json"
        file.write_text(json.dumps(generate(Shape(hosts=options.hosts, guests=options.guests)).to_json()))
        with launch.start("vcenter", [file], workdir) as served:
            measure(served, options.repeat)


def measure(served: launch.Simulator, repeat: int) -> None:
    context = ssl.create_default_context(cafile=served.ca_path)
    connect: Any = SmartConnect
    instance = connect(
        host=served.host, port=served.port, user=served.user, pwd=served.password, sslContext=context
    )
    slim = tuple(path for path in GUEST_PATHS if path != DEVICES)
    bare = timed(served, repeat, lambda: bare_read(instance, GUEST_PATHS))
    bare_slim = timed(served, repeat, lambda: bare_read(instance, slim))
    print(f"bare           {line(bare)}")
    print(f"bare, slim     {line(bare_slim)}")
    for window, storage in ((0, False), (3600, False), (3600, True)):
        platform = VSpherePlatform(
            VSphereConnection(
                hostname=served.host,
                port=served.port,
                username=served.user,
                password=served.password,
                ca_path=served.ca_path,
                window_seconds=window,
                storage=storage,
            )
        )
        full = timed(served, repeat, platform.read)
        platform.close()
        more = ", storage" if storage else ""
        print(
            f"full, {window:>4} s{more}   {line(full)}, {full[0] / bare[0]:.2f} x bare,"
            f" {full[0] / bare_slim[0]:.2f} x bare slim"
        )


def timed(served: launch.Simulator, repeat: int, read: Callable[[], object]) -> tuple[float, dict[str, int]]:
    """Returns the seconds of the fastest run, and the calls of the last one."""
    best = float("inf")
    made: dict[str, int] = {}
    for _ in range(repeat):
        before = served.state()["calls"]
        started = time.perf_counter()
        read()
        best = min(best, time.perf_counter() - started)
        after = served.state()["calls"]
        made = {
            call: after[call] - before.get(call, 0) for call in after if after[call] > before.get(call, 0)
        }
    return best, made


def line(measured: tuple[float, dict[str, int]]) -> str:
    seconds, made = measured
    pages = sum(made.get(call, 0) for call in ("RetrievePropertiesEx", "ContinueRetrievePropertiesEx"))
    metrics = made.get("QueryPerf", 0)
    others = sum(made.values()) - pages - metrics
    return f"{seconds:6.2f} s, round trips: {pages} property collector, {metrics} metrics, {others} other"


def bare_read(instance: Any, guest_paths: tuple[str, ...]) -> None:
    """Reads every object by one view, with pyvmomi's own parsing of the answers."""
    content = instance.RetrieveContent()
    paths = {
        vim.VirtualMachine: guest_paths,
        vim.HostSystem: HOST_PATHS,
        vim.Datastore: DATASTORE_PATHS,
        vim.Network: ("name",),
        vim.ResourcePool: ("name",),
        vim.ClusterComputeResource: ("name", "host", "resourcePool", "configurationEx"),
    }
    kinds = vmodl.query.PropertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, list(paths), True)
    spec = kinds.FilterSpec(
        objectSet=[
            kinds.ObjectSpec(
                obj=view,
                skip=True,
                selectSet=[kinds.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)],
            )
        ],
        propSet=[kinds.PropertySpec(type=kind, pathSet=list(paths[kind])) for kind in paths],
    )
    collector = content.propertyCollector
    result = collector.RetrievePropertiesEx([spec], kinds.RetrieveOptions(maxObjects=PAGE))
    while result.token:
        result = collector.ContinueRetrievePropertiesEx(result.token)
    view.Destroy()


if __name__ == "__main__":
    main()
