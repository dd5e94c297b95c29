# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries for Prometheus: prepared for three exporters, or the user's own.

A query gives the present value, in the units of a snapshot, of every guest or host at once. `$selector` in it
is replaced by the label matchers that the user adds, and `$rate` by the time over which counters are rated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from .._model.codec import decode
from .._model.snapshot import Id

Of = Literal["guest", "host"]
Metric = Literal["cpu", "memory", "network_io", "disk_io", "pressure_cpu", "pressure_memory", "pressure_io"]
Exporter = Literal["pve", "node", "vmware"]

PRESSURES: Mapping[str, str] = {"pressure_cpu": "cpu", "pressure_memory": "memory", "pressure_io": "io"}
PVE_CLUSTERS = "count by (id) (pve_cluster_info{$selector})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One metric of guests or hosts. `label` says of whom a series is: all of it must match `pattern`, and
    the first group (all of it, when there is none) is an id, a name or an address.
    """

    of: Of
    metric: Metric
    query: Annotated[Id, "PromQL"]
    label: Id
    pattern: str = ".+"


def _pve() -> Iterator[Query]:
    """prometheus-pve-exporter. Its targets may all be nodes of one cluster, and each reports all guests."""
    guest, host = r"(?:qemu|lxc)/(\d+)", "node/(.+)"

    def per_id(kind: str, expression: str) -> str:
        return f"max by (id) ({expression})".replace("$of", f'id=~"{kind}/.+",$selector')

    def rate(*names: str) -> str:
        """The exporter has given some counters another name."""
        return "(" + " or ".join(f"rate({name}{{$of}}[$rate])" for name in names) + ")"

    for of, kind, pattern in (("guest", "(qemu|lxc)", guest), ("host", "node", host)):
        cpu = "pve_cpu_usage_ratio{$of} * pve_cpu_usage_limit{$of}"
        memory = "pve_memory_usage_bytes{$of}"
        yield _query(of, "cpu", per_id(kind, cpu), "id", pattern)
        yield _query(of, "memory", per_id(kind, memory), "id", pattern)
    network = [f"pve_network_{way}_bytes" for way in ("receive", "transmit")]
    both = " + ".join(rate(f"{name}_total", name) for name in network)
    yield _query("guest", "network_io", per_id("(qemu|lxc)", both), "id", guest)
    disks = [rate("pve_disk_read_bytes_total", "pve_disk_read_bytes")]
    disks.append(rate("pve_disk_written_bytes_total", "pve_disk_write_bytes"))
    yield _query("guest", "disk_io", per_id("(qemu|lxc)", " + ".join(disks)), "id", guest)


# What carries the traffic of other interfaces or disks would count twice.
_VIRTUAL = (
    "lo veth.* tap.* vnet.* fw.* vmbr.* virbr.* br.* bond.* team.* docker.* ovs.* vlan.* dummy.* .+[.@].+"
)
_CARDS = f'device!~"{"|".join(_VIRTUAL.split())}"'
_DISKS = r'device=~"(h|s|v|xv)d[a-z]+|nvme\\d+n\\d+|mmcblk\\d+|dasd[a-z]+"'


def _node() -> Iterator[Query]:
    """node_exporter: hosts only. Two jobs that scrape the same node do not make it twice as large."""

    def summed(expression: str) -> str:
        return f"max by (instance) (sum by (instance, job) ({expression}))"

    cpu = 'rate(node_cpu_seconds_total{mode!~"idle|iowait|steal",$selector}[$rate])'
    yield _per_node("cpu", summed(cpu))
    total = "node_memory_MemTotal_bytes{$selector}"
    arc = "clamp_min(node_zfs_arc_size{$selector} - node_zfs_arc_c_min{$selector}, 0)"
    memory = f"{total} - node_memory_MemAvailable_bytes{{$selector}} - ({arc} or 0 * {total})"
    yield _per_node("memory", f"max by (instance) (clamp_min({memory}, 0))")
    network = [
        f"rate(node_network_{way}_bytes_total{{{_CARDS},$selector}}[$rate])"
        for way in ("receive", "transmit")
    ]
    yield _per_node("network_io", summed(" + ".join(network)))
    disks = [f"rate(node_disk_{way}_bytes_total{{{_DISKS},$selector}}[$rate])" for way in ("read", "written")]
    yield _per_node("disk_io", summed(" + ".join(disks)))
    for metric, name in PRESSURES.items():
        stalled = f"rate(node_pressure_{name}_waiting_seconds_total{{$selector}}[$rate])"
        yield _per_node(metric, f"100 * max by (instance) ({stalled})")


def _vmware() -> Iterator[Query]:
    """vmware_exporter. It reports MHz, MB, and KB a second. A machine that migrates gets other labels, and so
    another series: the ones of before and after are made one.
    """
    place = "dc_name, cluster_name"

    def per_machine(expression: str) -> str:
        return f"max by (vm_name, {place}) ({expression})"

    speed = "vmware_host_cpu_max{$selector} / vmware_host_num_cpu{$selector}"
    cpu = f"vmware_vm_cpu_usagemhz_average{{$selector}} / on (host_name, {place}) group_left () ({speed})"
    yield _query("guest", "cpu", per_machine(cpu), "vm_name", ".+")
    memory = per_machine("vmware_vm_mem_consumed_average{$selector}")
    yield _query("guest", "memory", f"{memory} * 1024", "vm_name", ".+")
    network = "vmware_vm_net_received_average{$selector} + vmware_vm_net_transmitted_average{$selector}"
    yield _query("guest", "network_io", per_machine(network) + " * 1024", "vm_name", ".+")
    disk = "vmware_vm_disk_read_average{$selector} + vmware_vm_disk_write_average{$selector}"
    yield _query("guest", "disk_io", per_machine(disk) + " * 1024", "vm_name", ".+")
    yield _query("host", "cpu", f"vmware_host_cpu_usage{{$selector}} / ({speed})", "host_name", ".+")
    yield _query("host", "memory", "vmware_host_memory_usage{$selector} * 1048576", "host_name", ".+")
    yield _query("host", "network_io", "vmware_host_net_usage_average{$selector} * 1024", "host_name", ".+")
    disk = "vmware_host_disk_read_average{$selector} + vmware_host_disk_write_average{$selector}"
    yield _query("host", "disk_io", f"({disk}) * 1024", "host_name", ".+")


def _per_node(metric: str, query: str) -> Query:
    return _query("host", metric, query, "instance", r"\[?(.+?)\]?(?::\d+)?")


def _query(of: str, metric: str, query: str, label: str, pattern: str) -> Query:
    fields = {"of": of, "metric": metric, "query": query, "label": label, "pattern": pattern}
    return decode(Query, fields, "query")


READY: Mapping[str, tuple[Query, ...]] = {
    "pve": tuple(_pve()),
    "node": tuple(_node()),
    "vmware": tuple(_vmware()),
}
