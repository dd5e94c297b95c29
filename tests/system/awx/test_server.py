# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that plays AWX refuses what AWX refuses, and what awx_setup must not send."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.support.awx_server import TOKEN, Awx, serving
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def ask(url: str, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/v2/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("organizations/", {"name": "one", "nickname": "1"}, "nickname"),
        ("organizations/", {"description": "no name"}, "name"),
        ("organizations/", {"name": ""}, "name"),
        ("organizations/", {"name": None}, "name"),
        ("organizations/", {"name": "Default"}, "__all__"),
        ("projects/", {"name": "one", "scm_type": "cvs"}, "scm_type"),
        ("projects/", {"name": "one", "organization": 99}, "organization"),
        ("job_templates/", {"name": "one", "forks": "5"}, "forks"),
        ("job_templates/", {"name": "one"}, "project"),
        (
            "notification_templates/",
            {"name": "one", "organization": 12, "notification_type": "x"},
            "notification_type",
        ),
        ("credential_types/", {"name": "one", "kind": "ssh"}, "kind"),
        ("schedules/", {"name": "one", "rrule": "FREQ=DAILY"}, "unified_job_template"),
    ],
)
def test_strangers_are_refused(path: str, body: dict[str, Any], field: str) -> None:
    awx = Awx({})
    awx.add("organizations", name="Default")
    with serving(awx) as url:
        code, answer = ask(url, "POST", path, body)
    assert (code, list(answer)) == (400, [field])


def test_pages_filters_and_the_token() -> None:
    awx = Awx({}, page_size=2)
    organization = awx.add("organizations", name="one")["id"]
    for number in range(5):
        awx.add("projects", name=f"project {number}", organization=organization)
    with serving(awx) as url:
        code, answer = ask(
            url,
            "GET",
            "projects/?organization__name=one&name__in=project 1,project 2,project 3".replace(" ", "%20"),
        )
        assert (code, answer["count"], len(answer["results"])) == (200, 3, 2)
        _code, following = ask(url, "GET", answer["next"].removeprefix("/api/v2/"))
        assert [one["name"] for one in following["results"]] == ["project 3"]
        assert following["next"] is None
        assert ask(url, "GET", "projects/?colour=red")[0] == 400
        assert ask(url, "GET", "projects/", token="another")[0] == 401
        assert ask(url, "GET", "colours/")[0] == 404
        # What is read-only is ignored, as AWX does.
        code, made = ask(
            url, "POST", "inventories/", {"name": "one", "organization": organization, "total_hosts": 5}
        )
        assert (code, made["total_hosts"]) == (201, 0)
