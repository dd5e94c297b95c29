# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated VMmanager 6: its contract, as far as public material tells it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

sys.path.insert(0, str(Path(launch.__file__).parent / "vmmanager"))

from vmm.errors import ApiError, Silent
from vmm.where import parse

Start = Callable[..., launch.Simulator]


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Iterator[Start]:
    running: list[launch.Simulator] = []

    def start(
        *options: str, cluster: Mapping[str, Any] | None = None, **switches: object
    ) -> launch.Simulator:
        directory = tmp_path / f"vmmanager{len(running)}"
        directory.mkdir()
        (directory / "cluster.json").write_text(json.dumps(cluster or snapshot()))
        faults = {"migration_seconds": 0.1, **switches}
        simulator = launch.start(
            "vmmanager", [directory / "cluster.json"], directory, options=options, switches=faults
        )
        running.append(simulator)
        return simulator

    yield start
    for simulator in running:
        simulator.stop()


class Client:
    """Calls, with or without a token."""

    def __init__(self, simulator: launch.Simulator, token: str | None = None) -> None:
        self._url = f"https://{simulator.host}:{simulator.port}"
        self._ca = simulator.ca_path
        self.headers = {} if token is None else {"x-xsrf-token": token}
        self.cookies = {} if token is None else {"ses6": token}

    def call(self, verb: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = requests.request(
            verb,
            f"{self._url}/{path}",
            json=body,
            headers=self.headers,
            cookies=self.cookies,
            verify=self._ca,
            timeout=PATIENCE_SECONDS,
        )
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status_code, answer.json() if is_json else answer.text

    def get(self, path: str) -> Any:
        status, answer = self.call("GET", path)
        assert status == 200, answer
        return answer


def log_in(simulator: launch.Simulator) -> Client:
    credentials = {"email": simulator.user, "password": simulator.password}
    status, answer = Client(simulator).call("POST", "auth/v4/public/token", credentials)
    assert status == 201
    assert set(answer) == {"id", "token", "expires_at", "confirmed"}
    return Client(simulator, answer["token"])


def ended(client: Client, consul: object) -> dict[str, Any]:
    alarm = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < alarm:
        listed = client.get(f"vm/v3/task?where=((consul_id EQ '{consul}') AND (name EQ 'host_migrate'))")[
            "list"
        ]
        if listed and listed[0]["status"] not in ("created", "running", "deferred"):
            task: dict[str, Any] = listed[0]
            return task
        time.sleep(0.02)
    raise AssertionError("it does not end")


def test_a_call_needs_a_token_in_its_header_and_its_cookie(start: Start) -> None:
    simulator = start()
    client = log_in(simulator)
    assert client.get("auth/v4/whoami")["roles"] == ["@admin"]
    refused = (401, {"error": {"code": 3001, "msg": "Unauthorized", "value": {}}})
    assert Client(simulator).call("GET", "vm/v3/node") == refused
    client.cookies = {}
    assert client.call("GET", "vm/v3/node") == refused
    simulator.switches(needs_cookie=False)
    assert client.call("GET", "vm/v3/node")[0] == 200
    simulator.expire_sessions()
    assert client.call("GET", "vm/v3/node") == refused
    wrong = {"email": simulator.user, "password": "guess"}
    assert Client(simulator).call("POST", "auth/v4/public/token", wrong)[0] == 401


def test_tokens_that_last(start: Start) -> None:
    simulator = start("--token", "given")
    status, answer = log_in(simulator).call("POST", "auth/v4/token", {"description": "balancer"})
    assert status == 201
    simulator.expire_sessions()
    for token in ("given", answer["token"]):
        assert Client(simulator, token).get("vm/v3/cluster")["size"] == 1


def test_a_suspended_platform_answers_503_before_anything_else(start: Start) -> None:
    simulator = start(asleep_requests=2)
    for _attempt in range(2):
        assert Client(simulator).call("POST", "auth/v4/public/token", {})[0] == 503
    log_in(simulator)


def test_ids_are_numbers_and_names_are_the_snapshots(start: Start) -> None:
    client = log_in(start())
    assert [(row["id"], row["name"]) for row in client.get("vm/v3/node")["list"]] == [
        (1, "pve1"), (2, "pve2"), (3, "pve3"),
    ]  # fmt: skip
    hosts = client.get("vm/v3/host")
    assert (hosts["size"], hosts["list"][0]["id"], hosts["list"][0]["node"]["name"]) == (14, 100, "pve1")
    assert client.get("vm/v3/host/100") == {"id": 100, "name": "guest100", "node": 1, "state": "active"}


@pytest.mark.parametrize("shape", [2022, 2026])
def test_both_shapes_of_a_node(shape: int, start: Start) -> None:
    row = log_in(start(shape=shape)).get("vm/v3/node")["list"][0]
    if shape == 2022:
        assert (row["cpu_number"], set(row["ram_mib"])) == (16, {"total", "used"})
        assert not {"cpu", "vm", "storage"} & set(row)
    else:
        assert (row["cpu"]["number"], set(row["ram_mib"])) == (16, {"total", "allocated"})
        assert "storage_mib" not in row


@pytest.mark.parametrize("extras", [True, False])
def test_fields_that_not_every_platform_has(extras: bool, start: Start) -> None:
    row = log_in(start(extras=extras)).get("vm/v3/host")["list"][0]
    assert ("snapshot_count" in row, "balancer_mode" in row) == (extras, extras)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("(id EQ 2)", [2]),
        ("id EQ 2", [2]),
        ("((id EQ 2) OR (id EQ 3))", [2, 3]),
        ("((id EQ 1) OR (id EQ 2) OR (id EQ 3))", [1, 2, 3]),
        ("((name EQ 'pve1') AND (state EQ 'active'))", [1]),
        ("(((id EQ 1) AND (name EQ 'pve2')) OR (id EQ 3))", [3]),
        ("(name CP '%ve%')", [1, 2, 3]),
        ("(name CP 'x%')", []),
    ],
)
@pytest.mark.parametrize("space", ["+", "%20"])
def test_filters(text: str, ids: list[int], space: str, start: Start) -> None:
    # A percent sign that stands for itself has to be written as %25.
    asked = text.replace("%", "%25").replace(" ", space)
    answer = log_in(start()).get(f"vm/v3/node?where={asked}")
    assert ([row["id"] for row in answer["list"]], answer["size"]) == (ids, len(ids))


