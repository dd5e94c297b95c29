# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service takes requests by HTTP against a simulated Proxmox VE, and is killed and stopped."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook, WebhookVerificationError

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import task_named
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator, start
from ansible_collections.evenkeel.cluster.tests.support import receiver
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options, run_module
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.receiver import Got, Receiver
from ansible_collections.evenkeel.cluster.tests.support.service import TOKEN, Service

SECRETS = {"ci": "whsec_" + "Q2kh" * 10, "audit": "whsec_" + "QXVk" * 10}
PASSWORD = "pve-passw0rd-of-the-tests"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """Everything that a test needs to know of it."""

    folder: Path
    service: Service
    simulator: Simulator
    receivers: dict[str, Receiver]

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def leases(self) -> list[tuple[str, str]]:
        """Name and phase of every lease there ever was."""
        with sqlite3.connect(self.state) as database:
            return [tuple(row) for row in database.execute("SELECT name, phase FROM capacity_lease")]

    def guests(self, name: str) -> list[str]:
        """The hosts of the guests of that name, as the platform tells."""
        options = connection_options(self.simulator.connection)
        seen = run_module("cluster_facts", self.folder, options)["ansible_facts"]["evenkeel_snapshot"]
        return [guest["host"] for guest in seen["guests"] if guest["name"] == name]

    def close(self, gate: str) -> Path:
        """Let creation wait at a gate; gives the file that tells that it does."""
        reached = self.folder / f"{gate}.reached"
        reached.unlink(missing_ok=True)
        (self.folder / f"{gate}.closed").touch()
        return reached

    def open(self, gate: str) -> None:
        (self.folder / f"{gate}.closed").unlink()

    def called(self, name: str, request: str) -> list[Got]:
        """The calls of a receiver about a request, at least one of them, each verified."""
        self.service.until(lambda: self.receivers[name].got(request))
        calls = self.receivers[name].got(request)
        for call in calls:
            # Not by `verify`, which refuses what is older than five minutes: this machine may be slow.
            at = datetime.fromtimestamp(int(call.headers["webhook-timestamp"]), UTC)
            signed = Webhook(SECRETS[name]).sign(call.id, at, call.body)
            assert signed == call.headers["webhook-signature"]
        return calls


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site")) as found:
        yield found


@contextmanager
def running(folder: Path, *, rulebook: bool = False) -> Iterator[Site]:
    """A cluster, receivers and the service, which says nothing secret."""
    cluster = folder / "cluster.json"
    cluster.write_text(json.dumps(generate(Shape(hosts=4, guests=20, seed=7)).to_json()))
    # Another, in which there is no room for anything.
    closed = generate(Shape(hosts=2, guests=4, seed=8)).to_json()
    for host in closed["hosts"]:
        host["maintenance"] = True
    (folder / "closed.json").write_text(json.dumps(closed))
    with (
        start("proxmox", [cluster], folder / "simulator", password=PASSWORD) as simulator,
        receiver.running(folder / "ci") as ci,
        receiver.running(folder / "audit") as audit,
    ):
        options = connection_options(simulator.connection)
        password = options.pop("api_password")
        variables = {f"balance_{name}": value for name, value in options.items()}
        variables |= {"service_create_tasks": str(HERE / "create.yml"), "service_gates": str(folder)}
        rehearsal = {
            "balance_platform": "rehearsal",
            "balance_rehearsal_path": str(folder / "closed.json"),
        }
        config = {
            "http": {"port": 0},
            "receivers": [
                {"name": "ci", "url": ci.url, "secret_env": "HOOK_CI"},
                {
                    "name": "audit", "url": audit.url, "secret_file": str(folder / "audit.secret"),
                    "always": False, "timeout": 2,
                },
            ],
            "work": {"poll": 0.5, "tries": {"tries": 3, "first_seconds": 0.2, "most_seconds": 1}},
            "callbacks": {"tries": 100, "first_seconds": 0.2, "most_seconds": 5},
        }  # fmt: skip
        (folder / "audit.secret").write_text(SECRETS["audit"] + "\n")
        service = Service(
            folder / "service",
            config,
            f"sqlite:///{folder}/state.db",
            inventory={"clusters": {"hosts": {"closed": rehearsal, "prod": variables}}},
            # As talkative as can be: no secret may be in what it says.
            environment={"HOOK_CI": SECRETS["ci"], "PROXMOX_PASSWORD": password, "ANSIBLE_VERBOSITY": "4"},
            rulebook=rulebook,
        )
        service.start()
        try:
            yield Site(folder, service, simulator, {"ci": ci, "audit": audit})
        finally:
            service.stop()
        # Nothing secret is in what it has said or kept.
        everything = service.said().encode() + b"".join(
            file.read_bytes() for file in folder.glob("state.db*")
        )
        for secret in (TOKEN, PASSWORD, *SECRETS.values()):
            assert secret.encode() not in everything


