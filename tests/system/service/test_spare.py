# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spare VMs: prepared, checked, removed with their lease, and killed in the middle of all that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import release
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.repository import Repository
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.removals import request_removals
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    accept,
    purge,
    task_named,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.retry_policy import RetryPolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.report import request_report
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants

TASKS = Path(__file__).resolve().parents[3] / "playbooks" / "tasks"
WORK = ServiceConfig.from_json({"work": {"running": 1}}).work
GATED = """\
- ansible.builtin.include_tasks: {tasks}/{name}
- ansible.builtin.file: {{path: {folder}/reached, state: touch, mode: "0600"}}
- ansible.builtin.wait_for: {{path: {folder}/closed, state: absent, sleep: 1}}
"""


@dataclass(frozen=True)
class Site:
    """One cluster by rehearsal, perhaps another that has nothing to do with it, and a database."""

    folder: Path
    database: Database

    def guests(self, name: str, cluster: str = "prod") -> int:
        snapshot = json.loads((self.folder / f"{cluster}.json").read_text())
        return sum(guest["name"] == name for guest in snapshot["guests"])

    def ask(self, name: str, **more: Any) -> None:
        asked = parse_request({"id": name, "kind": "spare", "vm": vm(name), **more})
        terms = Terms(origin="http", budget=RetryPolicy(tries=3, first_seconds=0.01, most_seconds=0.01))
        accept(self.database, asked, terms)

    def report(self, name: str) -> dict[str, Any]:
        task = task_named(self.database, name)
        assert task is not None
        return request_report(self.database, task)

    def begin(self, **variables: object) -> subprocess.Popen[bytes]:
        """The playbook for the request that is due."""
        tasks: Sequence[Any] = ()
        alarm = time.monotonic() + PATIENCE_SECONDS
        while not tasks:
            assert time.monotonic() < alarm
            tasks = dispatch(self.database, this_process(), WORK)
        event = {"evenkeel_request": {"id": tasks[0].id, "kind": tasks[0].kind, "claim": tasks[0].claim}}
        programs = Path(sys.executable).parent
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "EVENKEEL_"))
        }
        environment = {
            **kept,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "EVENKEEL_STATE_URL": f"sqlite:///{self.folder}/state.db",
        }
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    programs / "ansible-playbook", "evenkeel.cluster.request", "-i", "clusters.json",
                    "-e", json.dumps({"ansible_eda": {"event": event}}), "-e", json.dumps(variables),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=environment,
            )  # fmt: skip

    def turn(self, **variables: object) -> None:
        """The request that is due, to the end of its playbook."""
        self.begin(**variables).wait(PATIENCE_SECONDS)

    def killed(self, **variables: object) -> None:
        """The same, killed with everything that it has started when it has reached the gate."""
        (self.folder / "closed").touch()
        process = self.begin(**variables)
        alarm = time.monotonic() + PATIENCE_SECONDS
        while not (self.folder / "reached").exists():
            assert process.poll() is None, self.said()
            assert time.monotonic() < alarm, self.said()
            time.sleep(0.05)
        for victim in [process.pid, *descendants(process.pid)]:
            # One may end by itself meanwhile, as those that Ansible starts for a moment.
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        process.wait()
        (self.folder / "reached").unlink()
        (self.folder / "closed").unlink()

    def gated(self, name: str) -> str:
        """Tasks that wait at the gate when they have done their work."""
        path = self.folder / f"gated_{name}"
        path.write_text(GATED.format(tasks=TASKS, name=name, folder=self.folder))
        return str(path)

    def leases(self, name: str) -> list[str]:
        def read(repository: Repository) -> list[str]:
            return [lease.phase for lease in repository.leases() if lease.name == name]

        return read_transaction(self.database, read)

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-6000:]


