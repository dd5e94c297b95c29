# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, by ansible-inventory, over simulated platforms and a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef, Snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

SECRET = "Zw31felhaft"


def cluster(name: str, hosts: int = 3, seed: int = 1) -> Snapshot:
    snapshot = generate(Shape(hosts=hosts, guests=6, seed=seed, fixed=0))
    return replace(snapshot, cluster=ClusterRef(id=name, name=name), rules=())


def inventory(
    *sources: Path, code: int = 0, environment: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
) -> tuple[dict[str, Any], str]:
    """What `ansible-inventory --list` gives, which must know every source, and what it says besides."""
    words = [word for source in sources for word in ("-i", str(source))]
    done = subprocess.run(
        [str(Path(sys.prefix, "bin", "ansible-inventory")), "--list", "--export", *words, *options],
        env={
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert SECRET not in said
    return (plain(json.loads(done.stdout)) if code == 0 else {}), said


def plain(value: Any) -> Any:
    """Without the marks of texts that are not to be taken for templates."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def source(folder: Path, name: str = "clusters", **options: object) -> Path:
    path = folder / f"{name}.evenkeel.yml"
    path.write_text(yaml.safe_dump({"plugin": "evenkeel.cluster.clusters", **options}))
    return path


def rehearsed(folder: Path, snapshot: Snapshot, **options: object) -> Path:
    name = snapshot.cluster.name
    (folder / f"{name}.json").write_text(json.dumps(snapshot.to_json()))
    # Relative to the file that names it.
    return source(folder, name, platform="rehearsal", rehearsal_path=f"{name}.json", **options)


def vcenter(served: launch.Simulator) -> dict[str, object]:
    return {
        "platform": "vsphere",
        "hostname": served.host,
        "port": served.port,
        "username": served.user,
        "ca_path": served.ca_path,
    }


def members(found: Mapping[str, Any], group: str) -> list[str]:
    return sorted(found.get(group, {}).get("hosts", []))


def variables(found: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Of a host, its groups' included."""
    result: dict[str, Any] = found["_meta"]["hostvars"][host]
    return result


def test_every_cluster_of_a_vcenter(tmp_path: Path) -> None:
    east, west = cluster("prod-east"), cluster("west", hosts=2, seed=2)
    renamed = tuple(
        replace(host, id=f"w{host.id}", name=f"w{host.name}", maintenance=number == 0)
        for number, host in enumerate(west.hosts)
    )
    guests = tuple(
        replace(guest, id=f"w{guest.id}", name=f"w{guest.name}", host=f"w{guest.host}")
        for guest in west.guests
    )
    west = replace(west, hosts=renamed, guests=guests)
    files = []
    for snapshot in (east, west):
        files.append(tmp_path / f"{snapshot.cluster.name}.json")
        files[-1].write_text(json.dumps(snapshot.to_json()))
    with launch.start("vcenter", files, tmp_path / "sim", password=SECRET) as served:
        given = source(tmp_path, **vcenter(served), password="{{ lookup('env', 'OUR_SECRET') }}")
        found, _said = inventory(given, environment={"OUR_SECRET": SECRET})
        one, _said = inventory(
            source(tmp_path, "one", **vcenter(served), clusters=["west"]),
            environment={"VMWARE_PASSWORD": SECRET},
        )
        _none, said = inventory(
            source(tmp_path, "wrong", **vcenter(served), clusters=["nowhere"], password=SECRET), code=1
        )
        _none, refused = inventory(source(tmp_path, "secret", **vcenter(served), password="wrong"), code=1)
    assert members(found, "clusters") == ["prod-east", "west"]
    names = {snapshot.cluster.name: sorted(host.name for host in snapshot.hosts) for snapshot in (east, west)}
    assert members(found, "hypervisors") == sorted(names["prod-east"] + names["west"])
    assert members(found, "cluster_prod_east") == sorted(["prod-east", *names["prod-east"]])
    assert members(found, "platform_vsphere") == sorted(
        ["west", "prod-east", *names["west"], *names["prod-east"]]
    )
    assert members(found, "status_maintenance") == [west.hosts[0].name]
    assert members(found, "status_online") == sorted([*names["prod-east"], west.hosts[1].name])
    prod = variables(found, "prod-east")
    assert prod["balance_platform"] == "vsphere"
    assert prod["balance_hostname"] == served.host
    assert prod["balance_port"] == served.port
    assert prod["balance_cluster"].endswith("/prod-east")
    assert prod["evenkeel_summary"]["guests"] == 6
    assert sorted(prod["evenkeel_hypervisors"]) == names["prod-east"]
    assert not [name for name in prod if "password" in name]
    host = variables(found, east.hosts[0].name)
    assert host["ansible_host"] == east.hosts[0].address
    assert host["evenkeel_host"]["id"] == east.hosts[0].id
    assert host["evenkeel_cluster"]["inventory_hostname"] == "prod-east"
    assert host["balance_cluster"] == prod["balance_cluster"]
    assert (members(one, "clusters"), members(one, "hypervisors")) == (["west"], names["west"])
    assert "there is no cluster 'nowhere'" in said
    assert (
        "Cannot complete login due to an incorrect user name or password" in refused or "password" in refused
    )


def test_a_proxmox_cluster_by_its_variables_and_the_cache(tmp_path: Path) -> None:
    prod = cluster("prod")
    (tmp_path / "prod.json").write_text(json.dumps(prod.to_json()))
    caching = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "cache_timeout": 600,
    }
    with launch.start("proxmox", [tmp_path / "prod.json"], tmp_path / "sim", password=SECRET) as served:
        environment = {
            "PROXMOX_HOST": f"{served.host}", "PROXMOX_PORT": str(served.port), "PROXMOX_USER": served.user,
            "PROXMOX_PASSWORD": SECRET, "PROXMOX_CA_PATH": served.ca_path,
        }  # fmt: skip
        cached = source(tmp_path, "cached", platform="proxmox", **caching)
        fresh = source(tmp_path, "fresh", platform="proxmox")
        first, _said = inventory(cached, environment=environment)
        served.change_host(prod.hosts[0].id, maintenance=True)
        from_cache, _said = inventory(cached, environment=environment)
        read_again, _said = inventory(fresh, environment=environment)
        flushed, _said = inventory(cached, environment=environment, options=("--flush-cache",))
    names = sorted(host.name for host in prod.hosts)
    assert members(first, "hypervisors") == members(first, "status_online") == names
    assert members(first, "status_maintenance") == members(from_cache, "status_maintenance") == []
    assert members(read_again, "status_maintenance") == members(flushed, "status_maintenance") == names[:1]
    # The platform is gone; the cache is not. Nothing secret is in it.
    again, _said = inventory(cached)
    assert members(again, "status_maintenance") == names[:1]
    kept = "".join(file.read_text() for file in (tmp_path / "cache").iterdir())
    assert names[0] in kept
    assert SECRET not in kept
    # Other options are not answered from it.
    _none, said = inventory(
        source(tmp_path, "cached", platform="proxmox", cluster="other", **caching), code=1
    )
    assert "api_host is required when platform is proxmox" in said
    # What came from the environment is for each user's own environment to tell.
    assert [name for name in variables(first, "prod") if name.startswith("balance_api")] == []


def test_a_vmmanager_platform(tmp_path: Path) -> None:
    prod = cluster("prod")
    (tmp_path / "prod.json").write_text(json.dumps(prod.to_json()))
    with launch.start("vmmanager", [tmp_path / "prod.json"], tmp_path / "sim", password=SECRET) as served:
        found, _said = inventory(
            source(
                tmp_path,
                platform="vmmanager",
                vmmanager_host=served.host,
                vmmanager_port=served.port,
                vmmanager_username=served.user,
                vmmanager_password=SECRET,
                vmmanager_metrics=[{"of": "node", "metric": "cpu", "target": "cpu_load", "unit": "percent"}],
                ca_path=served.ca_path,
            )
        )
    assert members(found, "clusters") == ["prod"]
    assert len(members(found, "hypervisors")) == 3
    assert variables(found, "prod")["balance_vmmanager_host"] == served.host
    assert not [name for name in variables(found, "prod") if "password" in name]


def test_constructed(tmp_path: Path) -> None:
    prod = cluster("prod")
    pooled = (replace(prod.hosts[0], pool="gpu nodes", labels={"rack": "a1"}), *prod.hosts[1:])
    options: dict[str, Any] = {
        "compose": {"ansible_user": "'root'", "rack": "evenkeel_host.labels.rack | default('none')"},
        "groups": {"large": "evenkeel_host is defined and evenkeel_host.capacity.memory > 1000"},
        "keyed_groups": [{"key": "evenkeel_host.labels.rack", "prefix": "rack"}],
    }
    found, _said = inventory(rehearsed(tmp_path, replace(prod, hosts=pooled), **options))
    names = sorted(host.name for host in prod.hosts)
    assert members(found, "large") == names
    assert members(found, "rack_a1") == members(found, "pool_gpu_nodes") == [pooled[0].name]
    assert (variables(found, pooled[0].name)["rack"], variables(found, pooled[1].name)["rack"]) == (
        "a1",
        "none",
    )
    assert variables(found, "prod")["ansible_user"] == "root"
    _none, said = inventory(rehearsed(tmp_path, prod, strict=True, compose={"x": "nothing.at.all"}), code=1)
    assert "Could not set x for host" in said


def test_names_that_are_taken(tmp_path: Path) -> None:
    prod = cluster("prod", hosts=2)
    alone = replace(prod, cluster=ClusterRef(id="one", name=prod.hosts[0].name))
    _none, said = inventory(rehearsed(tmp_path, alone), code=1)
    assert "would be the same inventory host. Set cluster_prefix or host_prefix" in said
    found, _said = inventory(rehearsed(tmp_path, alone, cluster_prefix="cluster-", host_prefix="node-"))
    assert members(found, "clusters") == [f"cluster-{prod.hosts[0].name}"]
    assert members(found, "hypervisors") == sorted(f"node-{host.name}" for host in prod.hosts)
    twins = replace(prod, hosts=(prod.hosts[0], replace(prod.hosts[1], name=prod.hosts[0].name)))
    found, _said = inventory(rehearsed(tmp_path, twins))
    assert members(found, "hypervisors") == sorted(f"{host.name}-{host.id}" for host in twins.hosts)
    # A host of another cluster is not quietly made one of ours.
    other = replace(prod, cluster=ClusterRef(id="test", name="test"))
    _none, said = inventory(rehearsed(tmp_path, prod), rehearsed(tmp_path, other), code=1)
    assert "cluster prod of another file has it already. Set cluster_prefix or host_prefix" in said
    both, _said = inventory(rehearsed(tmp_path, prod), rehearsed(tmp_path, other, host_prefix="test-"))
    assert members(both, "clusters") == ["prod", "test"]
    assert len(members(both, "hypervisors")) == 4


def test_what_makes_no_sense(tmp_path: Path) -> None:
    for options, says in (
        ({}, "platform"),
        ({"platform": "openstack"}, "openstack"),
        ({"platform": "vsphere"}, "hostname is required when platform is vsphere"),
        ({"platform": "rehearsal", "rehearsal_path": "gone.json"}, "gone.json: there is no such file"),
        ({"platform": "vsphere", "cluster": "a", "clusters": ["b"]}, "clusters and cluster are mutually"),
        ({"platform": "vmmanager", "vmmanager_metrics": [{"of": "node"}]}, "metric, target, unit"),
    ):
        _none, said = inventory(source(tmp_path, **options), code=1)
        assert says in said
    twice = rehearsed(tmp_path, cluster("prod"), clusters=["prod", "prod"])
    _none, said = inventory(twice, code=1)
    assert "clusters: 'prod' is not named once: it is the same cluster as" in said
    other = tmp_path / "other.yml"
    other.write_text("plugin: evenkeel.cluster.clusters\nplatform: rehearsal\n")
    _none, said = inventory(other, code=1)
    assert "other.yml" in said