def vm(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "cpu": 1, "memory": "1G", **more}


def test_submit_and_poll(site: Site) -> None:
    service, folder = site.service, site.folder
    pool = {"state_url": service.state_url, "name": "dal10", "vcpus": 8, "memory": "64G", "storage": 0}
    assert "failed" not in run_module("capacity_pool", folder, pool)
    asked = {"id": "build-1", "kind": "lease", "vcpus": 6, "memory": "16G", "notify": ["audit"]}
    taken = service.post(asked)
    assert (taken.status_code, taken.headers["Location"]) == (202, "/requests/build-1")
    assert taken.json() == {"id": "build-1", "kind": "lease", "status": "processing"}
    done = service.ended("build-1")
    assert (done["status"], done["tries"], done["error"]) == ("completed", 1, None)
    assert done["result"]["lease"]["pools"][0]["name"] == "dal10"
    assert done["result"]["lease"]["request"]["memory"] == 16 * 1024**3
    # The same again is the same request; another of that id is refused.
    again = service.post(asked)
    assert (again.status_code, again.json()["status"]) == (200, "completed")
    other = service.post({**asked, "vcpus": 7})
    assert (other.status_code, other.json()["error"]["type"]) == (409, "RequestDiffers")
    # There is no room for another, and it does not wait; one that waits gets it.
    without = service.post({"kind": "lease", "vcpus": 6}).json()["id"]
    patient = service.post({"kind": "lease", "vcpus": 6, "wait": 100, "name": "patient"}).json()["id"]
    failed = service.ended(without)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "NotFulfilled")
    assert service.post({"id": "back-1", "kind": "release", "name": "build-1"}).status_code == 202
    assert service.ended("back-1")["result"]["lease"]["phase"] == "Released"
    assert service.ended(patient)["result"]["lease"]["phase"] == "Fulfilled"
    # What can't be is not tried again.
    strange = service.post({"kind": "lease", "vcpus": 1, "required_pools": ["nowhere"]}).json()["id"]
    failed = service.ended(strange)
    assert (failed["tries"], failed["error"]["type"]) == (1, "UnknownPool")
    assert "nowhere" in failed["error"]["message"]
    for name, expected in (("ci", 1), ("audit", 1)):
        calls = site.called(name, "build-1")
        assert len(calls) == expected
        assert (calls[0].path, calls[0].request["status"]) == ("/hooks", "completed")
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRETS[name]).verify(calls[0].body.replace("dal10", "dal11"), calls[0].headers)
        stale = {**calls[0].headers, "webhook-timestamp": "1700000000"}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRETS[name]).verify(calls[0].body, stale)
    assert site.called("ci", strange)[0].request["error"]["type"] == "UnknownPool"
    assert site.receivers["audit"].got(strange) == []
    info = run_module("service_info", folder, {"state_url": service.state_url, "ids": ["build-*"]})
    assert [(one["id"], one["status"], len(one["callbacks"])) for one in info["requests"]] == [
        ("build-1", "completed", 2)
    ]


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ([], "request", "an object"),
        ({}, "kind", "one of place, spare, lease, renew, release, which is required"),
        ({"kind": "destroy"}, "kind", "one of place, spare, lease, renew, release"),
        ({"kind": "lease"}, "vcpus", "a number above 0, which is required when"),
        ({"kind": "lease", "vcpus": -1}, "vcpus", "a number from 0 to 999999"),
        ({"kind": "lease", "vcpus": 1, "memory": "much"}, "memory", "a size of at least 0, such as 96G"),
        ({"kind": "lease", "vcpus": 1, "wait": -1}, "wait", "a number from 0 to 2592000"),
        ({"kind": "lease", "vcpus": 1, "id": "../x"}, "id", "an id of up to 120 letters, digits and .:_-"),
        ({"kind": "lease", "vcpus": 1, "id": 7}, "id", "a text"),
        ({"kind": "lease", "vcpus": 1, "colour": 1}, "colour", "a known field"),
        ({"kind": "lease", "vcpus": 1, "notify": ["boss"]}, "notify[0]", "one of ci, audit"),
        ({"kind": "place", "vms": []}, "vms", "at least one guest, which is required"),
        ({"kind": "place", "vms": "web"}, "vms", "a list"),
        ({"kind": "place", "vms": [{"name": "x"}]}, "vms[0].cpu", "a value, which is required"),
        ({"kind": "place", "vms": [vm("x", disks=[{"size": "-1"}])]}, "vms[0].disks[0].size", "a size"),
        ({"kind": "place", "vms": [vm("x", hosts={"regex": "("})]}, "vms[0].hosts.regex", "a regular"),
        ({"kind": "release"}, "name", "a value, which is required"),
        ({"kind": "renew", "name": "x", "lifetime": 0}, "lifetime", "a number from 1 to"),
    ],
)
def test_nonsense_is_refused(site: Site, body: object, field: str, expected: str) -> None:
    answer = site.service.post(body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["field"]) == (400, "InputError", field)
    assert error["expected"].startswith(expected)
    assert set(error) == {"type", "message", "field", "value", "expected"}


