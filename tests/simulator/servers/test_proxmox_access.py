# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may enter the simulated Proxmox VE, and what it shows to whom."""

from __future__ import annotations

import time

import pytest
import requests
from proxmoxer.core import AuthenticationError

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    log_in,
    log_in_by_token,
    refusal,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

TOKEN = "balancer@pve!run"
SECRET = "01234567-89ab-4cde-8f01-23456789abcd"


def test_a_ticket_opens_the_api(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    assert api.version.get()["release"] == "9.2"
    assert api.get_tokens()[0].startswith("PVE:root@pam:")
    assert simulator.state()["calls"] == {"POST /access/ticket": 1, "GET /version": 1}


def test_a_ticket_renews_itself(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    first = log_in(simulator).get_tokens()[0]
    assert log_in(simulator, password=first).version.get()["release"] == "9.2"


def test_wrong_credentials_are_refused(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    with pytest.raises(AuthenticationError, match="code: 401"):
        log_in(simulator, password="wrong")
    api = log_in_by_token(simulator, TOKEN, SECRET)
    assert refusal(api.version.get) == (401, "Authentication failed!")


def test_refused_credentials_are_delayed_on_demand(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(auth_delay_seconds=0.4)
    began = time.monotonic()
    assert refusal(log_in_by_token(simulator, TOKEN, SECRET).version.get)[0] == 401
    assert time.monotonic() - began >= 0.4


def test_a_session_can_be_lost_or_grow_old(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.expire_sessions()
    assert refusal(api.nodes.get) == (401, "Authentication failed!")
    old = log_in(simulator)
    simulator.switches(ticket_seconds=-1)
    assert refusal(old.nodes.get) == (401, "Authentication failed!")


def test_writing_by_ticket_needs_its_csrf_token(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    ticket, csrf = log_in(simulator).get_tokens()
    base = f"https://{simulator.host}:{simulator.port}/api2/json"
    url = f"{base}/nodes/pve1/qemu/110/migrate"
    for header in ({}, {"CSRFPreventionToken": csrf[:-4]}):
        answer = requests.post(
            url,
            data={"target": "pve2", "online": 1},
            cookies={"PVEAuthCookie": ticket},
            headers=header,
            verify=simulator.ca_path,
            timeout=PATIENCE_SECONDS,
        )
        assert (answer.status_code, answer.reason) == (401, "Permission denied - invalid csrf token")
        assert answer.content == b""
    nobody = requests.get(f"{base}/version", verify=simulator.ca_path, timeout=PATIENCE_SECONDS)
    assert (nobody.status_code, nobody.reason) == (401, "No ticket")


def test_a_token_does_what_its_user_may(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}")
    api = log_in_by_token(simulator, TOKEN, SECRET)
    assert len(api.nodes.get()) == 3
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert upid.endswith(f":qmigrate:110:{TOKEN}:")
    assert refusal(lambda: api.access.ticket.post(username="root@pam", password="secret")) == (
        403,
        "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket.",
    )


def test_a_separated_token_sees_only_what_it_was_given(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}", grants={TOKEN: {"/vms/110": ["VM.Audit"]}})
    api = log_in_by_token(simulator, TOKEN, SECRET)
    assert [row["vmid"] for row in api.cluster.resources.get(type="vm")] == [110]
    assert api.access.permissions.get() == {"/vms/110": {"VM.Audit": 1}}
    nodes = api.cluster.resources.get(type="node")
    assert len(nodes) == 3
    assert not any("cpu" in row or "mem" in row or "uptime" in row for row in nodes)
    assert api.cluster.resources.get(type="storage") == []
    move = api.nodes("pve1").qemu(110).migrate
    assert refusal(lambda: move.post(target="pve2", online=1)) == (
        403,
        "Permission check failed (/vms/110, VM.Migrate)",
    )
    assert refusal(api.cluster.status.get) == (403, "Permission check failed (/, Sys.Audit)")
    assert refusal(api.nodes("pve1").status.get) == (403, "Permission check failed (/nodes/pve1, Sys.Audit)")


def test_a_pool_grants_its_guests(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(grants={"root@pam": {"/pool/shop": ["VM.Audit", "Pool.Audit"]}})
    api = log_in(simulator)
    assert [row["vmid"] for row in api.cluster.resources.get(type="vm")] == [110]
    assert api.pools.get() == [{"poolid": "shop"}]
    assert [member["vmid"] for member in api.pools.get(poolid="shop")[0]["members"]] == [110]


def test_a_mistake_in_the_parameters_is_named(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--version", "8.4")
    ticket, csrf = log_in(simulator).get_tokens()
    answer = requests.post(
        f"https://{simulator.host}:{simulator.port}/api2/json/nodes/pve1/qemu/110/migrate",
        data={"online": "perhaps", "with-conntrack-state": 1, "bwlimit": "fast"},
        cookies={"PVEAuthCookie": ticket},
        headers={"CSRFPreventionToken": csrf},
        verify=simulator.ca_path,
        timeout=PATIENCE_SECONDS,
    )
    assert (answer.status_code, answer.reason) == (400, "Parameter verification failed.")
    unknown = "property is not defined in schema and the schema does not allow additional properties"
    assert answer.json() == {
        "data": None,
        "message": "Parameter verification failed.\n",
        "errors": {
            "online": "type check ('boolean') failed - got 'perhaps'",
            "with-conntrack-state": unknown,
            "bwlimit": "type check ('integer') failed - got 'fast'",
            "target": "property is missing and it is not optional",
        },
    }
    assert answer.headers["Connection"] == "close"


def test_an_unknown_path_is_not_implemented(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox("--version", "8.4"))
    assert refusal(api.cluster.ha.rules.get) == (501, "Method 'GET /cluster/ha/rules' not implemented")