@pytest.mark.parametrize(
    "text",
    ["", "(", "(id EQ 5", "id", "(id NE 5)", "(id EQ (5))", "(wrong EQ 5)", "id EQ 5 AND", "(id EQ 5))"],
)
def test_a_filter_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        parse(text, ["id"])


def test_a_filter_on_a_related_object_ends_as_it_is_reported_to() -> None:
    with pytest.raises(Silent):
        parse("(cluster EQ 1)", ["id", "cluster"])({"id": 1, "cluster": {"id": 1}})


def test_lists_come_in_parts_where_they_are_told_to(start: Start) -> None:
    client = log_in(start(page=2))
    first = client.get("vm/v3/node")
    assert ([row["id"] for row in first["list"]], first["size"]) == ([1, 2], 3)
    assert [row["id"] for row in client.get("vm/v3/node?limit=2,5")["list"]] == [3]
    assert [row["id"] for row in client.get("vm/v3/node?limit=1")["list"]] == [1]


def test_a_migration_names_the_guest_and_its_task(start: Start) -> None:
    simulator = start()
    client = log_in(simulator)
    targets = client.get("vm/v3/host/110/migrate")["nodes"]
    assert [(row["id"], row["suitable"]) for row in targets] == [(2, True), (3, True)]
    status, answer = client.call("POST", "vm/v3/host/110/migrate", {"node": 3})
    assert (status, answer["id"]) == (201, 110)
    assert ended(client, answer["task"])["status"] == "complete"
    assert simulator.state()["guests"]["110"]["host"] == "3"
    history = client.get("vm/v3/host/110/history")
    assert [(entry["name"], entry["state"]) for entry in history["list"]] == [("host_migrate", "complete")]
    assert history["max_id"] == history["list"][0]["id"]
    assert [(move["guest"], move["state"]) for move in simulator.state()["migrations"]] == [("110", "done")]


