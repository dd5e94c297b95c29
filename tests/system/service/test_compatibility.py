# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of virtflow-scheduler and of vsphere-capacity-manager, which know no token, go on working."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Network, Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig, Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    Failure,
    complete,
    fail,
    start,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.system.service.test_door import TOKEN, served

GIB = 1024**3
OPEN = {"compatibility": ["virtflow", "vcm"], "compatibility_token": False}
SCHEDULE = {
    "requested_cpu": 4,
    "requested_memory": 8192,
    "requested_pool": "default",
    "dedicated": False,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def post(url: str, body: object, **more: Any) -> requests.Response:
    return requests.post(url, json=body, timeout=PATIENCE_SECONDS, **more)


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=PATIENCE_SECONDS)


def work(database: Database, result: dict[str, Any] | Failure) -> dict[str, Any]:
    """What a playbook would do with the next request; gives its work."""
    (task,) = dispatch(database, this_process(), Work())
    assert task.claim is not None
    start(database, task.id, task.claim, None)
    if isinstance(result, Failure):
        fail(database, task.id, task.claim, result)
    else:
        complete(database, task.id, task.claim, result)
    return task.work


def test_virtflow(database: Database) -> None:
    with served(database, OPEN) as url:
        taken = post(f"{url}/schedule", SCHEDULE)
        assert (taken.status_code, set(taken.json())) == (200, {"task_id", "status", "message"})
        name = taken.json()["task_id"]
        assert str(uuid.UUID(name)) == name
        assert get(f"{url}/result/{name}").json() == {"status": "processing"}
        assert get(f"{url}/status/{name}").json()["status"] == "queued"
        vms = [{"name": "x", "host": "bm-001", "address": "10.0.0.1"}]
        asked = work(database, {"vms": vms})
        assert (asked["create"], asked["strategy"], asked["vms"][0]["memory"]) == (
            False,
            "least_loaded",
            8 * GIB,
        )
        completed = {"status": "completed", "result": {"name": "bm-001", "ip": "10.0.0.1", "vm": "x"}}
        assert get(f"{url}/result/{name}").json() == completed
        assert get(f"{url}/schedule/{name}").json() == completed
        status = get(f"{url}/status/{name}").json()
        assert (status["task_id"], status["status"], status["error"]) == (name, "success", None)
        spare = post(f"{url}/spare/prepare", SCHEDULE).json()["task_id"]
        asked = work(database, {"vms": [{**vms[0], "name": f"spare-{spare}"}], "lease": {}})
        assert (asked["vm"]["name"], asked["vm"]["pool"]) == (f"spare-{spare}", "default")
        assert get(f"{url}/result/{spare}").json()["result"]["vm"] == f"spare-{spare}"
        # As its clients may write them.
        name = post(f"{url}/schedule", {**SCHEDULE, "requested_cpu": "4", "dedicated": "no"}).json()[
            "task_id"
        ]
        work(database, Failure(kind="Impossible", message="no"))
        assert get(f"{url}/result/{name}").json() == {"status": "failed", "error": "no"}
        assert get(f"{url}/status/{name}").json()["status"] == "failed"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ([], [("model_attributes_type", ["body"])]),
        ({**SCHEDULE, "requested_cpu": "many"}, [("integer_type", ["body", "requested_cpu"])]),
        ({**SCHEDULE, "requested_memory": 1.5}, [("integer_type", ["body", "requested_memory"])]),
        ({**SCHEDULE, "requested_pool": 7}, [("string_type", ["body", "requested_pool"])]),
        ({**SCHEDULE, "dedicated": "perhaps"}, [("boolean_type", ["body", "dedicated"])]),
        ({**SCHEDULE, "requested_memory": 0}, [("value_error", ["body", "vms[0].memory"])]),
        (
            {"requested_cpu": 4},
            [("missing", ["body", field]) for field in ("requested_memory", "requested_pool", "dedicated")],
        ),
    ],
)
def test_nonsense_for_virtflow(database: Database, body: object, wrong: list[tuple[str, list[str]]]) -> None:
    with served(database, OPEN) as url:
        answer = post(f"{url}/schedule", body)
        assert answer.status_code == 422
        assert [(one["type"], one["loc"]) for one in answer.json()["detail"]] == wrong


def test_strangers_to_virtflow(database: Database) -> None:
    with served(database, OPEN) as url:
        broken = requests.post(f"{url}/schedule", data=b"{", timeout=PATIENCE_SECONDS)
        assert (broken.status_code, broken.json()["detail"][0]["type"]) == (422, "json_invalid")
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        other = {"kind": "release", "name": "x", "id": "ours"}
        assert post(f"{url}/requests", other, headers=bearer).status_code == 202
        # Without a token nobody sees what others asked for.
        for name in ("ours", "nobody"):
            unknown = get(f"{url}/result/{name}")
            assert (unknown.status_code, unknown.json()) == (404, {"detail": "Task ID not found"})
            assert get(f"{url}/status/{name}").json() == {"error": "Task not found"}
        assert post(f"{url}/requests", other).status_code == 401


def request(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "job-1", "namespace": "ci"}, "spec": spec}


