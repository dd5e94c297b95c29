# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks say of a request, and hear."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import (
    LeaseOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig, Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    accept,
    task_named,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.modules import run_module
from ansible_collections.evenkeel.cluster.tools.schemas import texts

ROOT = Path(__file__).parents[3]


def test_a_playbook_begins_and_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    with open_database(url) as database:
        accept(database, parse_request({"id": "a", "kind": "release", "name": "x"}), Terms(origin="http"))
        (task,) = dispatch(database, this_process(), Work())
        options = {"state_url": url, "id": "a", "claim": task.claim}

        def tell(state: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
            return run_module("service_request", tmp_path, {**options, "state": state, **more}, check=check)

        assert tell("begun", check=True)["changed"]
        assert task_named(database, "a") == task
        pid = {"worker_pid": os.getpid()}
        begun = tell("begun", **pid)
        assert (begun["changed"], begun["request"]["tries"], begun["request"]["wait_left"]) == (True, 1, 0)
        assert begun["request"]["work"] == {"name": "x"}
        assert begun["diff"]["after"] == {"status": "processing", "tries": 1, "error": None}
        for more, said in (
            ({"claim": "another"}, "request a: The request has ended, or another process works on it now"),
            ({"id": "b"}, "request b: No request has this id"),
            ({"seconds": -1.0}, "seconds: -1 is not a number of at least 0"),
            ({"state": "begun", "worker_pid": 2**22 + 1}, "worker_pid: 4194305 is not a process that runs"),
        ):
            refused = tell(**{"state": "completed", "result": {}, **more})
            assert refused.get("msg", "").startswith(said), (more, refused)
        assert "are missing: result" in tell("completed")["msg"]
        done = tell("completed", result={"host": "pve3"})
        assert (done["changed"], done["request"]["status"]) == (True, "completed")
        assert not tell("completed", result={"host": "pve3"})["changed"]
        assert tell("failed", error="x")["error"] == "ClaimLost"
    seen = run_module("service_info", tmp_path, {"state_url": url, "statuses": ["completed"]})
    assert [(one["id"], one["result"], one["callbacks"]) for one in seen["requests"]] == [
        ("a", {"host": "pve3"}, [])
    ]
    assert run_module("service_info", tmp_path, {"state_url": url, "ids": ["b*"]})["requests"] == []


def test_the_role_asks_for_all_that_a_lease_may_be() -> None:
    tasks = yaml.safe_load((ROOT / "roles/service/tasks/lease.yml").read_text(encoding="utf-8"))
    passed = set(tasks[0]["evenkeel.cluster.capacity_lease"])
    # These are for playbooks that hold something themselves.
    own = {"owner_pid", "poll_interval", "resize", "placements", "placements_seen"}
    assert passed == ({field.name for field in fields(LeaseOptions)}) - own


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"kind": "lease", "vcpus": 1, "memory": "8G", "wait": 5, "name": "x", "id": "a"}, True),
        ({"kind": "lease", "vcpus": 1, "lease": {}}, False),
        (
            {"kind": "place", "vms": [{"name": "x", "cpu": 1, "memory": "9G", "disks": [{"size": "1G"}]}]},
            True,
        ),
        ({"kind": "place", "vms": [{"name": "x", "cpu": -1, "memory": 2**30}]}, False),
        ({"kind": "place"}, False),
        ({"kind": "renew", "name": "x", "lifetime": 60, "notify": ["ci"]}, True),
        ({"kind": "release"}, False),
        ({"kind": "burn", "name": "x"}, False),
    ],
)
def test_the_schema_of_requests_says_what_is_taken(body: dict[str, Any], fits: bool) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(texts()["service_request"]))
    assert validator.is_valid(body) == fits
    if fits:
        parse_request(body)
    else:
        with pytest.raises(InputError):
            parse_request(body)


def test_the_guide_configures_what_there_is() -> None:
    """Every block of configuration in the guide is one, and every setting is told."""
    guide = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    blocks = [block for block in guide.split("```")[1::2] if block.startswith("yaml\n# service.yml\n")]
    assert len(blocks) == 4
    for block in blocks:
        ServiceConfig.from_json(yaml.safe_load(block.removeprefix("yaml")))
    schema = json.loads(texts()["service_config"])["$defs"]
    for part in ("Http", "RabbitMq", "Receiver", "Work", "RetryPolicy", "ServiceConfig"):
        missing = [name for name in schema[part]["properties"] if name not in guide]
        assert missing == []
