# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles and playbooks hand on to whatever runs them, when a step fails after the result was there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import Requester
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    accept,
    task_named,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.retry_policy import RetryPolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
VMS = [
    {"name": "web##", "count": 2, "cpu": 2, "memory": "2G", "disks": [{"size": "10G"}], "networks": ["lan"]}
]
POOL = {"name": "p", "vcpus": 4, "memory": 8 * 1024**3, "storage": 0}
NOTHING = "- ansible.builtin.debug:\n    msg: nothing is created\n"


class Site:
    """The example cluster as one that is rehearsed on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "cluster.json"
        shutil.copy(ROOT / "playbooks" / "files" / "example-cluster.json", self.cluster)
        host = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(self.cluster)}
        (folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": {"prod": host}}}))
        (folder / "nothing.yml").write_text(NOTHING)

    def play(self, name: str, *options: str, **variables: Any) -> tuple[int, Mapping[str, Any], str]:
        """Its exit code, what it handed on, and its words."""
        programs = Path(sys.executable).parent
        (self.folder / "vars.json").write_text(json.dumps(variables))
        done = subprocess.run(
            [
                programs / "ansible-playbook",
                name if name.endswith(".yml") else f"evenkeel.cluster.{name}",
                "-i", self.folder / "clusters.json",
                "-e", f"@{self.folder / 'vars.json'}",
                *options,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            },
            check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        _before, found, stats = done.stdout.partition("\tRUN: ")
        return done.returncode, json.loads(stats) if found else {}, done.stdout + done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_place_whose_guests_are_not_there_in_the_end(site: Site) -> None:
    options = {"place_vms": VMS, "place_create_tasks": str(site.folder / "nothing.yml")}
    code, stats, said = site.play("place", **options, place_verify_timeout=0, place_verify_interval=0)
    placed = stats["evenkeel_place"]
    assert (code, placed["status"], placed["cluster"]) == (2, "failed", "prod"), said
    assert "web01 is not there" in placed["error"]
    code, stats, _said = site.play("place", **options, place_verify=False)
    assert (code, stats["evenkeel_place"]["status"], stats["evenkeel_place"]["error"]) == (0, "placed", "")


def test_place_where_there_is_no_room(site: Site) -> None:
    code, stats, _said = site.play("place", place_vms=[{**VMS[0], "memory": "900G"}])
    assert (code, stats["evenkeel_place"]["status"]) == (2, "impossible")
    assert "What would fit" in stats["evenkeel_place"]["error"]


def test_place_where_the_cluster_can_t_be_read(site: Site) -> None:
    site.cluster.write_text("{")
    code, stats, _said = site.play("place", place_vms=VMS)
    assert (code, stats["evenkeel_place"]["status"]) == (2, "failed")
    assert "cluster.json" in stats["evenkeel_place"]["error"]


def test_place_in_check_mode_says_what_it_would_create(site: Site) -> None:
    options = {"place_vms": VMS, "place_create_tasks": str(site.folder / "nothing.yml")}
    code, _stats, said = site.play("place", "--check", **options)
    assert (code, "Would create web01 on host0" in said, "changed=1 " in said) == (0, True, True), said


def test_a_lease_that_is_refused_or_granted(site: Site) -> None:
    pool = {"name": "p", "vcpus": 4, "memory": "8G", "storage": "1T"}
    tasks = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [
        {"evenkeel.cluster.capacity_pool": pool},
    ]}]  # fmt: skip
    (site.folder / "pool.yml").write_text(json.dumps(tasks))
    assert site.play("pool.yml")[0] == 0
    # The file is tried before anything is leased.
    for options in ((), ("--check",)):
        code, stats, said = site.play(
            "lease", *options, lease_name="b2", lease_vcpus=1, lease_env_path="/proc/nowhere/env"
        )
        assert (code, stats) == (2, {}), said
        assert "lease_env_path: /proc/nowhere/env can't be written: " in said
    code, stats, said = site.play("lease", lease_name="b2", lease_vcpus=1, lease_env_path="env")
    assert (code, stats["evenkeel_lease"]["b2"]["phase"]) == (0, "Fulfilled"), said
    assert "export EVENKEEL_POOL=p" in (site.folder / "env").read_text()
    assert "\n  pool p: 1 vCPU, 0.0 GiB of memory\nenvironment variables: " in said
    code, stats, said = site.play("lease", lease_name="b3", lease_vcpus=10)
    lease = stats["evenkeel_lease"]["b3"]
    assert (code, lease["phase"], lease["reason"]) == (2, "Failed", lease["error"])
    assert "no pool is large enough" in lease["error"]
    code, stats, said = site.play("lease", lease_name="b2", lease_state="absent", lease_env_path="env")
    assert (code, stats["evenkeel_lease"]["b2"]["phase"], stats["evenkeel_lease"]["b2"]["error"]) == (
        0, "Released", "",
    )  # fmt: skip
    assert not (site.folder / "env").exists()


def test_the_pipeline_on_the_example_cluster(site: Site) -> None:
    before = site.cluster.read_text()
    options = {"lease_name": "b1", "place_vms": VMS}
    code, stats, said = site.play("pipeline", "--check", **options)
    assert (code, stats["evenkeel_pipeline"]["status"]) == (0, "checked"), said
    assert "Would lease 4 vCPUs and 4.00 GB of prod" in said
    assert "Would create web01 on host0" in said
    assert site.cluster.read_text() == before
    assert not list(site.folder.glob(".local/state/evenkeel/*"))
    code, stats, said = site.play("pipeline", **options)
    pipeline = stats["evenkeel_pipeline"]
    assert (code, pipeline["status"], pipeline["error"]) == (0, "done", ""), said
    there = {guest["name"]: guest["host"] for guest in json.loads(site.cluster.read_text())["guests"]}
    assert stats["evenkeel_pipeline"]["hosts"] == {name: there[name] for name in ("web01", "web02")}


def test_balance_whose_cluster_is_not_as_it_should_be(site: Site) -> None:
    """What it did is told, and that it is not enough."""
    options = {"balance_fail_when_unbalanced": True, "balance_max_migrations": 1, "balance_aggressiveness": 5}
    code, stats, said = site.play("balance", **options)
    balance = stats["evenkeel_balance"]["prod"]
    assert (code, balance["status"]) == (2, "failed"), said
    assert "not balanced" in balance["error"]


def test_each_cluster_has_a_plan_of_its_own(site: Site) -> None:
    other = site.folder / "other.json"
    shutil.copy(site.cluster, other)
    hosts = {
        name: {"balance_platform": "rehearsal", "balance_rehearsal_path": str(path)}
        for name, path in (("one", site.cluster), ("two", other))
    }
    (site.folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    code, stats, said = site.play("balance", "--tags", "plan", balance_plan_path="plan.json")
    assert (code, stats) == (2, {}), said
    assert "balance_plan_path is plan.json for two too, and each cluster needs a file of its own." in said
    own = {"balance_plan_path": "plans/{{ inventory_hostname }}.json"}
    code, stats, said = site.play("balance", "--tags", "plan", **own)
    assert (code, sorted(path.name for path in (site.folder / "plans").iterdir())) == (
        0,
        ["one.json", "two.json"],
    )
    assert stats["evenkeel_balance"]["two"]["outcome"] is None
    # Each report is whole.
    assert said.count("\n  spread  66.2 → 13.9  55.1 → 12.9\n\nwave 1\n  1   bank-cache-1 (121)") == 2, said


def test_evacuate_whose_maintenance_fails(site: Site) -> None:
    options = {"evacuate_hosts": ["host01"], "evacuate_maintenance": True, "evacuate_maintenance_timeout": 0}
    code, stats, said = site.play("evacuate", **options)
    balance = stats["evenkeel_balance"]["prod"]
    assert (code, balance["status"]) == (2, "failed"), said
    assert balance["error"]


def test_a_request_whose_guests_are_not_there_in_the_end(site: Site) -> None:
    """The role service hands on to the database what the caller is answered."""
    url = f"sqlite:///{site.folder}/state.db"
    with open_database(url) as database:
        terms = Terms(origin="http", budget=RetryPolicy(tries=1))
        accept(database, parse_request({"id": "r", "kind": "place", "vms": VMS}), terms)
        [task] = dispatch(database, this_process(), Work())
        event = {"evenkeel_request": {"id": "r", "kind": "place", "claim": task.claim}}
        code, stats, said = site.play(
            "request",
            ansible_eda={"event": event},
            service_state_url=url,
            service_create_tasks=str(site.folder / "nothing.yml"),
            place_verify_timeout=0,
            place_verify_interval=0,
        )
        found = task_named(database, "r")
        assert found is not None
        assert (found.status, found.result) == ("failed", None), (code, said)
        assert found.error is not None
        assert "web01 is not there" in found.error["message"]
        assert stats["evenkeel_place"]["status"] == "failed"


def test_leases_that_were_reaped_though_cleaning_up_fails(site: Site) -> None:
    url = f"sqlite:///{site.folder}/state.db"
    with open_database(url) as database:
        write_transaction(database, lambda books: save_pool(books, Pool.from_json(POOL), below_leased=False))
        request = Request.from_json({"vcpus": 1, "owner": "job-1"})
        wait_for_lease(database, "b1", request, Requester(waiter=this_process()), WaitOptions())
    (site.folder / "clean.yml").write_text("- ansible.builtin.fail:\n    msg: no such VM\n")
    options = {"reap_gone_owners": ["job-1"], "reap_cleanup_tasks": str(site.folder / "clean.yml")}
    code, stats, said = site.play("reap", reap_state_url=url, **options)
    assert (code, [one["name"] for one in stats["evenkeel_reaped"]]) == (2, ["b1"]), said


def test_load_of_hosts_that_can_t_be_merged_leaves_the_snapshot_as_it_was(site: Site) -> None:
    """The role host_load hands on nothing but the snapshot, and none that is half changed."""
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    head = {"hosts": "clusters", "connection": "local", "gather_facts": False, "vars": python}
    play = [{**head, "tasks": [
        {"evenkeel.cluster.cluster_facts": {"platform": "rehearsal", "rehearsal_path": str(site.cluster)}},
        {"ansible.builtin.set_fact": {"before": "{{ ansible_facts.evenkeel_snapshot }}"}},
        {"block": [{"ansible.builtin.include_role": {"name": "evenkeel.cluster.host_load"}}], "rescue": [
            {"ansible.builtin.assert": {"that": [
                "ansible_facts.evenkeel_snapshot == before", "'answers.nowhere' in ansible_failed_result.msg",
            ]}},
            {"ansible.builtin.set_stats": {"data": {"rescued": True}}},
        ]},
    ]}]  # fmt: skip
    (site.folder / "load.yml").write_text(json.dumps(play))
    answers = {"nowhere": {"cpu": 50}}
    code, stats, said = site.play("load.yml", host_load_answers=answers, host_load_on_silent_host="fail")
    assert (code, stats) == (0, {"rescued": True}), said
