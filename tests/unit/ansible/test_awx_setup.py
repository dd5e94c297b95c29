# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables file of awx_setup: what is refused, and what AWX would get."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.filter.awx_compare import awx_compare
from ansible_collections.evenkeel.cluster.plugins.filter.awx_failures import awx_failures
from ansible_collections.evenkeel.cluster.plugins.filter.awx_objects import awx_objects

ROOT = Path(__file__).resolve().parents[3]
AWX = ROOT / "extensions" / "awx"
SMALL: dict[str, Any] = {
    "awx_project": {"scm_url": "https://git.example.com/clusters.git"},
    "awx_inventory": {"source_path": "pve.evenkeel.yml"},
}
DAILY = "DTSTART:20300101T020000Z RRULE:FREQ=DAILY;INTERVAL=1"
STATE = {"name": "state", "type": "state", "inputs": {"url": "postgresql+psycopg://u:hunter2@h/d"}}
PROXMOX = {
    "name": "pve",
    "type": "proxmox",
    "inputs": {"host": "pve1", "user": "u@pve", "token_id": "t", "token_secret": "hunter2", "ca": "c"},
}
SLACK = {"type": "slack", "configuration": {"token": "hunter2", "channels": ["#x"]}}


def changed(values: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """A copy with another value at a dotted path; None removes it."""
    result = copy.deepcopy(dict(values))
    *parents, last = key.split(".")
    inner: Any = result
    for parent in parents:
        inner = inner[int(parent)] if parent.isdecimal() else inner.setdefault(parent, {})
    where: Any = int(last) if last.isdecimal() else last
    if value is None:
        del inner[where]
    else:
        inner[where] = value
    return result


def objects(**values: object) -> dict[str, list[dict[str, Any]]]:
    wanted = awx_objects({**SMALL, **values})
    assert isinstance(wanted, dict)
    items: dict[str, list[dict[str, Any]]] = wanted["items"]
    return items


FULL: dict[str, Any] = {
    **SMALL,
    "awx_credentials": [PROXMOX, STATE],
    "awx_schedules": [{"template": "check", "rrule": DAILY}],
    "awx_notifications": [SLACK],
    "awx_templates": {"balance": {"extra_vars": {"balance_aggressiveness": 2}}},
    "awx_execution_environment": {"image": "registry.example.com/keel:1"},
}


def test_the_guide_names_every_variable_and_its_example_is_accepted() -> None:
    guide = (ROOT / "docs" / "awx.md").read_text()
    blocks = re.findall(r"```yaml\n(# awx\.yml\n.*?)```", guide, re.DOTALL)
    assert [awx_objects(yaml.safe_load(block), "error") for block in blocks] == [""]
    rows = [
        re.findall(r"`(awx_\w+)`", line.split("|")[1])
        for line in guide.splitlines()
        if line.startswith("| `awx_")
    ]
    named = sorted(name for row in rows for name in row)
    error = awx_objects({**SMALL, "zzzz": 1}, "error")
    known = error.rpartition("Known: ")[2].split(", ")
    assert named == known


def test_the_example_and_the_full_one_are_accepted() -> None:
    example = yaml.safe_load((AWX / "awx_setup.example.yml").read_text())
    assert (awx_objects(example, "error"), awx_objects(FULL, "error")) == ("", "")
    # What AWX adds to the variables of its jobs is no mistake.
    assert awx_objects({**FULL, "awx_job_id": 3, "awx_project_revision": "abc"}, "error") == ""


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("awx_templats", {}, "awx_templats is not known. Did you mean awx_templates?"),
        (
            "awx_project",
            None,
            "awx_project is required. Set scm_url to the repository with the playbooks, or name",
        ),
        (
            "awx_project.branch",
            "main",
            "awx_project.branch is not known. Did you mean awx_project.scm_branch?",
        ),
        (
            "awx_project.scm_url",
            "https://u:hunter2@git.example.com/x",
            "awx_project.scm_url contains a password.",
        ),
        ("awx_project.existing", True, "awx_project.scm_url and awx_project.existing are mutually exclusive"),
        ("awx_project.folder", "../x", "awx_project.folder: '../x' is not a folder inside the project"),
        (
            "awx_project.name",
            "a, b",
            "awx_project.name: 'a, b' is not a name of at most 512 characters, without",
        ),
        (
            "awx_project.name",
            "2026",
            "awx_project.name: '2026' is not a name of at most 512 characters, without",
        ),
        (
            "awx_inventory.source_path",
            "hosts.yml",
            "awx_inventory.source_path: 'hosts.yml' is not a file of the",
        ),
        ("awx_inventory.update_on_launch", "perhaps", "update_on_launch: 'perhaps' is not true or false"),
        (
            "awx_inventory.cache_timeout",
            -1,
            "awx_inventory.cache_timeout: -1 is not a whole number of at least 0",
        ),
        ("awx_state", "gone", "awx_state: 'gone' is not one of present, absent"),
        (
            "awx_credentials.0.type",
            "proxmx",
            "'proxmx' is not one of prometheus, proxmox, state, vmmanager, vsphere.",
        ),
        ("awx_credentials.0.type", "proxmx", "Did you mean proxmox?"),
        (
            "awx_credentials.0.inputs.token",
            "hunter2",
            "token is not an input of type proxmox. Did you mean token_id?",
        ),
        (
            "awx_credentials.0.inputs.ca",
            None,
            "awx_credentials[0].inputs.ca is required when type is proxmox",
        ),
        ("awx_credentials.0.inputs.token_secret", ["hunter2"], "inputs.token_secret is not a text"),
        ("awx_credentials.1.name", "pve", "awx_credentials[1].name: 'pve' is not different from the name of"),
        ("awx_credentials.1", {**PROXMOX, "name": "two"}, "2 credentials are of type proxmox (pve, two)"),
        (
            "awx_schedules.0.template",
            "chek",
            "awx_schedules[0].template: 'chek' is not one of check, balance",
        ),
        (
            "awx_schedules.0.rrule",
            "FREQ=DAILY",
            "awx_schedules[0].rrule: 'FREQ=DAILY' is not a rule with one DTSTART",
        ),
        ("awx_schedules.0.rrule", "DTSTART:20300101T020000Z RRULE:FREQ=DAILY", "is not a rule with INTERVAL"),
        (
            "awx_schedules.0.rrule",
            "DTSTART:20300101T020000 RRULE:FREQ=DAILY;INTERVAL=1",
            "ends in Z or has a TZID",
        ),
        (
            "awx_schedules.0.template",
            "evacuate",
            "awx_schedules[0].extra_vars.request_hosts is required. It is a",
        ),
        (
            "awx_notifications.0.configuration.channel",
            ["#x"],
            "channel is not a field of type slack. Did you mean",
        ),
        (
            "awx_notifications.0.configuration.channels",
            [],
            "channels: [] is not a list with at least one entry",
        ),
        (
            "awx_notifications.0.configuration.token",
            5,
            "awx_notifications[0].configuration.token is not a text",
        ),
        (
            "awx_notifications.0.templates",
            ["balance"],
            "approvals are events of the workflow. Add workflow to",
        ),
        (
            "awx_notifications.0.events",
            ["failure"],
            "events[0]: 'failure' is not one of started, success, error",
        ),
        ("awx_templates.balance.extra_vars.balance_agressiveness", 1, "Did you mean balance_aggressiveness?"),
        ("awx_templates.balance.extra_vars.balance_goal", "level", "balance_goal must be one of: spread, "),
        (
            "awx_templates.balance.extra_vars.balance_password",
            "hunter2",
            "balance_password is a secret, and AWX",
        ),
        (
            "awx_templates.balance.credentials",
            ["nobody"],
            "credentials[0]: 'nobody' is not one of pve, state",
        ),
        (
            "awx_templates.balance.verbosity",
            9,
            "verbosity: 9 is not a whole number of at least 0 and at most 5",
        ),
        (
            "awx_templates.balanse",
            {},
            "awx_templates.balanse is not known. Did you mean awx_templates.balance?",
        ),
        (
            "awx_templates.place",
            {"name": "Even Keel: Check"},
            "is not different from the name of awx_templates.check",
        ),
        ("awx_workflow.aproval_timeout", 5, "Did you mean awx_workflow.approval_timeout?"),
        ("awx_execution_environment.pull", "often", "pull: 'often' is not one of always, missing, never"),
    ],
)
def test_nonsense_is_refused_with_field_value_and_what_was_expected(
    key: str, value: object, message: str
) -> None:
    error = awx_objects(changed(FULL, key, value), "error")
    assert message in error
    assert "hunter2" not in error


