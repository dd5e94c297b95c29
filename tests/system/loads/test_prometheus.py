# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads of a cluster from a real Prometheus with made series, as the exporters give them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.prometheus_load import (
    PROMETHEUS_ARGUMENTS,
    PrometheusLoadOptions,
    run_prometheus_load,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.errors import (
    LoadMissing,
    PrometheusError,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import snapshot_after_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Host, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later, read_moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support import prometheus
from ansible_collections.evenkeel.cluster.tests.support.prometheus import Line, Running

GIB = 1024**3
TAKEN_AT = "2026-01-31T22:00:00Z"
UNTIL = read_moment(TAKEN_AT).timestamp()
# 0, 1, … 60: the percentiles of an hour by the minute are easily told.
RAMP = tuple(float(number) for number in range(61))


def flat(value: float) -> tuple[float, ...]:
    return (value,) * 61


def counter(rate: float) -> tuple[float, ...]:
    """Of something that goes on at so much a second."""
    return tuple(rate * 60 * number for number in range(61))


def pve(
    name: str, guest_or_node: str, values: Sequence[float], instance: str = "pve1:8006", **labels: str
) -> Line:
    return Line(name, {"id": guest_or_node, "instance": instance, "job": "pve", **labels}, values)


def pve_series() -> Iterator[Line]:
    yield pve("pve_cluster_info", "cluster/prod", flat(1))
    # Each of two nodes is a target, and each tells of the whole cluster.
    for instance in ("pve1:8006", "pve2:8006"):
        yield pve("pve_cpu_usage_ratio", "qemu/101", tuple(value / 100 for value in RAMP), instance)
        yield pve("pve_cpu_usage_limit", "qemu/101", flat(4), instance)
    yield pve("pve_cpu_usage_ratio", "lxc/102", flat(0.5))
    yield pve("pve_cpu_usage_limit", "lxc/102", flat(2))
    yield pve("pve_memory_usage_bytes", "qemu/101", flat(1 * GIB))
    yield pve("pve_memory_usage_bytes", "lxc/102", flat(6 * GIB))
    yield pve("pve_cpu_usage_ratio", "node/pve1", flat(0.25))
    yield pve("pve_cpu_usage_limit", "node/pve1", flat(16))
    yield pve("pve_memory_usage_bytes", "node/pve1", flat(20 * GIB))
    yield pve("pve_network_receive_bytes_total", "qemu/101", counter(3000))
    yield pve("pve_network_transmit_bytes_total", "qemu/101", counter(1000))
    # An exporter of old, to which everything is a gauge; and one that is new, and has both.
    for number in ("qemu/101", "lxc/102"):
        yield pve("pve_disk_read_bytes", number, counter(500))
        yield pve("pve_disk_write_bytes", number, counter(700))
    yield pve("pve_disk_read_bytes_total", "qemu/101", counter(500))
    yield pve("pve_disk_written_bytes_total", "qemu/101", counter(700))
    # Another cluster, by another job.
    yield Line("pve_cluster_info", {"id": "cluster/test", "job": "other"}, flat(1))
    yield Line("pve_memory_usage_bytes", {"id": "qemu/101", "job": "other"}, flat(60 * GIB))


def node(name: str, values: Sequence[float], instance: str = "pve1.example.com:9100", **labels: str) -> Line:
    return Line(name, {"instance": instance, "job": "node", **labels}, values)


def node_series() -> Iterator[Line]:
    for cpu in ("0", "1"):
        yield node("node_cpu_seconds_total", counter(0.75), cpu=cpu, mode="user")
        yield node("node_cpu_seconds_total", counter(0.25), cpu=cpu, mode="idle")
        yield node("node_cpu_seconds_total", counter(0.25), cpu=cpu, mode="iowait")
    # The same node by another job is not two nodes.
    yield Line(
        "node_cpu_seconds_total",
        {"instance": "pve1.example.com:9100", "job": "again", "cpu": "0", "mode": "user"},
        counter(0.75),
    )
    yield node("node_memory_MemTotal_bytes", flat(64 * GIB))
    yield node("node_memory_MemAvailable_bytes", flat(24 * GIB))
    yield node("node_zfs_arc_size", flat(20 * GIB))
    yield node("node_zfs_arc_c_min", flat(2 * GIB))
    for device, rate in (
        ("eno1", 1000),
        ("vmbr0", 1000),
        ("tap101i0", 1000),
        ("eno1.5", 1000),
        ("bond0", 1000),
    ):
        yield node("node_network_receive_bytes_total", counter(rate), device=device)
        yield node("node_network_transmit_bytes_total", counter(rate / 2), device=device)
    for device in ("sda", "nvme0n1", "dm-0", "zd0"):
        yield node("node_disk_read_bytes_total", counter(100), device=device)
        yield node("node_disk_written_bytes_total", counter(10), device=device)
    for kind, share in (("cpu", 0.031), ("memory", 0.0), ("io", 0.012)):
        yield node(f"node_pressure_{kind}_waiting_seconds_total", counter(share))
    # A node without ZFS, by address.
    yield node("node_memory_MemTotal_bytes", flat(64 * GIB), "10.0.0.12:9100")
    yield node("node_memory_MemAvailable_bytes", (*flat(24 * GIB)[1:], 4.0 * GIB), "10.0.0.12:9100")


def vmware(name: str, values: Sequence[float], cluster: str = "prod", **labels: str) -> Line:
    return Line(name, {"dc_name": "dc", "cluster_name": cluster, **labels}, values)


def vmware_series() -> Iterator[Line]:
    for host in ("esx1.example.com", "esx2.example.com"):
        yield vmware("vmware_host_cpu_max", flat(32_000), host_name=host)
        yield vmware("vmware_host_num_cpu", flat(16), host_name=host)
        yield vmware("vmware_host_cpu_usage", flat(8000), host_name=host)
        yield vmware("vmware_host_memory_usage", flat(20_480), host_name=host)
        yield vmware("vmware_host_net_usage_average", flat(100), host_name=host)
        yield vmware("vmware_host_disk_read_average", flat(30), host_name=host)
        yield vmware("vmware_host_disk_write_average", flat(20), host_name=host)
    # web01 was on another host for the first half of the hour: two series, one machine.
    first, second = tuple(4000.0 for _ in range(31)), tuple(8000.0 for _ in range(30))
    yield Line(
        "vmware_vm_cpu_usagemhz_average",
        {"vm_name": "web01", "host_name": "esx2.example.com", "dc_name": "dc", "cluster_name": "prod"},
        (*first, *(float("nan") for _ in range(30))),
    )
    yield vmware("vmware_vm_cpu_usagemhz_average", second, vm_name="web01", host_name="esx1.example.com")
    yield vmware(
        "vmware_vm_mem_consumed_average", flat(4 * 1024**2), vm_name="web01", host_name="esx1.example.com"
    )
    for way in ("received", "transmitted"):
        yield vmware(f"vmware_vm_net_{way}_average", flat(7), vm_name="web01", host_name="esx1.example.com")
    for way in ("read", "write"):
        yield vmware(f"vmware_vm_disk_{way}_average", flat(5), vm_name="web01", host_name="esx1.example.com")
    # Another cluster has a machine of the same name.
    for cluster in ("prod", "test"):
        yield vmware(
            "vmware_vm_mem_consumed_average",
            flat(1024**2),
            cluster,
            vm_name="db01",
            host_name="esx1.example.com",
        )


def own_series() -> Iterator[Line]:
    for number in range(101, 109):
        yield Line("spiky_cpu", {"guest": str(number)}, tuple(value / 60 for value in RAMP))
    for guest, value in (("web01", 1.5), ("db01", float("nan")), ("elsewhere", 9.0)):
        yield Line("own_cpu", {"guest": f"kvm-{guest}"}, flat(value))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with prometheus.running([*pve_series(), *node_series(), *vmware_series(), *own_series()], UNTIL) as place:
        yield place


def snapshot(**of_guests: Any) -> Snapshot:
    """Two hosts; web01 and db01 run on the first, off01 does not run."""

    def guest(identity: str, name: str, power: str, **more: Any) -> dict[str, Any]:
        return {
            "id": identity, "name": name, "kind": "vm", "host": "pve1", "power": power, "migratable": True,
            "assigned": {"cpu": 4, "memory": 8 * GIB},
            "used": {"cpu": 1.0, "memory": 2 * GIB, "network_io": None}, **more,
        }  # fmt: skip

    def host(name: str, address: str | None) -> dict[str, Any]:
        return {
            "id": name, "name": name, "status": "online", "maintenance": False, "schedulable": True,
            "capacity": {"cpu": 16.0, "memory": 64 * GIB}, "address": address,
            "used": {"cpu": 3.0, "memory": 30 * GIB, "network_io": None, "disk_io": None},
        }  # fmt: skip

    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1", "platform": "proxmox",
            "cluster": {"id": "prod", "name": "prod"}, "taken_at": TAKEN_AT, "window_seconds": 0,
            "hosts": [host("pve1", None), host("pve2", "10.0.0.12")],
            "guests": [
                guest("101", "web01", "running", **of_guests),
                guest("102", "db01", "running"),
                guest("103", "off01", "stopped"),
            ],
            "rules": [],
        }
    )  # fmt: skip


