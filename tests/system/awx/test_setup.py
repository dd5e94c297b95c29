# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook awx_setup: what it creates, that it changes nothing twice, and what it removes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.tests.support.awx_server import SECRET, Awx

from .conftest import ROOT, Setup

SECRETS = ("secret-of-the-token", "secret-of-slack", "secret-of-the-database")
NODES = ("evenkeel-check", "evenkeel-approval", "evenkeel-run")


@pytest.fixture
def everything(setup: Setup) -> dict[str, Any]:
    """The example of the collection, with another address and secrets by environment variables."""
    text = (ROOT / "extensions" / "awx" / "awx_setup.example.yml").read_text()
    (setup.folder / "pve-root-ca.pem").write_text("a certificate")
    variables: dict[str, Any] = yaml.safe_load(text)
    return {**variables, "awx_host": setup.url}


ENVIRONMENT = {
    "CONTROLLER_OAUTH_TOKEN": "token-of-the-tests",
    "PROXMOX_TOKEN_SECRET": SECRETS[0],
    "SLACK_TOKEN": SECRETS[1],
    "EVENKEEL_STATE_URL": SECRETS[2],
}


def others(awx: Awx) -> dict[str, Any]:
    """What somebody else has in AWX, some of it of the same names in another organization."""
    organization = awx.add("organizations", name="Other")["id"]
    project = awx.add("projects", name="Even Keel", organization=organization)["id"]
    template = awx.add("job_templates", name="Even Keel: Check", organization=organization, project=project)
    for number in range(8):
        awx.add("credentials", name=f"other {number}", organization=organization, credential_type=11)
    return {"template": template["id"], "credentials": 8}