def test_vsphere_capacity_manager(database: Database) -> None:
    networks = tuple(
        Network(
            name=f"ci-vlan-{vlan}",
            vlan=vlan,
            cidr="192.168.1.0/24",
            gateway="192.168.1.1",
            dns_servers=("10.0.0.53",),
        )
        for vlan in (1148, 1197)
    )
    for name, excluded in (("dal10", False), ("wdc04", False), ("quiet", True)):
        pool = Pool(
            name=name, server=f"{name}.example.com", datacenter="dc", vcpus=60, memory=800 * GIB,
            storage=5000 * GIB, networks=networks, exclude=excluded,
        )  # fmt: skip
        write_transaction(
            database, lambda repository, pool=pool: save_pool(repository, pool, below_leased=False)
        )
    with served(database, OPEN) as url:
        taken = post(f"{url}/acquire", request(vcpus=24, memory=96, storage=720, vcenters=2, networks=1))
        assert taken.status_code == 200
        leases = taken.json()
        assert {lease["status"]["pool"] for lease in leases} == {"dal10", "wdc04"}
        [first, second] = leases
        assert (first["metadata"]["namespace"], first["spec"]) == ("ci", {})
        assert {name: first["status"][name] for name in ("vcpus", "memory", "storage")} == {
            "vcpus": 24, "memory": 96, "storage": 720,
        }  # fmt: skip
        [port] = first["status"]["port-groups"]
        assert (port["network"], port["cidr"], port["mask"]) == ("ci-vlan-1148", 24, "255.255.255.0")
        pools = {pool["metadata"]["name"]: pool for pool in get(f"{url}/show-pools").json()}
        free = pools["dal10"]["status"]
        assert (free["vcpus-available"], free["memory-available"], free["network-available"]) == (36, 704, 1)
        assert [one["network"] for one in free["active-port-groups"]] == ["ci-vlan-1148"]
        assert [lease["metadata"]["name"] in {first["metadata"]["name"], second["metadata"]["name"]}
                for lease in free["leases"]] == [True]  # fmt: skip
        assert pools["quiet"]["status"]["vcpus-available"] == pools["quiet"]["spec"]["vcpus"] == 60
        # With its documented defaults, in the pool that must be asked for by its name.
        quiet = post(f"{url}/acquire", {"spec": {"required-pool": "quiet"}}).json()
        assert (quiet[0]["status"]["pool"], quiet[0]["status"]["storage"]) == ("quiet", 720)
        # All or nothing: the second pool has too few networks left.
        short = post(f"{url}/acquire", request(networks=1, vcenters=3))
        assert (short.status_code, short.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
        assert short.text == (
            "error acquiring lease: required number of vCenters exceeds the number of fitting pools\n"
        )
        full = post(f"{url}/acquire", request(networks=2))
        assert full.status_code == 500
        assert full.text.startswith("error acquiring lease: no pools with enough resources: ")
        again = {pool["metadata"]["name"]: pool for pool in get(f"{url}/show-pools").json()}
        assert (again["dal10"], again["wdc04"]) == (pools["dal10"], pools["wdc04"])
        back = post(f"{url}/release", {**request(), "status": {"leases": leases}})
        assert (back.status_code, back.text) == (200, "")
        assert post(f"{url}/release", {"metadata": {"name": quiet[0]["metadata"]["name"]}}).status_code == 200
        # Again, and somebody else's: nothing to do.
        assert post(f"{url}/release", {"status": {"leases": leases}}).status_code == 200
        for pool in get(f"{url}/show-pools").json():
            assert (pool["status"]["vcpus-available"], pool["status"]["leases"]) == (60, [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("acquire", []),
        ("acquire", {"spec": 1}),
        ("acquire", {"spec": {"vcpus": "many"}}),
        ("acquire", {"spec": {"memory": 1.5}}),
        ("acquire", {"spec": {"vcenters": -1}}),
        ("release", []),
        ("release", {"status": {"leases": {}}}),
        ("release", {"status": {"leases": [{"metadata": {}}]}}),
    ],
)
def test_nonsense_for_vsphere_capacity_manager(database: Database, path: str, body: object) -> None:
    with served(database, OPEN) as url:
        answer = post(f"{url}/{path}", body)
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert answer.text.endswith("\n")


def test_they_are_off_unless_asked_for_and_take_the_token(database: Database) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with served(database, {}) as url:
        assert post(f"{url}/schedule", SCHEDULE, headers=bearer).status_code == 404
        assert post(f"{url}/acquire", {}, headers=bearer).status_code == 404
    with served(database, {"compatibility": ["virtflow"]}) as url:
        assert post(f"{url}/schedule", SCHEDULE, headers=bearer).status_code == 200
        refused = post(f"{url}/schedule", SCHEDULE)
        assert (refused.status_code, refused.json()) == (
            401,
            {"detail": "a bearer token of the service is required"},
        )
        assert post(f"{url}/acquire", {}, headers=bearer).status_code == 404
    with pytest.raises(InputError, match=r"^http\.compatibility_token is required when http\.host \(10\."):
        ServiceConfig.from_json({"http": {**OPEN, "host": "10.0.0.1", "certificate": "x"}})