def load(place: Running, given: Snapshot, **options: Any) -> dict[str, Any]:
    """What the module returns for these options."""
    every = {"url": place.url, "snapshot": given.to_json(), **options}
    return run_prometheus_load(vars(PrometheusLoadOptions(**every)), False)


def parts(result: Mapping[str, Any]) -> tuple[dict[str, Host], dict[str, Guest]]:
    merged = Snapshot.from_json(result["snapshot"])
    return {host.name: host for host in merged.hosts}, {guest.name: guest for guest in merged.guests}


PVE = {"exporters": ["pve"], "selector": 'job="pve"'}


def test_guests_by_percentile_and_hosts_by_their_guests(server: Running) -> None:
    result = load(server, snapshot(), **PVE)
    hosts, guests = parts(result)
    # The 95th percentile of 0 … 0.60 of four cores.
    assert guests["web01"].used["cpu"] == pytest.approx(0.57 * 4)
    assert guests["db01"].used["cpu"] == pytest.approx(1.0)
    # What the guest holds now is more than what it is said to have used.
    assert (guests["web01"].used["memory"], guests["db01"].used["memory"]) == (2 * GIB, 6 * GIB)
    # The host: 4 cores now, of which 2 are its guests' by the platform; and what they take by percentile.
    assert hosts["pve1"].used["cpu"] == pytest.approx(2.0 + 2.28 + 1.0)
    assert hosts["pve1"].used["memory"] == 20 * GIB - 4 * GIB + 8 * GIB
    # Of the second host there is no series. It has no guests either: all that it uses is its own.
    assert hosts["pve2"].used["cpu"] == 3.0
    assert (result["guests"], result["hosts"]) == ({"cpu": 2, "memory": 2}, {"cpu": 1, "memory": 1})
    assert [item["name"] for item in result["missing"]] == ["pve2", "pve2"]
    assert result["warnings"][0] == (
        "host pve2: Prometheus has no series of its cpu; the platform's own figures are used"
    )
    assert guests["off01"].used["cpu"] == 1.0