def test_the_door_is_guarded(site: Site) -> None:
    url = f"{site.service.url}/requests"
    for header in (None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff\xfe"):
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        answer = requests.post(
            url, json={"kind": "lease", "vcpus": 1}, headers=headers, timeout=PATIENCE_SECONDS
        )
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "Unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert requests.get(f"{site.service.url}/health", timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
    assert site.service.get("nobody-asked").status_code == 404
    assert site.service.get("%2e%2e").status_code == 404
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.delete(f"{url}/x", headers=bearer, timeout=PATIENCE_SECONDS).status_code == 405
    large = requests.post(url, data=b"[" * 2_000_000, headers=bearer, timeout=PATIENCE_SECONDS)
    assert (large.status_code, large.json()["error"]["type"]) == (413, "TooLarge")
    for body in (b"{", b"\xff", b"[" * 100_000, b"NaN"):
        broken = requests.post(url, data=body, headers=bearer, timeout=PATIENCE_SECONDS)
        assert (broken.status_code, broken.json()["error"]["field"]) == (400, "request")


def test_place(site: Site) -> None:
    service = site.service
    # All at the same time: whoever is faster is seen by the others.
    service.post({"id": "huge", "kind": "place", "vms": [vm("huge", memory="90000G")]})
    for name in ("web", "db"):
        service.post({"id": name, "kind": "place", "vms": [vm(f"{name}#", count=2)], "lifetime": 3600})
    for name in ("web", "db"):
        done = service.ended(name)
        assert (done["status"], done["error"]) == ("completed", None)
        placed = {one["name"]: one["host_id"] for one in done["result"]["vms"]}
        assert sorted(placed) == [f"{name}1", f"{name}2"]
        assert {one: site.guests(one) for one in placed} == {one: [host] for one, host in placed.items()}
        assert done["result"]["lease"]["name"] == name
    failed = service.ended("huge")
    assert (failed["status"], failed["tries"], failed["error"]["type"]) == ("failed", 1, "NoRoom")
    assert "0 of 4 hosts fit" in failed["error"]["message"]
    # A platform that does not answer may answer later, and is not asked for ever.
    site.simulator.switches(fail_calls=[{"call": "*", "error": 503}])
    service.post({"id": "down", "kind": "place", "vms": [vm("down")]})
    failed = service.ended("down")
    site.simulator.switches(fail_calls=[])
    assert (failed["status"], failed["tries"]) == ("failed", 3)
    assert failed["error"]["message"].startswith("Failed after 3 tries; the last error was: ")
    assert "no answer: the login failed with status 503" in failed["error"]["message"]


@pytest.mark.parametrize(
    ("children", "gate"), [(False, "before"), (True, "after")], ids=["group", "everything"]
)
def test_killed_in_between(site: Site, children: bool, gate: str) -> None:
    """A request was just accepted; another has its place held and its guest is to be created, or was; of a
    third a receiver was called, that hangs.
    """
    service, audit, ci = site.service, site.receivers["audit"], site.receivers["ci"]
    told, midway, accepted = (f"{moment}-{gate}" for moment in ("told", "midway", "accepted"))
    audit.mode("hang")
    service.post({"id": told, "kind": "release", "name": "nothing", "notify": ["audit"]})
    first = site.called("audit", told)[0]
    # One that hangs holds nobody up.
    assert len(site.called("ci", told)) == 1
    reached = site.close(gate)
    service.post({"id": midway, "kind": "place", "vms": [vm(midway)]})
    service.until(reached.exists)
    assert site.leases().count((midway, "Fulfilled")) == 1
    asked = {"id": accepted, "kind": "place", "vms": [vm(accepted)]}
    assert service.post(asked).status_code == 202
    service.kill(children=children)
    site.open(gate)
    audit.mode("302")
    known = len(audit.got(told))
    service.start()
    # It is tried again while it does not answer well.
    service.until(lambda: len(audit.got(told)) > known)
    audit.mode("204")
    for name in (midway, accepted):
        done = service.ended(name)
        assert (done["status"], done["error"]) == ("completed", None)
        assert site.guests(name) == [done["result"]["vms"][0]["host_id"]]
        assert [lease for lease in site.leases() if lease[0] == name] == [(name, "Fulfilled")]
        assert len({call.id for call in site.called("ci", name)}) == 1
    service.until(lambda: _callbacks(service, told) == {"ci": "delivered", "audit": "delivered"})
    calls = site.called("audit", told)
    assert ({call.id for call in calls}, {call.path for call in calls}) == ({first.id}, {"/hooks"})
    assert len({call.headers["webhook-timestamp"] for call in calls}) > 1
    # Who was told before the kill is not told again.
    assert len(ci.got(told)) == 1


def test_a_receiver_that_is_gone_is_left_alone(site: Site) -> None:
    service, audit = site.service, site.receivers["audit"]
    audit.mode("410")
    service.post({"id": "gone", "kind": "release", "name": "nothing", "notify": ["audit"]})
    service.until(lambda: _callbacks(service, "gone") == {"ci": "delivered", "audit": "failed"})
    assert service.get("gone").json()["callbacks"][0]["error"] == "it answered 410"
    assert len(audit.got("gone")) == 1
    audit.mode("204")


@pytest.mark.parametrize("hurry", [False, True], ids=["in time", "too long"])
def test_stopped_in_between(site: Site, hurry: bool) -> None:
    """It takes no more requests, waits for the playbooks that run, and ends them when it is told again."""
    service = site.service
    name, waiting = f"stopped-{hurry}", f"waiting-{hurry}"
    reached = site.close("before")
    service.post({"id": name, "kind": "place", "vms": [vm(name)]})
    service.until(reached.exists)
    service.terminate()
    service.until(lambda: "waiting at most" in service.said())
    with pytest.raises(requests.ConnectionError):
        service.post({"id": waiting, "kind": "release", "name": "nothing"})
    if hurry:
        service.terminate()
        assert service.ended_by_itself() == 0
        assert "1 requests were handed over" in service.said()
        site.open("before")
        with open_database(service.state_url) as database:
            task = task_named(database, name)
        # To be stopped is no failed try.
        assert task is not None
        assert (task.status, task.tries, task.claim, task.error) == ("processing", 0, None, None)
    else:
        site.open("before")
        assert service.ended_by_itself() == 0
        assert site.guests(name) != []
    service.start()
    done = service.ended(name)
    assert (done["status"], done["tries"], done["error"]) == ("completed", 1, None)
    assert site.guests(name) == [done["result"]["vms"][0]["host_id"]]
    assert len({call.id for call in site.called("ci", name)}) == 1


def test_a_playbook_that_is_killed_alone(site: Site) -> None:
    service = site.service
    reached = site.close("after")
    service.post({"id": "alone", "kind": "place", "vms": [vm("alone")]})
    service.until(reached.exists)
    with open_database(service.state_url) as database:
        task = task_named(database, "alone")
        assert task is not None
        assert task.worker is not None
        os.kill(task.worker.pid, signal.SIGKILL)
        service.until(lambda: service.get("alone").json()["tries"] == 1)
        site.open("after")
    done = service.ended("alone")
    assert (done["status"], done["tries"]) == ("completed", 2)
    assert site.guests("alone") == [done["result"]["vms"][0]["host_id"]]


def _callbacks(service: Service, request: str) -> dict[str, str]:
    return {one["receiver"]: one["status"] for one in service.get(request).json().get("callbacks", [])}