def test_a_disabled_template_takes_the_workflow_along() -> None:
    items = objects(awx_templates={"check": False})
    assert items["job_templates"][0]["name"] == "Even Keel: Balance"
    assert (items["workflow_job_templates"], items["workflow_job_template_nodes"]) == ([], [])
    values = {**SMALL, "awx_templates": {"check": False}, "awx_workflow": {"approval_timeout": 60}}
    assert "awx_workflow needs awx_templates.check, which is false" in awx_objects(values, "error")


def test_nobody_is_asked_for_what_a_template_fixes() -> None:
    items = objects(awx_templates={"balance": {"extra_vars": {"balance_goal": "rules"}}})
    for item in (*items["job_templates"][:2], *items["workflow_job_templates"]):
        asked = [one["variable"] for one in item["fields"]["survey"]["spec"]]
        assert asked == ["request_max_migrations", "request_datastores"]


def test_a_folder_of_the_project() -> None:
    items = objects(awx_project={"name": "repo", "existing": True, "folder": "keel/"})
    assert items["job_templates"][0]["fields"]["playbook"] == "keel/balance.yml"


@pytest.mark.parametrize("file", sorted((AWX / "job_templates").iterdir()), ids=lambda file: file.stem)
def test_surveys_fit_the_playbooks_and_roles(file: Path) -> None:
    """Every question is used by the playbook, or is an option of a role, which accepts the answers."""
    template = json.loads(file.read_text())
    playbook = AWX / "project" / template["playbook"]
    text = playbook.read_text()
    surveys = {survey.stem: json.loads(survey.read_text())["spec"] for survey in (AWX / "surveys").iterdir()}
    questions = surveys.get("balance" if file.stem == "check" else file.stem, [])
    assert bool(questions) == template["survey_enabled"]
    for question in questions:
        variable, default = question["variable"], question.get("default", "")
        answers = question.get("choices", [default])
        if variable.startswith(("request_", "vm_")):
            assert variable in text
            values = [{variable: answer} for answer in answers]
        else:
            values = [{variable: answer} for answer in answers if answer != ""]
        for value in values:
            assert awx_objects({**SMALL, "awx_templates": {"place": {"extra_vars": value}}}, "error") == ""
    goals = [
        answer
        for question in questions
        if question["variable"] == "request_goal"
        for answer in question["choices"]
    ]
    for goal in goals[1:]:
        values = [{"balance_goal": goal}]
        assert awx_objects({**SMALL, "awx_templates": {"balance": {"extra_vars": values[0]}}}, "error") == ""