def test_what_the_platform_does_not_begin(start: Start) -> None:
    simulator = start(migration_seconds=30, unsuitable={"110": [2]})
    client = log_in(simulator)
    for body in ({"node": 1}, {"node": 2}, {"node": 9}, {"node": "3"}, {}):
        assert client.call("POST", "vm/v3/host/110/migrate", body)[0] == 400
    assert client.call("POST", "vm/v3/host/999/migrate", {"node": 1})[0] == 400
    assert client.call("POST", "vm/v3/host/110/migrate", {"node": 3})[0] == 201
    status, answer = client.call("POST", "vm/v3/host/110/migrate", {"node": 3})
    assert (status, answer["error"]["msg"]) == (400, "the virtual machine is locked by a task")
    simulator.switches(error_status=200)
    status, answer = client.call("POST", "vm/v3/host/110/migrate", {"node": 3})
    assert (status, "error" in answer) == (200, True)
    assert len(simulator.state()["migrations"]) == 1


@pytest.mark.parametrize(
    ("fault", "status", "place", "power"),
    [
        ({"at_percent": 50}, "failed", "1", "running"),
        ({"error": "OK"}, "complete", "1", "running"),
        ({"error": "STOPPED"}, "complete", "2", "stopped"),
    ],
)
def test_a_migration_ends_as_it_is_told_to(
    fault: dict[str, object], status: str, place: str, power: str, start: Start
) -> None:
    simulator = start(fail_word="failed", fail_migrations=[{"guest": "110", **fault}])
    client = log_in(simulator)
    _status, answer = client.call("POST", "vm/v3/host/110/migrate", {"node": 2})
    assert ended(client, answer["task"])["status"] == status
    guest = simulator.state()["guests"]["110"]
    assert (guest["host"], guest["power"]) == (place, power)


def test_a_task_is_listed_late_and_aborted(start: Start) -> None:
    simulator = start(listing_seconds=2, defer_seconds=0.1, migration_seconds=60)
    client = log_in(simulator)
    _status, answer = client.call("POST", "vm/v3/host/110/migrate", {"node": 2})
    asked = f"vm/v3/task?where=(consul_id+EQ+{answer['task']})"
    assert client.get(asked)["list"] == []
    assert client.get("vm/v3/host/110/history")["list"] == []
    assert simulator.state()["guests"]["110"]["lock"] == "host_migrate"
    time.sleep(2)
    (task,) = client.get(asked)["list"]
    assert task["status"] == "running"
    assert client.call("POST", f"vm/v3/task/{task['id']}/abort", {})[0] == 201
    assert client.get(f"vm/v3/task/{task['id']}")["task"]["status"] == "aborted"
    assert client.call("POST", f"vm/v3/task/{task['id']}/abort", {})[0] == 400
    assert simulator.state()["guests"]["110"] == {
        "host": "1", "power": "running", "run_state": None, "lock": None,
    }  # fmt: skip


def test_both_ends_hold_the_memory_of_a_guest_under_way(start: Start) -> None:
    simulator = start(migration_seconds=30)
    before = simulator.state()["peak"]
    log_in(simulator).call("POST", "vm/v3/host/110/migrate", {"node": 2})
    after = simulator.state()["peak"]
    gib = 1024**3
    assert after["2"]["memory"] - before["2"]["memory"] == 4 * gib
    assert after["1"] == before["1"]


def test_a_snapshot_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    wrong = snapshot()
    wrong["guests"][0]["disks"] = [{"datastore": "nowhere", "size": 1}]
    (tmp_path / "cluster.json").write_text(json.dumps(wrong))
    with pytest.raises(launch.LaunchError, match=r"guest '100' has a disk on 'nowhere'"):
        launch.start("vmmanager", [tmp_path / "cluster.json"], tmp_path)