def test_the_example_is_set_up_once_and_removed(setup: Setup, everything: dict[str, Any]) -> None:
    awx = setup.awx
    mine = others(awx)
    awx.repositories = {everything["awx_project"]["scm_url"]: next(iter(awx.repositories.values()))}

    first = setup.run(everything, "-v", **ENVIRONMENT)
    assert first.code == 0, first.said[-6000:]
    assert [secret for secret in SECRETS if secret in first.said] == []

    # What is there.
    assert awx.names("organizations") == ["Infrastructure", "Other"]
    assert awx.names("execution_environments") == ["Even Keel"]
    assert awx.named("execution_environments", "Even Keel")["image"] == "registry.example.com/even-keel:1.0.0"
    assert awx.names("inventory_sources") == ["Clusters: pve.evenkeel.yml"]
    source = awx.named("inventory_sources", "Clusters: pve.evenkeel.yml")
    assert (source["source"], source["source_path"]) == ("scm", "pve.evenkeel.yml")
    assert source["credential"] == awx.named("credentials", "Production Proxmox VE")["id"]
    types = ["Proxmox VE (evenkeel.cluster)", "State database (evenkeel.cluster)", "VMware vCenter"]
    assert awx.names("credential_types") == types
    kept = {key: value for (place, _number), found in awx.secrets.items() for key, value in found.items()}
    assert kept == {"token_secret": SECRETS[0], "token": SECRETS[1], "url": SECRETS[2]}
    templates = {
        one["name"].removeprefix("Even Keel: "): one
        for one in awx.objects["job_templates"].values()
        if one["id"] != mine["template"]
    }
    assert {name: (one["playbook"], one["job_type"]) for name, one in templates.items()} == {
        "Check": ("balance.yml", "check"),
        "Balance": ("balance.yml", "run"),
        "Evacuate hosts": ("evacuate.yml", "run"),
        "Place VMs": ("place.yml", "run"),
        "Lease capacity": ("lease.yml", "run"),
        "End expired leases": ("reap.yml", "run"),
        "Create VMs": ("create_vms.yml", "run"),
        "Report": ("report.yml", "run"),
    }
    # The check has the variables of the balance that it shows.
    assert (
        templates["Check"]["extra_vars"]
        == templates["Balance"]["extra_vars"]
        == '{"balance_aggressiveness": 3}'
    )
    credentials = ["Production Proxmox VE", "State database of Even Keel"]
    for name, one in templates.items():
        linked = [
            awx.objects["credentials"][number]["name"]
            for number in awx.links["job_templates", one["id"], "credentials"]
        ]
        assert sorted(linked) == credentials
        asked = awx.surveys.get(("job_templates", one["id"]), {}).get("spec", [])
        assert bool(asked) == one["survey_enabled"] == (name != "End expired leases")
    evacuated = templates["Evacuate hosts"]["name"]
    slack = ["Infrastructure on Slack"]
    assert awx.linked("job_templates", evacuated, "notification_templates_error") == slack
    assert awx.linked("job_templates", evacuated, "notification_templates_started") == []
    assert awx.linked("job_templates", templates["Place VMs"]["name"], "notification_templates_error") == []

    # The workflow: check, then approval, then balance.
    workflow = "Even Keel: Check and balance"
    assert awx.linked("workflow_job_templates", workflow, "notification_templates_approvals") == slack
    nodes = {name: awx.named("workflow_job_template_nodes", name) for name in NODES}
    assert awx.names("workflow_job_template_nodes") == sorted(NODES)
    assert {one["workflow_job_template"] for one in nodes.values()} == {
        awx.named("workflow_job_templates", workflow)["id"]
    }
    check, approval, run = (nodes[name]["unified_job_template"] for name in NODES)
    assert (check, run) == (templates["Check"]["id"], templates["Balance"]["id"])
    assert awx.objects["workflow_approval_templates"][approval]["timeout"] == 14400
    follows = {
        name: {
            what: awx.linked("workflow_job_template_nodes", name, f"{what}_nodes")
            for what in ("success", "failure", "always")
        }
        for name in NODES
    }
    nothing: dict[str, list[str]] = {"failure": [], "always": []}
    assert follows == {
        NODES[0]: {"success": [NODES[1]], **nothing},
        NODES[1]: {"success": [NODES[2]], **nothing},
        NODES[2]: {"success": [], **nothing},
    }
    weekly = awx.named("schedules", "Weekly balance with approval")
    # AWX starts a schedule only if it answers each required question.
    assert weekly["extra_data"] == {"request_goal": "inventory", "request_max_migrations": 0}

    # What somebody changed is set back, what somebody removed is created again, also in the workflow.
    templates["Balance"].update(limit="production", playbook="place.yml", allow_simultaneous=True)
    awx.named("inventories", "Clusters")["variables"] = '{"balance_lock": false}'
    awx.surveys[("job_templates", templates["Place VMs"]["id"])]["spec"].pop()
    awx.named("notification_templates", slack[0])["notification_configuration"]["channels"] = ["#all"]
    # Nobody approves any more.
    awx.links[("workflow_job_template_nodes", nodes[NODES[0]]["id"], "success_nodes")] = [
        nodes[NODES[2]]["id"]
    ]
    awx.objects["workflow_approval_templates"].pop(approval)
    nodes[NODES[1]]["unified_job_template"] = templates["Place VMs"]["id"]
    awx.links[("job_templates", templates["Place VMs"]["id"], "credentials")].pop()
    awx._remove("schedules", weekly["id"])
    awx._remove("job_templates", templates["Evacuate hosts"]["id"])
    checked = setup.run(everything, "--check", **ENVIRONMENT)
    assert (checked.code, checked.writes) == (0, []), checked.said[-6000:]
    assert checked.changed >= 6
    third = setup.run(everything, **ENVIRONMENT)
    assert third.code == 0, third.said[-6000:]
    balance = templates["Balance"]
    assert (balance["limit"], balance["playbook"], balance["allow_simultaneous"]) == (
        "",
        "balance.yml",
        False,
    )
    assert awx.named("inventories", "Clusters")["variables"] == "{}"
    assert len(awx.surveys[("job_templates", templates["Place VMs"]["id"])]["spec"]) == 7
    configuration = awx.named("notification_templates", slack[0])["notification_configuration"]
    assert configuration == {"token": SECRET, "channels": ["#infrastructure"]}
    assert awx.linked("workflow_job_template_nodes", NODES[0], "success_nodes") == [NODES[1]]
    assert awx.linked("workflow_job_template_nodes", NODES[1], "success_nodes") == [NODES[2]]
    made = awx.named("workflow_job_template_nodes", NODES[1])["unified_job_template"]
    assert awx.objects["workflow_approval_templates"][made]["timeout"] == 14400
    assert templates["Place VMs"]["name"] == "Even Keel: Place VMs"
    assert "Even Keel: Evacuate hosts" in awx.names("job_templates")
    assert "Weekly balance with approval" in awx.names("schedules")
    assert awx.linked("job_templates", "Even Keel: Place VMs", "credentials") == credentials

    # A run where all is as it should be changes nothing.
    again = setup.run(everything, **ENVIRONMENT)
    assert (again.code, again.changed, again.writes) == (0, 0, []), again.said[-6000:]

    # All of it is removed, and nothing else. What others have put into the organization keeps it.
    awx.add("teams", name="Operators", organization=awx.named("organizations", "Infrastructure")["id"])
    absent = {**everything, "awx_state": "absent"}
    gone = setup.run(absent, **ENVIRONMENT)
    assert gone.code == 0, gone.said[-6000:]
    assert "stays, because others use it: Operators" in gone.said
    assert awx.names("organizations") == ["Infrastructure", "Other"]
    awx._remove("teams", next(iter(awx.objects["teams"])))
    assert setup.run(absent, **ENVIRONMENT).code == 0
    left = {
        endpoint: awx.names(endpoint) for endpoint in awx.objects if endpoint not in ("users", "credentials")
    }
    assert {endpoint: names for endpoint, names in left.items() if names} == {
        "organizations": ["Other"],
        "projects": ["Even Keel"],
        "job_templates": ["Even Keel: Check"],
        "credential_types": ["VMware vCenter"],
    }
    assert len(awx.objects["credentials"]) == mine["credentials"]