@pytest.mark.parametrize(("percentile", "cpu"), [(0, 0.0), ("50", 1.2), (100, 2.4), ({"cpu": 25}, 0.6)])
def test_percentiles(server: Running, percentile: Any, cpu: float) -> None:
    _hosts, guests = parts(load(server, snapshot(), **PVE, percentile=percentile))
    assert guests["web01"].used["cpu"] == pytest.approx(cpu)


def test_range_and_step(server: Running) -> None:
    _hosts, guests = parts(load(server, snapshot(), **PVE, range=600, step=120, percentile=0))
    assert guests["web01"].used["cpu"] == pytest.approx(0.5 * 4)


def test_counters_by_their_old_and_new_names(server: Running) -> None:
    hosts, guests = parts(load(server, snapshot(), **PVE, metrics=["network_io", "disk_io"], percentile=50))
    assert guests["web01"].used["network_io"] == pytest.approx(4000)
    assert guests["db01"].used["network_io"] is None
    assert (guests["web01"].used["disk_io"], guests["db01"].used["disk_io"]) == (
        pytest.approx(1200),
        pytest.approx(1200),
    )
    # The platform does not measure a host's disks: its guests are all that is known.
    assert hosts["pve1"].used["disk_io"] == pytest.approx(2400)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"selector": ""}, r"it has series of 2 clusters: prod, test.*Set selector"),
        ({"selector": 'job="other"'}, r"it has series of cluster test, but the snapshot is of cluster prod"),
        ({"selector": 'job="nobody"'}, r"Prometheus has no such series"),
        ({"selector": "job="}, r"the clusters of pve_exporter: .*parse error"),
    ],
)
def test_another_cluster_is_not_taken_for_this_one(
    server: Running, options: dict[str, str], says: str
) -> None:
    with pytest.raises(PrometheusError, match=says):
        load(server, snapshot(), exporters=["pve"], **options)


NODE = {"exporters": ["node"], "metrics": list(PROMETHEUS_ARGUMENTS["metrics"]["choices"])}


