# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them, by ansible-runner, on a simulated Proxmox VE: submit, read status and artifacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.variables import (
    STATE_VARIABLE,
    VARIABLES,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support import awx_job
from ansible_collections.evenkeel.cluster.tests.support.awx_job import Credential, Launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

SECRET = "e1c2a7b0-0000-4000-8000-5ec2e7000000"
INVENTORY: dict[str, Any] = {
    "clusters": {"hosts": ["production"]},
    "_meta": {"hostvars": {"production": {"balance_platform": "proxmox", "place_verify_interval": 1}}},
}
ANSWERS = {"vm_name": "web##", "vm_count": 2, "vm_network": "lan", "request_id": "order-7"}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[launch.Simulator]:
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(generate(Shape(hosts=4, guests=20, storage=2000)).to_json()))
    token = f"keel@pve!balance={SECRET}"
    with launch.start("proxmox", [cluster], tmp_path / "sim", options=["--token", token]) as served:
        yield served


class Desk:
    """Where jobs are launched: the credentials of one cluster and of one database."""

    def __init__(self, folder: Path, simulator: launch.Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self.jobs = 0
        by = {"user": "keel@pve", "token_id": "balance", "token_secret": SECRET}
        where = {"host": simulator.host, "port": str(simulator.port)}
        ca = Path(simulator.ca_path).read_text()
        self.credentials = (
            Credential("proxmox", {**where, **by, "ca": ca}),
            Credential("state", {"url": f"sqlite:///{folder}/state.db"}),
        )

    def launch(self, template: str, job_type: str = "run", **extra_vars: object) -> dict[str, Any]:
        self.jobs += 1
        folder = self.folder / f"awx_{self.jobs}"
        folder.mkdir()
        given = Launch(template, extra_vars, INVENTORY, self.credentials, job_type)
        return awx_job.run(given, folder, self.jobs)

    def guests(self) -> dict[str, str]:
        """The host of each guest, by id."""
        return {number: guest["host"] for number, guest in self.simulator.state()["guests"].items()}


@pytest.fixture
def desk(tmp_path: Path, simulator: launch.Simulator) -> Desk:
    return Desk(tmp_path, simulator)


def test_a_job_creates_what_the_survey_asks_for(desk: Desk) -> None:
    before = desk.guests()
    job = desk.launch("create_vms", **ANSWERS)
    told = job["artifacts"]["evenkeel_pipeline"]
    assert (job["status"], told["status"], told["lease"]) == ("successful", "done", "order-7")
    after = desk.guests()
    created = [host for number, host in after.items() if number not in before]
    assert set(told["hosts"]) == {"web01", "web02"}
    assert sorted(created) == sorted(told["hosts"].values())
    assert len(set(created)) == 2


def test_a_job_that_fails_says_why(desk: Desk) -> None:
    before = desk.guests()
    job = desk.launch("create_vms", **{**ANSWERS, "vm_memory": 4000})
    told = job["artifacts"]["evenkeel_pipeline"]
    assert (job["status"], told["status"], told["cluster"]) == ("failed", "failed", None)
    assert "0 of 4 hosts fit: 3 memory, 1 cpu" in told["error"]
    assert told["error"] == job["failures"][-1]
    assert desk.guests() == before


def test_a_place_and_a_lease_are_answers_too(desk: Desk) -> None:
    place = desk.launch("place", place_vms=[{"name": "db{{ 1 }}", "cpu": 2, "memory": "4G"}])
    assert place["status"] == "successful"
    # What a launch gives is no template.
    assert place["artifacts"]["evenkeel_place"]["vms"]["db{{ 1 }}"]["host"].startswith("host")

    place = desk.launch("place", place_vms=[{"name": "db1", "cpu": 2, "memory": "-4G"}])
    assert place["status"] == "failed"
    assert "vms[0].memory" in place["artifacts"]["evenkeel_place"]["error"]

    lease = desk.launch("lease", lease_name="order-8", lease_vcpus=4)
    assert lease["status"] == "failed"
    assert lease["artifacts"]["evenkeel_lease"]["order-8"]["phase"] == "Failed"
    assert "no pool is defined" in lease["artifacts"]["evenkeel_lease"]["order-8"]["reason"]

    lease = desk.launch("lease", lease_name="order-8", lease_pools=0)
    assert lease["artifacts"]["evenkeel_lease"]["order-8"]["phase"] == "Fulfilled"


def test_answers_of_surveys_reach_the_roles(desk: Desk) -> None:
    before = desk.guests()
    check = desk.launch("check", request_goal="rules")
    assert check["status"] == "successful", check
    assert check["artifacts"]["evenkeel_balance"]["production"]["plan"]["status"]
    assert desk.guests() == before

    balance = desk.launch("balance", request_goal="spread", request_max_migrations=1)
    assert balance["status"] == "successful", balance
    outcome = balance["artifacts"]["evenkeel_balance"]["production"]["outcome"]
    moved = [number for number, host in desk.guests().items() if before[number] != host]
    assert len(moved) == outcome["migrated"] <= 1

    nothing = desk.launch("check", request_goal="storage", request_datastores="nfs1, no-such")
    assert nothing["status"] == "failed"
    error = nothing["artifacts"]["evenkeel_balance"]["production"]["error"]
    assert "no datastore has the name or id 'n" in error

    nobody = desk.launch("evacuate", "check", request_hosts="nohost")
    assert nobody["status"] == "failed"
    assert "nohost" in nobody["artifacts"]["evenkeel_balance"]["production"]["error"]

    pool = desk.launch("lease", lease_name="order-9", request_vcpus=4, request_memory=8)
    assert "no pool is defined" in pool["artifacts"]["evenkeel_lease"]["order-9"]["reason"]
    reaped = desk.launch("reap")
    assert (reaped["status"], reaped["artifacts"]["evenkeel_reaped"]) == ("successful", [])


def test_the_command_line_of_ansible_runner_does_the_same(desk: Desk) -> None:
    folder = desk.folder / "job"
    wanted = [{"name": "db1", "cpu": 2, "memory": "4G"}]
    given = Launch("place", {"place_vms": wanted}, INVENTORY, desk.credentials)
    folder.mkdir()
    environment = awx_job.lay_out(given, awx_job.read("job_templates", "place"), folder, 1)
    (folder / "env" / "envvars").write_text(yaml.safe_dump(environment))
    command = [str(Path(sys.executable).parent / "ansible-runner"), "run", str(folder), "-p", "place.yml"]
    command += ["--ident", "1"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    artifacts = folder / "artifacts" / "1"
    assert (artifacts / "status").read_text() == "successful"
    events = [json.loads(file.read_text()) for file in (artifacts / "job_events").glob("*-*.json")]
    assert "db1" in awx_job.shown(1, "successful", events)["artifacts"]["evenkeel_place"]["vms"]


def test_a_launch_without_a_needed_answer_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="'vm_name' value missing"):
        desk.launch("create_vms")


def test_every_question_has_its_place_in_the_playbook() -> None:
    playbook = (awx_job.EXTENSION / "project" / "create_vms.yml").read_text()
    asked = [one["variable"] for one in awx_job.read("surveys", "create_vms")["spec"]]
    assert [name for name in asked if name not in playbook] == []


TYPES = sorted(file.stem for file in (awx_job.EXTENSION / "credential_types").iterdir())


@pytest.mark.parametrize("kind", TYPES)
def test_every_credential_type_sets_what_modules_read(kind: str, tmp_path: Path) -> None:
    fields = awx_job.read("credential_types", kind)["inputs"]["fields"]
    inputs = {one["id"]: f"my {one['id']}" for one in fields}
    environment = awx_job.inject(Credential(kind, inputs), tmp_path)
    known = {name for variables in VARIABLES.values() for name in variables.values()}
    assert set(environment) <= {*known, STATE_VARIABLE, "PROMETHEUS_URL", "PROMETHEUS_TOKEN"}
    files = [Path(value).read_text() for name, value in environment.items() if name.endswith("_CA_PATH")]
    assert files == (["my ca"] if "ca" in inputs else [])


def test_job_slices_divide_the_clusters_by_name() -> None:
    hosts = [f"c{number}" for number in range(1, 8)]
    inventory = {
        "clusters": {"hosts": list(reversed(hosts)), "vars": {"balance_platform": "proxmox"}},
        "_meta": {"hostvars": {host: {"balance_api_host": host} for host in hosts}},
    }
    slices = awx_job.sliced(inventory, 3)
    assert [sorted(part["clusters"]["hosts"]) for part in slices] == [
        ["c1", "c4", "c7"],
        ["c2", "c5"],
        ["c3", "c6"],
    ]
    assert {host for part in slices for host in part["_meta"]["hostvars"]} == set(hosts)
    assert all(part["clusters"]["vars"] == {"balance_platform": "proxmox"} for part in slices)