def test_check_mode_on_an_empty_awx_and_existing_objects(setup: Setup, small: dict[str, Any]) -> None:
    awx = setup.awx
    # The other test makes all templates.
    others = ("evacuate", "place", "lease", "reap", "create_vms", "report")
    small["awx_templates"] = dict.fromkeys(others, False)
    small["awx_credentials"] = [
        {"name": "vCenter", "type": "vsphere", "existing": True},
        {"name": "State", "type": "state", "inputs": {"url": "postgresql+psycopg://keel:REFUSED-pw@db/keel"}},
    ]
    refused = setup.run(small)
    assert refused.code != 0
    assert "awx_credentials[0].name: AWX has no credential named 'vCenter'." in refused.error
    assert refused.writes == []

    organization = awx.add("organizations", name="Even Keel")["id"]
    awx.add("credentials", name="vCenter", credential_type=11, organization=organization)
    checked = setup.run(small, "--check")
    assert (checked.code, checked.writes) == (0, []), checked.said[-6000:]
    assert (
        "Not tried in check mode, because they refer to objects that do not exist yet: credential State,"
        in (checked.said.replace("\n", " "))
    )

    # AWX repeats what it rejects, and the message hides it.
    rejected = setup.run(small, "-vvv")
    assert rejected.code != 0
    assert "REFUSED-pw" not in rejected.said
    assert "Unable to create credential State" in rejected.error
    assert "********" in rejected.error

    # Objects of others are used, and stay.
    small["awx_credentials"].pop()
    setup.done(small)
    assert awx.linked("job_templates", "Even Keel: Balance", "credentials") == ["vCenter"]
    assert awx.named("organizations", "Even Keel")["description"] == ""

    # A job template that somebody else made is not taken over unless that is asked for.
    template = awx.named("job_templates", "Even Keel: Balance")
    template["description"] = "mine"
    refused = setup.run(small)
    assert (
        "Nothing was changed. awx_templates.balance.name: the job template 'Even Keel: Balance'"
        in refused.error
    )
    assert "set awx_adopt: true" in refused.error
    setup.done({**small, "awx_adopt": True})
    assert "awx_setup" in template["description"]

    absent = {**small, "awx_state": "absent"}
    checked = setup.done(absent, "--check")
    assert checked.writes == []
    assert checked.changed > 0
    setup.done(absent)
    assert (awx.names("organizations"), awx.names("credentials")) == (["Even Keel"], ["vCenter"])
    assert awx.names("job_templates") == awx.names("projects") == awx.names("inventories") == []
    nothing_left = setup.done(absent)
    assert (nothing_left.changed, nothing_left.writes) == (0, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"awx_organisation": "IT"},
            "awx_organisation is not known. Did you mean awx_organization?",
        ),
        (
            {"awx_project": {"scm_url": "clusters.git"}},
            "awx_project.scm_url: 'clusters.git' is not the URL of a git repository, such as https://… or "
            "git@host:path",
        ),
    ],
)
def test_nonsense_is_refused_before_the_first_request(
    setup: Setup, small: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    ran = setup.run({**small, **change})
    assert (ran.code, ran.requests) == (2, [])
    assert ran.error == message


def test_an_address_is_required(setup: Setup, small: dict[str, Any]) -> None:
    del small["awx_host"]
    ran = setup.run(small)
    assert ran.error == (
        "awx_host is required: the URL of AWX. Set it, or the environment variable CONTROLLER_HOST."
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"awx_token": "another"}, "Invalid authentication credentials for /api/v2/me/ (HTTP 401)."),
        ({"awx_host": "http://127.0.0.1:9"}, "There was an unknown error when trying to connect to"),
    ],
)
def test_an_awx_that_is_not_reached(
    setup: Setup, small: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    values = {**small, **change}
    ran = setup.run(values)
    assert ran.code == 2
    assert ran.error.startswith(
        f"AWX at {values['awx_host']} was not reached. Check awx_host and awx_token. {why}"
    )