def test_hosts_by_node_exporter(server: Running) -> None:
    result = load(server, snapshot(), **NODE)
    hosts, guests = parts(result)
    used = hosts["pve1"].used
    assert used["cpu"] == pytest.approx(1.5)
    # The ARC above its least size is free.
    assert used["memory"] == (64 - 24 - 18) * GIB
    assert hosts["pve1"].reclaimable == (30 - 22) * GIB
    assert hosts["pve2"].reclaimable == 0
    assert (used["network_io"], used["disk_io"]) == (pytest.approx(1500), pytest.approx(220))
    assert hosts["pve1"].pressure == {"cpu": pytest.approx(3.1), "memory": 0.0, "io": pytest.approx(1.2)}
    # Found by its address. A guest must find room for itself now, whatever there was before.
    assert hosts["pve2"].used["memory"] == 60 * GIB
    assert guests["web01"].used["cpu"] == 1.0
    assert result["hosts"]["memory"] == 2


def test_the_later_exporter_counts(server: Running) -> None:
    result = load(
        server, snapshot(), exporters=["pve", "node"], selector='job=~"pve|node"', metrics=["cpu", "memory"]
    )
    hosts, guests = parts(result)
    assert guests["web01"].used["cpu"] == pytest.approx(2.28)
    # Now by node_exporter: 1.5, which is less than its guests; nothing is its own.
    assert hosts["pve1"].used["cpu"] == pytest.approx(3.28)
    assert hosts["pve1"].used["memory"] == (22 - 4 + 8) * GIB


@pytest.mark.parametrize(("seconds", "cpu"), [(200, 3.0), (360, 1.5), (1800, 1.5)])
def test_a_host_is_not_charged_for_guests_that_have_left(server: Running, seconds: int, cpu: float) -> None:
    given = snapshot(last_migrated_at=later(TAKEN_AT, -seconds))
    result = load(server, given, **NODE)
    hosts, _guests = parts(result)
    assert hosts["pve1"].used["cpu"] == pytest.approx(cpu)
    assert ("a guest was migrated 200 s ago" in " ".join(result["warnings"])) == (cpu == 3.0)


def esx(given: Snapshot) -> Snapshot:
    """The same cluster as a vCenter would tell it."""
    text = json.dumps({**given.to_json(), "platform": "vsphere"})
    return Snapshot.from_json(
        json.loads(text.replace('"pve1"', '"esx1.example.com"').replace('"pve2"', '"esx2"'))
    )


def test_vmware_exporter(server: Running) -> None:
    metrics = ["cpu", "memory", "network_io", "disk_io"]
    result = load(server, esx(snapshot()), exporters=["vmware"], metrics=metrics, percentile=50)
    hosts, guests = parts(result)
    used = guests["web01"].used
    # Of 2 GHz each: for half of the time 2 cores on one host, then 4 on the other.
    assert used["cpu"] == pytest.approx(2.0)
    assert used["memory"] == 4 * GIB
    assert (used["network_io"], used["disk_io"]) == (14 * 1024, 10 * 1024)
    assert hosts["esx1.example.com"].used["network_io"] == pytest.approx(100 * 1024)
    # The platform calls it esx2, the exporter esx2.example.com.
    assert hosts["esx2"].used["memory"] == 20 * GIB
    # Two machines are called db01, so neither is it.
    assert guests["db01"].used["memory"] == 2 * GIB
    (why,) = [
        item["why"] for item in result["missing"] if (item["name"], item["metric"]) == ("db01", "memory")
    ]
    assert why == "several series match its memory; narrow selector to one of them"
    chosen = load(
        server, esx(snapshot()), exporters=["vmware"], metrics=metrics, selector='cluster_name="prod"'
    )
    assert parts(chosen)[1]["db01"].used["memory"] == 2 * GIB
    assert parts(chosen)[1]["web01"].used["cpu"] == pytest.approx(4.0)


OWN = {"of": "guest", "metric": "cpu", "query": "own_cpu", "label": "guest", "pattern": "kvm-(.+)"}


def test_a_query_of_ones_own(server: Running) -> None:
    result = load(server, snapshot(), queries=[OWN], metrics=["cpu"])
    _hosts, guests = parts(result)
    assert guests["web01"].used["cpu"] == 1.5
    assert guests["db01"].used["cpu"] == 1.0
    (missing,) = result["missing"]
    assert (missing["id"], missing["why"]) == ("102", "its cpu in Prometheus is nan")
    # It counts instead of the exporter's.
    both = load(server, snapshot(), **PVE, queries=[OWN])
    assert parts(both)[1]["web01"].used["cpu"] == 1.5