def test_objects_of_others_are_refused() -> None:
    wanted = awx_objects(FULL)
    assert isinstance(wanted, dict)
    organization = {"id": 1, "name": "Even Keel", "description": "ours"}
    stranger = {
        "id": 2,
        "name": "Even Keel: Check",
        "organization": 1,
        "description": "",
        "type": "job_template",
    }
    elsewhere = {"id": 3, "name": "pve", "organization": 9, "description": "", "type": "credential"}
    project = {"id": 4, "name": "Even Keel: Balance", "organization": 1, "type": "project"}
    read: dict[str, list[dict[str, Any]]] = {
        "organizations": [organization],
        "job_templates": [stranger],
        "credentials": [elsewhere],
        "unified_job_templates": [project],
    }
    refused = awx_compare(wanted, read)["refused"]
    assert [text.split(": ", 1)[0] for text in refused] == [
        "awx_credentials[0].name",
        "awx_templates.check.name",
        "awx_templates.balance.name",
    ]
    # An organization that was there is used as it is.
    assert awx_compare(wanted, read)["items"]["organizations"] == []


def test_failures_hide_secrets() -> None:
    items = objects(awx_credentials=[PROXMOX])["credentials"]
    results: list[dict[str, Any]] = [
        {"changed": True},
        {"msg": "Unable: hunter2 is bad", "response": {"a": "hunter2"}},
    ]
    assert awx_failures(results, items) == ["Unable: ******** is bad: {'a': '********'}"]