def vm(name: str) -> dict[str, Any]:
    return {"name": name, "cpu": 1, "memory": "1G"}


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    names: Sequence[str] = getattr(request, "param", ("prod",))
    hosts = {}
    for seed, name in enumerate(names, 7):
        snapshot = generate(Shape(hosts=3, guests=6, seed=seed)).to_json()
        snapshot["cluster"] = {"id": name, "name": name}
        if name == "lab":
            # It has no room.
            for host in snapshot["hosts"]:
                host["schedulable"] = False
        (tmp_path / f"{name}.json").write_text(json.dumps(snapshot))
        hosts[name] = {
            "balance_platform": "rehearsal",
            "balance_rehearsal_path": str(tmp_path / f"{name}.json"),
            "service_create_tasks": str(TASKS / "create_on_rehearsal.yml"),
            "service_remove_tasks": str(TASKS / "remove_from_rehearsal.yml"),
        }
    (tmp_path / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        yield Site(tmp_path, database)


@pytest.mark.parametrize("site", [("prod", "lab")], ids=["two clusters"], indirect=True)
def test_a_spare_vm_is_ready_and_goes_with_its_lease(site: Site) -> None:
    site.ask("spare-1", lifetime="40d")
    before = (site.folder / "prod.json").read_text()
    checked = [
        sys.executable,
        "-c",
        "import sys; open(sys.argv[1], 'a').write('x')",
        str(site.folder / "{vm}.checked"),
    ]
    # Killed when the VM has just been created.
    site.killed(service_create_tasks=site.gated("create_on_rehearsal.yml"))
    assert (site.guests("spare-1"), site.leases("spare-1")) == (1, ["Fulfilled"])
    assert site.report("spare-1")["removal"]["status"] == "waiting"
    assert request_removals(site.database) == []
    site.turn(service_check_command=checked)
    report = site.report("spare-1")
    assert (report["status"], report["error"]) == ("completed", None), site.said()
    assert report["result"]["vms"][0]["name"] == "spare-1"
    assert (site.guests("spare-1"), report["callbacks"]) == (1, [])
    assert [file.name for file in site.folder.glob("**/*.checked")] == ["spare-1.checked"]
    # It lives with its lease, and is not forgotten before.
    assert (request_removals(site.database), purge(site.database, 0)) == ([], 0)
    # A guest of that name elsewhere is none of ours.
    lab = json.loads((site.folder / "lab.json").read_text())
    lab["guests"][0]["name"] = "spare-1"
    (site.folder / "lab.json").write_text(json.dumps(lab))
    write_transaction(site.database, lambda repository: release(repository, "spare-1", None))
    [removal] = request_removals(site.database)
    assert request_removals(site.database) == []
    assert site.report("spare-1")["removal"]["id"] == removal
    # Killed when it has just been removed.
    site.killed(service_remove_tasks=site.gated("remove_from_rehearsal.yml"))
    assert site.report("spare-1")["removal"]["status"] == "processing"
    site.turn()
    assert site.report("spare-1")["removal"]["status"] == "completed", site.said()
    assert (site.guests("spare-1"), site.guests("spare-1", "lab")) == (0, 1)
    after, was = (json.loads((site.folder / "prod.json").read_text()), json.loads(before))
    assert after["guests"] == was["guests"]
    assert site.report(removal)["result"] == {"spare": "spare-1", "vm": "spare-1"}
    assert purge(site.database, 0) == 2


def test_a_spare_vm_that_is_not_ready_is_removed(site: Site) -> None:
    site.ask("spare-2")
    site.turn(service_check_command=["sh", "-c", "echo not yet >&2; sleep 60"], service_check_within="2s")
    report = site.report("spare-2")
    assert (report["status"], report["tries"], report["error"]["type"]) == ("failed", 1, "NotReady"), (
        site.said()
    )
    assert report["error"]["message"] == "spare-2 was not ready within 2s: not yet"
    assert (site.guests("spare-2"), site.leases("spare-2")) == (1, ["Fulfilled"])
    assert len(request_removals(site.database)) == 1
    site.turn()
    assert site.report("spare-2")["removal"]["status"] == "completed", site.said()
    assert (site.guests("spare-2"), site.leases("spare-2")) == (0, [])


def test_somebody_elses_vm_is_neither_taken_nor_removed(site: Site) -> None:
    snapshot = json.loads((site.folder / "prod.json").read_text())
    taken = snapshot["guests"][0]["name"]
    site.ask("spare-3", vm=vm(taken))
    site.turn()
    report = site.report("spare-3")
    assert (report["status"], report["error"]["type"]) == ("failed", "InputError"), site.said()
    assert report["error"]["message"] == f"vm.name: a VM {taken} exists already. Choose another name"
    assert request_removals(site.database) == []
    assert (site.report("spare-3")["removal"]["status"], site.leases("spare-3")) == ("completed", [])
    assert site.guests(taken) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"vm": {"name": "x", "cpu": 1, "memory": "1G", "count": 2}}, "vm.count: 2 is not 1"),
        ({"vm": {"name": "x", "cpu": 1}}, "vm.memory is required"),
        ({"vm": {"name": "x", "cpu": 1, "memory": "1G", "hosts": {"regex": "("}}}, "vm.hosts.regex: "),
        ({"vm": {"name": "x; reboot", "cpu": 1, "memory": "1G"}}, "vm.name: 'x; reboot' is not a name of"),
        ({"vms": []}, "vms: 'vms' is not a known field"),
        ({"vm": {"name": "x", "cpu": 1, "memory": "1G"}, "name": "x"}, "name: 'name' is not a known field"),
    ],
)
def test_nonsense(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_request({"kind": "spare", **asked})
    assert str(refusal.value).startswith(said)


def test_nobody_else_asks_for_a_removal() -> None:
    with pytest.raises(
        InputError, match=r"^kind: 'remove' is not one of place, spare, lease, renew, release"
    ):
        parse_request({"kind": "remove", "spare": "x", "vm": "web", "cluster": "prod"})