def test_what_becomes_of_guests_and_hosts_without_series(server: Running) -> None:
    hosts, guests = parts(load(server, snapshot(), **PVE, queries=[OWN], on_missing="exclude"))
    assert (guests["db01"].migratable, guests["db01"].blockers) == (False, ("load_unknown",))
    assert (guests["web01"].migratable, hosts["pve1"].schedulable, hosts["pve2"].schedulable) == (
        True,
        True,
        False,
    )
    with pytest.raises(LoadMissing, match=r"guest db01: its cpu in Prometheus is nan.*on_missing"):
        load(server, snapshot(), queries=[OWN], metrics=["cpu"], on_missing="fail")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, r"exporters is required when queries is empty"),
        ({**PVE, "metrics": []}, r"metrics is required: at least one metric"),
        ({**PVE, "step": 7200}, r"step \(7200 s\) must not exceed range \(3600 s\)"),
        ({**PVE, "range": 0}, r"range: 0 is not a number from 1"),
        ({**PVE, "percentile": 101}, r"percentile: 101 is not a number from 0 to 100"),
        ({**PVE, "percentile": "most"}, r"percentile: 'most' is not a number"),
        ({**PVE, "percentile": {"ram": 5}}, r"percentile\.ram"),
        (
            {**PVE, "metrics": ["pressure_cpu"]},
            r"metrics: 'pressure_cpu' is not a metric of any query",
        ),
        ({**PVE, "timeout": 0}, r"timeout: 0 is not a number of seconds"),
        ({**PVE, "url": "prometheus:9090"}, r"url: 'the text' is not a URL such as"),
        ({**PVE, "url": "http://u:p@h"}, r"url: 'a URL with a password' is not a URL without one"),
        ({**PVE, "bearer_token": "t", "username": "u"}, r"bearer_token and username are mutually exclusive"),
        ({**PVE, "password": "p"}, r"username is required when password is set"),
        ({**PVE, "client_key": "k"}, r"client_cert is required when client_key is set"),
        ({**PVE, "validate_certs": False, "ca_path": "c"}, r"ca_path and validate_certs: false are mutually"),
        ({"queries": [{**OWN, "pattern": "("}]}, r"queries\[0\]\.pattern: '\(' is not a regular expression"),
        (
            {"queries": [{**OWN, "metric": "pressure_io"}]},
            r"queries\[0\]\.metric: .*pressure is one of hosts",
        ),
        ({"queries": [{**OWN, "label": ""}]}, r"queries\[0\]\.label: '' is not"),
    ],
)
def test_options_that_make_no_sense(server: Running, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load(server, snapshot(), **options)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("own_cpu[", r"the cpu of guests: .*parse error.*The query was quantile_over_time"),
        ("nothing_of_that_name", r"Prometheus has no such series"),
        ("own_cpu{guest='kvm-elsewhere'}", r'Series are of guest="kvm-elsewhere". Set label and pattern'),
    ],
)
def test_queries_that_make_no_sense(server: Running, query: str, says: str) -> None:
    with pytest.raises(PrometheusError, match=says):
        load(server, snapshot(), queries=[{**OWN, "query": query}], metrics=["cpu"])


def test_a_plan_that_was_carried_out_leaves_nothing_to_do(server: Running) -> None:
    """The past that Prometheus knows is of the guests, and goes where they go."""
    query = {**OWN, "query": "spiky_cpu", "pattern": ".+"}
    given = snapshot()
    guests = tuple(replace(given.guests[0], id=str(number), name=f"g{number}") for number in range(101, 109))
    given = replace(given, guests=guests, platform="vsphere")
    policy = Policy(metrics=("cpu",), max_spread=10)

    def planned(now: Snapshot) -> Plan:
        merged = load(server, now, queries=[query], metrics=["cpu"])
        return plan(Snapshot.from_json(merged["snapshot"]), policy)

    first = planned(given)
    assert len(first.migrations) > 1
    second = planned(snapshot_after_moves(given, {item.guest.id: item.target for item in first.migrations}))
    assert second.migrations == ()


def test_the_snapshot_may_be_a_file(server: Running, tmp_path: Path) -> None:
    path, merged = tmp_path / "snapshot.json", tmp_path / "merged.json"
    path.write_text(json.dumps(snapshot().to_json()))
    result = load(server, snapshot(), **PVE, snapshot=None, snapshot_path=str(path), merged_path=str(merged))
    assert result["snapshot_path"] == str(merged)
    assert Snapshot.from_json(json.loads(path.read_text())) == snapshot()
    load(server, snapshot(), **PVE, snapshot=None, snapshot_path=str(path))
    assert path.read_text() == merged.read_text()
