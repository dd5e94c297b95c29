# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about pools and leases, and what they come from: options, snapshots, sizes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_info import (
    run_capacity_info,
    run_capacity_reap,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_lease import (
    run_capacity_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.capacity_pool import (
    run_capacity_pool,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import (
    InfoOptions,
    LeaseOptions,
    ReapOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.environment import (
    with_environment,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.platform import (
    PlatformOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.pool import PoolOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import (
    CapacityError,
    Impossible,
    LeaseNotHeld,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.explain import size
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.from_snapshot import (
    Capacity,
    Share,
    capacity_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import HostDatastore, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.sizes import size_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import process
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import pass_time

GIB = 1024**3


class Modules:
    """The modules as Ansible calls them, on one database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _options(self, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
        return vars(cls(state_url=self.url, **given))

    def pool(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        return run_capacity_pool(self._options(PoolOptions, given), check)

    def lease(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        return run_capacity_lease(self._options(LeaseOptions, given), check)

    def info(self, **given: Any) -> dict[str, Any]:
        return run_capacity_info(self._options(InfoOptions, given), False)

    def reap(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        return run_capacity_reap(self._options(ReapOptions, given), check)


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    return Modules(f"sqlite:///{tmp_path}/state.db")


USUAL = {"vcpus": 10, "memory": "100G", "storage": "1T"}


def test_a_pool_comes_is_changed_and_goes(modules: Modules) -> None:
    dry = modules.pool(name="a", check=True, **USUAL)
    assert (dry["changed"], dry["pool"]["memory"]) == (True, 100 * GIB)
    assert modules.info()["pools"] == []
    made = modules.pool(name="a", server="vc", labels={"generation": 3}, **USUAL)
    assert made["changed"]
    assert made["diff"]["before"] == {}
    assert made["pool"]["usage"]["vcpus"] == {
        "capacity": 10, "limit": 10, "leased": 0, "available": 10, "percent": 0.0,
    }  # fmt: skip
    assert made["pool"]["usage"]["networks"]["percent"] is None
    assert not modules.pool(name="a", server="vc", **USUAL)["changed"]
    assert not modules.pool(name="a")["changed"]
    dry = modules.pool(name="a", cordoned=True, server="", check=True)
    assert (dry["pool"]["cordoned"], dry["pool"]["server"]) == (True, None)
    changed = modules.pool(name="a", cordoned=True)
    assert changed["diff"]["before"]["cordoned"] is False
    assert changed["pool"]["labels"] == {"generation": "3"}
    assert modules.pool(name="a", state="absent", check=True)["changed"]
    assert modules.pool(name="a", state="absent") == {
        "changed": True, "pool": None, "diff": {"before": changed["diff"]["after"], "after": {}},
    }  # fmt: skip
    assert modules.pool(name="a", state="absent") == {"changed": False, "pool": None}


def test_networks_are_replaced_added_and_taken_away(modules: Modules) -> None:
    def names(networks_state: str, *networks: Mapping[str, Any]) -> list[Any]:
        result = modules.pool(name="a", networks=list(networks), networks_state=networks_state)
        return [(network["name"], network["vlan"]) for network in result["pool"]["networks"]]

    modules.pool(name="a", **USUAL)
    assert names("exact", {"name": "n1", "vlan": 1}, {"name": "n2", "vlan": 2}) == [("n1", 1), ("n2", 2)]
    assert names("present", {"name": "n3", "vlan": None}, {"name": "n1", "vlan": 9}) == [
        ("n1", 9), ("n2", 2), ("n3", None),
    ]  # fmt: skip
    assert names("absent", {"name": "n2"}, {"name": "n7"}) == [("n1", 9), ("n3", None)]
    assert names("exact") == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "vcpus is required when the pool is new"),
        ({**USUAL, "vcpus": -1}, "^vcpus: -1 is not a number from 0 to 999999"),
        ({**USUAL, "memory": "-5G"}, "^memory: '-5G' is not a size of at least 0, such as 96G"),
        ({**USUAL, "storage": "much"}, "^storage: 'much' is not a size"),
        ({**USUAL, "cpu_overcommit": 0.0}, "^cpu_overcommit: 0.0 is not a number from 0.1 to 100"),
        ({**USUAL, "name": ""}, "^name: '' is not a text of 1 to 200 characters"),
        ({**USUAL, "name": "a\nb"}, "^name: "),
        ({**USUAL, "networks": [{"name": "n", "vlan": 5000}]}, r"^networks\[0\].vlan: 5000"),
        ({**USUAL, "networks": [{"name": "n"}, {"name": "n"}]}, r"^networks\[1\].name: 'n' is not unique"),
        (
            {**USUAL, "networks": [{"name": "n"}, {"name": "m", "port_group": "n"}]},
            r"^networks\[1\].port_group: 'n' is not unique",
        ),
        ({**USUAL, "share": {}}, "^snapshot is required when share is set"),
        ({"snapshot": {"schema": "other"}}, "^snapshot.schema: 'other'"),
    ],
)
def test_nonsense_about_pools(modules: Modules, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        modules.pool(**{"name": "a", **given})
    assert modules.info()["pools"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "^vcpus is required when memory, storage and networks are left out: a number above 0"),
        ({"vcpus": -1}, "^vcpus: -1 is not a number from 0"),
        ({"memory": "-1"}, "^memory: '-1' is not a size of at least 0"),
        ({"vcpus": 1, "lifetime": 0}, "^lifetime: 0 is not a number from 1"),
        ({"vcpus": 1, "lifetime": float("nan")}, "^lifetime: nan is not a number between"),
        ({"vcpus": 1, "wait": -1}, "^wait: -1 is not a number of at least 0"),
        ({"vcpus": 1, "keep_place": -1}, "^keep_place: -1"),
        ({"vcpus": 1, "poll_interval": 0}, "^poll_interval: 0 is not a number above 0"),
        ({"vcpus": 1, "name": ""}, "^name: ''"),
        ({"vcpus": 1, "pools": 101}, "^pools: 101"),
        ({"vcpus": 1, "owner_pid": 2**22 + 1}, "^owner_pid: 4194305 is not a process that runs here"),
        ({"vcpus": 1, "owner_pid": -1}, "^owner_pid: -1"),
        ({"vcpus": 1, "placements_seen": {"c": 1}}, "^placements is required when placements_seen is set"),
        (
            {"pools": 0, "placements": [], "placements_seen": {"c": -1}},
            "^placements_seen.c: -1 is not a whole number",
        ),
        (
            {
                "pools": 0,
                "placements": [{"cluster": "c", "guest": "g", "host": "h", "cpu": 1, "memory": "x"}],
            },
            r"^placements\[0\].memory: 'x' is not a size",
        ),
        (
            {
                "pools": 0,
                "placements": [{"cluster": "c", "guest": "", "host": "h", "cpu": 1, "memory": "1G"}],
            },
            r"^placements\[0\].guest: ''",
        ),
        ({"vcpus": 1, "state": "renewed", "lifetime": -1}, "^lifetime: -1"),
    ],
)
def test_nonsense_about_leases(modules: Modules, given: dict[str, Any], message: str) -> None:
    modules.pool(name="a", **USUAL)
    with pytest.raises(InputError, match=message):
        modules.lease(**{"name": "x", **given})
    assert modules.info(ended_within=1e9)["leases"] == []


def test_without_any_pool(modules: Modules) -> None:
    for check in (True, False):
        with pytest.raises(CapacityError, match=r"no pool is defined. Create one with capacity_pool"):
            modules.lease(name="x", vcpus=1, check=check)


def test_a_lease_comes_is_renewed_and_goes(modules: Modules) -> None:
    modules.pool(
        name="a", platform="vsphere", server="vc", datacenter="dal", datastore="vsan", region="east", **USUAL
    )
    modules.pool(name="a", networks=[{"name": "n", "port_group": "ci-7", "vlan": 7, "gateway": "10.0.0.1"}])
    asked = {"name": "x", "vcpus": 4, "memory": "8GiB", "networks": 1, "owner": "me"}
    dry = modules.lease(check=True, **asked)
    assert (dry["changed"], dry["lease"]["phase"]) == (True, "Fulfilled")
    assert modules.info()["leases"] == []
    made = modules.lease(**asked)
    assert made["diff"]["after"]["pools"] == [{"name": "a", "networks": ["n"]}]
    assert (
        made["lease"]["env"]
        == made["lease"]["pools"][0]["env"]
        == {
            "EVENKEEL_LEASE": "x",
            "EVENKEEL_LEASE_UNTIL": made["lease"]["until"],
            "EVENKEEL_POOL": "a",
            "EVENKEEL_REGION": "east",
            "EVENKEEL_VCPUS": "4",
            "EVENKEEL_MEMORY": str(8 * GIB),
            "EVENKEEL_NETWORKS": "ci-7",
            "EVENKEEL_VLAN": "7",
            "EVENKEEL_GATEWAY": "10.0.0.1",
            "VMWARE_HOST": "vc",
            "GOVC_URL": "vc",
            "GOVC_DATACENTER": "dal",
            "GOVC_DATASTORE": "vsan",
            "GOVC_NETWORK": "ci-7",
        }
    )
    again = modules.lease(**asked)
    assert again == {"changed": False, "lease": made["lease"], "report": made["report"]}
    renewed = modules.lease(name="x", state="renewed", lifetime=1e6)
    assert renewed["lease"]["until"] > made["lease"]["until"]
    assert renewed["lease"]["request"]["lifetime"] == 1e6
    with pytest.raises(CapacityError, match="it belongs to me, not to you"):
        modules.lease(name="x", state="absent", owner="you")
    assert modules.lease(name="x", state="absent", check=True)["changed"]
    gone = modules.lease(name="x", state="absent")
    assert (gone["changed"], gone["lease"]["phase"]) == (True, "Released")
    released = modules.lease(name="x", state="absent")
    assert released == {"changed": False, "lease": gone["lease"], "report": gone["report"]}
    never = modules.lease(name="never", state="absent")
    assert never == {
        "changed": False,
        "lease": None,
        "report": ["lease never: not recorded, nothing is leased"],
    }
    with pytest.raises(LeaseNotHeld, match=r"lease x: it ended at .*: Released by a task. Request it again"):
        modules.lease(name="x", state="renewed")
    with pytest.raises(LeaseNotHeld, match="lease never: there is no lease of that name"):
        modules.lease(name="never", state="renewed")


def test_the_variables_of_proxmox_and_vmmanager(modules: Modules) -> None:
    for platform, names in (
        (
            "proxmox",
            {
                "PROXMOX_HOST": "proxmox.it",
                "PROXMOX_PORT": "8443",
                "PROXMOX_USER": "ci",
                "PROXMOX_STORAGE": "d",
                "PROXMOX_POOL": "r",
                "PROXMOX_BRIDGE": "n",
            },
        ),
        (
            "vmmanager",
            {
                "VMMANAGER_HOST": "vmmanager.it",
                "VMMANAGER_PORT": "8443",
                "VMMANAGER_USERNAME": "ci",
                "VMMANAGER_STORAGE": "d",
                "VMMANAGER_NETWORK": "n",
            },
        ),
    ):
        modules.pool(
            name=platform, platform=platform, server=f"{platform}.it", datastore="d", resource_pool="r",
            port=8443, username="ci", networks=[{"name": "n"}], **USUAL,
        )  # fmt: skip
        made = modules.lease(name=platform, vcpus=1, networks=1, required_pools=[platform])
        env = made["lease"]["env"]
        assert {key: value for key, value in env.items() if not key.startswith("EVENKEEL_")} == names


@pytest.mark.parametrize(
    ("platform", "options", "secrets"),
    [
        ("vsphere", ("hostname", "port", "username"), {"VMWARE_PASSWORD": "s"}),
        ("proxmox", ("api_host", "api_port", "api_user"), {"PROXMOX_TOKEN_SECRET": "s"}),
        (
            "vmmanager",
            ("vmmanager_host", "vmmanager_port", "vmmanager_username"),
            {"VMMANAGER_TOKEN": "s", "VMMANAGER_PASSWORD": "s"},
        ),
    ],
)
def test_a_job_can_open_the_platform_of_its_lease(
    modules: Modules, platform: Any, options: tuple[str, ...], secrets: dict[str, str]
) -> None:
    modules.pool(name="a", platform=platform, server="h.example.com", port=8443, username="ci", **USUAL)
    env = modules.lease(name="x", vcpus=1)["lease"]["env"]
    assert not secrets.keys() & env.keys()
    found = vars(with_environment(PlatformOptions(platform=platform), env | secrets))
    host = ["h.example.com"] if platform == "proxmox" else "h.example.com"
    assert [found[option] for option in options] == [host, 8443, "ci"]
    assert list(found.values()).count("s") == len(secrets)
    if platform == "vsphere":
        assert (env["GOVC_URL"], env["GOVC_USERNAME"]) == ("h.example.com:8443", "ci")
    modules.pool(name="a", port=0, username="")
    assert modules.info()["pools"][0]["port"] is None
    later = modules.lease(name="y", vcpus=1)["lease"]["env"]
    assert not [name for name in later if name.endswith(("_PORT", "_USER", "_USERNAME"))]
    with pytest.raises(InputError, match=r"^port: 70000"):
        modules.pool(name="a", port=70000)


def test_what_is_told_can_be_chosen(modules: Modules) -> None:
    for name in ("a1", "a2", "b"):
        modules.pool(name=name, **USUAL)
    modules.lease(name="build-1", vcpus=10, owner="me", required_pools=["a1"])
    modules.lease(name="build-2", vcpus=10, required_pools=["b"])
    modules.lease(name="waits", vcpus=10, owner="me", required_pools=["b"], keep_place=3600)
    modules.lease(name="over", vcpus=1)
    modules.lease(name="over", state="absent")

    def names(what: str, **given: Any) -> list[str]:
        return [entry["name"] for entry in modules.info(**given)[what]]

    assert names("pools") == ["a1", "a2", "b"]
    assert names("pools", pools=["a*"]) == ["a1", "a2"]
    assert names("leases") == ["build-1", "build-2", "waits"]
    assert names("leases", ended_within=3600) == ["build-1", "build-2", "waits", "over"]
    assert names("leases", pools=["a*"]) == ["build-1"]
    assert names("leases", leases=["build-*"]) == ["build-1", "build-2"]
    assert names("leases", owners=["me"], phases=["Fulfilled"]) == ["build-1"]
    assert names("leases", phases=["Released", "Pending"], ended_within=60) == ["waits", "over"]
    assert names("queue") == ["waits"]
    assert names("queue", owners=["you"]) == []
    info = modules.info()
    assert info["summary"]["leases"] == 2
    assert info["summary"]["available"]["vcpus"] == 10
    (waiting,) = info["queue"]
    assert (waiting["position"], waiting["owner"]) == (1, "me")
    assert waiting["why"].startswith(
        "0 of 1 pools have enough free capacity for 10 vCPUs: 1 vcpus; free now: pool b 0 vCPUs"
    )
    with pytest.raises(InputError, match=r"^ended_within: -1"):
        modules.info(ended_within=-1)


def test_metrics(modules: Modules, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "evenkeel.prom"
    networks = [{"name": "n1"}, {"name": "n2"}, {"name": "m", "type": "multi-tenant"}]
    modules.pool(name='odd "pool"', networks=networks, **USUAL)
    modules.pool(name="b", cordoned=True, **USUAL)
    modules.lease(name="one", vcpus=4, memory="25G", networks=1)
    modules.lease(name="two", vcpus=8, keep_place=3600)
    modules.info(metrics_path=str(path), pools=["b"])
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o644
    pool = r'pool="odd \"pool\""'
    for line in (
        f'evenkeel_pool_available{{{pool},resource="vcpus"}} 6',
        f'evenkeel_pool_leased{{{pool},resource="memory"}} {25 * GIB}',
        f'evenkeel_pool_capacity{{{pool},resource="networks"}} 3',
        f'evenkeel_pool_networks{{{pool},type="single-tenant"}} 2',
        f'evenkeel_pool_networks_available{{{pool},type="single-tenant"}} 1',
        f"evenkeel_pool_leases{{{pool}}} 1",
        'evenkeel_pool_cordoned{pool="b"} 1',
        'evenkeel_leases{phase="Fulfilled"} 1',
        'evenkeel_leases{phase="Pending"} 1',
        "# TYPE evenkeel_leases gauge",
    ):
        assert line in text.splitlines(), line
    names = [line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(set(names)) == text.count("# TYPE") == text.count("# HELP")
    with pytest.raises(FileError, match="can't be written"):
        modules.info(metrics_path="/proc/nowhere/evenkeel.prom")


def test_placements_are_told_as_they_are_asked_for(modules: Modules) -> None:
    placement = {"cluster": "proxmox:prod", "guest": "web1", "host": "h1", "cpu": 2.0, "memory": "4G"}
    assert modules.info()["placements_seen"] == {}
    disks = [{"datastore": "san", "size": "10G"}]
    made = modules.lease(name="x", pools=0, placements=[{**placement, "disks": disks}], placements_seen={})
    info = modules.info(leases=["other"])
    assert info["leases"] == []
    assert info["placements"] == [{"lease": "x", **made["lease"]["placements"][0]}]
    assert info["placements"][0]["disks"] == [{"datastore": "san", "size": 10 * GIB}]
    assert info["placements_seen"] == {"proxmox:prod": 1}
    with pytest.raises(
        CapacityError,
        match="Other reservations were added since the placement was made: 1 in all, 0 were seen",
    ):
        modules.lease(name="y", pools=0, placements=[{**placement, "guest": "db"}], placements_seen={})
    modules.lease(name="x", state="absent")
    assert modules.info()["placements"] == []


def test_reaping(modules: Modules) -> None:
    modules.pool(name="a", **USUAL)
    for number in (1, 2, 3):
        modules.lease(name=f"l{number}", vcpus=2, owner=f"job-{number}")
    assert modules.reap() == {"changed": False, "reaped": []}
    dry = modules.reap(gone_owners=["job-1"], check=True)
    assert [entry["name"] for entry in dry["reaped"]] == ["l1"]
    done = modules.reap(gone_owners=["job-1"])
    assert done["diff"]["after"] == {"l1": "Released: Its owner job-1 is gone"}
    assert modules.reap(living_owners=["job-3"]) == {"changed": False, "reaped": []}
    assert [entry["name"] for entry in modules.reap(living_owners=["job-3"], grace=0)["reaped"]] == ["l2"]
    assert [entry["name"] for entry in modules.info()["leases"]] == ["l3"]
    with pytest.raises(InputError, match=r"living_owners: .* is not a list of at least one owner"):
        modules.reap(living_owners=[])
    with pytest.raises(InputError, match=r"^grace: -1"):
        modules.reap(grace=-1)


def stores(snapshot: Snapshot, **datastores: HostDatastore) -> Snapshot:
    return replace(snapshot, hosts=tuple(replace(host, datastores=datastores) for host in snapshot.hosts))


def cluster() -> Snapshot:
    """Three hosts of 10, 20 and 30 cores and as many GiB, of which one is reserved."""
    snapshot = generate(Shape(hosts=3, guests=3))
    hosts = tuple(
        replace(
            host,
            id=f"h{number}",
            name=f"host{number}",
            capacity={"cpu": 10.0 * number, "memory": 10.0 * number * GIB},
            reserved={"memory": 1.0 * GIB},
            maintenance=False,
            schedulable=True,
            status="online",
        )
        for number, host in enumerate(snapshot.hosts, start=1)
    )
    snapshot = replace(snapshot, hosts=hosts, guests=(), rules=())
    return stores(
        snapshot,
        san=HostDatastore(shared=True, capacity=1000, free=1),
        local=HostDatastore(shared=False, capacity=10, free=1),
    )


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (Share(), Capacity(vcpus=60, memory=57 * GIB, storage=1030)),
        (Share(spare_hosts=1), Capacity(vcpus=30, memory=28 * GIB, storage=1030)),
        (Share(percent=50), Capacity(vcpus=30, memory=57 * GIB // 2, storage=515)),
        (Share(hosts=("h1", "host3")), Capacity(vcpus=40, memory=38 * GIB, storage=1020)),
        (Share(datastores=("local",)), Capacity(vcpus=60, memory=57 * GIB, storage=30)),
    ],
)
def test_the_capacity_of_a_cluster(share: Share, expected: Capacity) -> None:
    assert capacity_of(cluster(), share) == expected


def test_hosts_out_of_service_do_not_count_and_unknown_storage_is_unknown() -> None:
    snapshot = cluster()
    first, second, third = snapshot.hosts
    out = replace(
        snapshot, hosts=(replace(first, maintenance=True), replace(second, status="offline"), third)
    )
    assert capacity_of(out, Share()).vcpus == 30
    unknown = stores(snapshot, san=HostDatastore(shared=True, capacity=None))
    assert capacity_of(unknown, Share()).storage is None


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (
            Share(hosts=("h1", "nowhere")),
            "share.hosts: no host has the name or id 'nowhere'. Hosts of this cluster: host1, host2",
        ),
        (
            Share(datastores=("tape",)),
            r"share.datastores: 'tape' is not a datastore of the chosen hosts \(local, san\)",
        ),
        (Share(spare_hosts=3), r"share.spare_hosts: 3 is not less than the number of active hosts \(3\)"),
    ],
)
def test_a_share_of_nothing(share: Share, message: str) -> None:
    with pytest.raises(EvenKeelError, match=message):
        capacity_of(cluster(), share)


def test_storage_is_leased_only_of_a_pool_that_has_some(modules: Modules) -> None:
    assert modules.pool(name="a", vcpus=8, memory="64G")["pool"]["storage"] == 0
    assert modules.lease(name="x", vcpus=4, memory="8G")["lease"]["phase"] == "Fulfilled"
    with pytest.raises(Impossible, match=r"0 of 1 pools fit: 1 storage"):
        modules.lease(name="y", vcpus=1, storage="1G")
    assert modules.pool(name="a", storage="10G")["pool"]["storage"] == 10 * GIB
    assert modules.pool(name="a", vcpus=9)["pool"]["storage"] == 10 * GIB


def test_a_pool_by_its_snapshot(modules: Modules) -> None:
    share = {"hosts": ["h3"], "spare_hosts": 0, "percent": 100, "datastores": None}
    made = modules.pool(name="a", snapshot=cluster().to_json(), share=share, storage="5T")
    assert (made["pool"]["vcpus"], made["pool"]["memory"], made["pool"]["storage"]) == (
        30, 29 * GIB, 5 * 1024**4,
    )  # fmt: skip
    assert made["pool"]["cluster"] == cluster().cluster.name
    unknown = stores(cluster(), san=HostDatastore(shared=True, capacity=None)).to_json()
    assert modules.pool(name="b", snapshot=unknown)["pool"]["storage"] == 0
    for wrong in ({"spare_hosts": -1}, {"percent": 0}, {"percent": 101}):
        with pytest.raises(InputError, match=r"^share."):
            modules.pool(name="b", snapshot=unknown, share={**share, **wrong})


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0), ("96", 96), ("96G", 96 * GIB), ("96 GiB", 96 * GIB), ("96gb", 96 * GIB),
        ("1.5T", 1536 * GIB),
        (" 2k ", 2048), ("7B", 7), ("9007199254740993", 9007199254740993), ("1P", 1024**5),
    ],
)  # fmt: skip
def test_sizes(text: str, amount: int) -> None:
    assert size_of(text, "memory") == amount


@pytest.mark.parametrize("text", ["", "-1", "-1G", "G", "1e3", "1,5G", "1 G 2", "nan", "0x10", "1Z"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match=r"^memory: .* is not a size of at least 0, such as 96G"):
        size_of(text, "memory")


def test_sizes_are_told_as_they_are_asked_for() -> None:
    assert [size(amount) for amount in (0, 512, 1024, 96 * GIB, 1536 * GIB, 1024**5)] == [
        "0", "512", "1K", "96G", "1.5T", "1P",
    ]  # fmt: skip


def test_a_process_is_always_the_same_owner() -> None:
    first, second = process(1), process(1)
    assert first == second
    assert first is not None
    assert process(2**22 + 1) is None


def test_what_is_over_holds_nothing_before_anybody_ends_it(modules: Modules, tmp_path: Path) -> None:
    networks = [{"name": "n1", "vlan": 1}]
    modules.pool(name="a", networks=networks, **USUAL)
    place = {"cluster": "c", "guest": "g", "host": "h1", "cpu": 1, "memory": "1G"}
    modules.lease(name="x", vcpus=10, memory="1G", networks=1, lifetime=60, placements=[place])
    modules.lease(name="y", vcpus=1, keep_place=60)
    info = modules.info()
    assert [one["name"] for one in info["leases"]] == ["x", "y"]
    assert [one["lease"] for one in info["placements"]] == ["x"]
    with open_database(modules.url) as database:
        pass_time(database, 61)
    metrics = tmp_path / "metrics"
    info = modules.info(ended_within=3600, metrics_path=str(metrics))
    assert {resource: usage["leased"] for resource, usage in info["pools"][0]["usage"].items()} == {
        "vcpus": 0, "memory": 0, "storage": 0, "networks": 0,
    }  # fmt: skip
    assert (info["queue"], info["placements"], info["pools"][0]["leases"]) == ([], [], [])
    x, y = info["leases"]
    assert (x["phase"], x["placements"]) == ("Released", [])
    assert x["reason"].startswith("Its lifetime of 60 s ended at ")
    assert x["ended_at"] == x["until"]
    assert (y["phase"], y["reason"][:27]) == ("Failed", "Its place in the queue laps")
    assert modules.info()["leases"] == []
    assert 'evenkeel_pool_leased{pool="a",resource="vcpus"} 0\n' in metrics.read_text()
    # Whoever asks for a place by that name, or gives it back, finds it ended; a reaper only writes it down.
    assert modules.lease(name="x", state="absent", check=True)["changed"] is False
    shown = modules.pool(name="a")["pool"]
    assert shown["usage"]["vcpus"]["available"] == 10
    assert {one["name"]: one["reason"] for one in modules.reap()["reaped"]} == {
        "x": x["reason"], "y": y["reason"],
    }  # fmt: skip
    assert modules.info(ended_within=3600)["leases"][0]["reason"] == x["reason"]


def test_what_depends_on_a_process_that_has_ended_holds_nothing(modules: Modules) -> None:
    modules.pool(name="a", **USUAL)
    place = {"cluster": "c", "guest": "g", "host": "h1", "cpu": 1, "memory": "1G"}
    with subprocess.Popen(["sleep", "600"]) as owner:
        modules.lease(name="x", vcpus=10, memory="1G", owner_pid=owner.pid, placements=[place])
        assert len(modules.info()["placements"]) == 1
        owner.kill()
    info = modules.info(ended_within=60)
    assert (info["placements"], info["pools"][0]["usage"]["vcpus"]["leased"]) == ([], 0)
    assert [one["end_cause"] for one in info["leases"]] == ["owner gone"]
