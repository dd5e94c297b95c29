# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service describes itself: the OpenAPI document, its page, and metrics."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
import requests

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import Http, ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.request_routes import (
    REQUESTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.tables import ROUTES
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.metrics import exposition
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.openapi import openapi_document
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    accept,
    complete,
    start,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import ASKED, parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.prometheus import program
from ansible_collections.evenkeel.cluster.tests.system.service.test_door import TOKEN, served

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
DOCUMENT = openapi_document(ROUTES, Http())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=PATIENCE_SECONDS)


def validate(answer: requests.Response, path: str, method: str = "get") -> None:
    """An answer of the service is one of those that its document has."""
    said = DOCUMENT["paths"][path][method]["responses"][str(answer.status_code)]
    schema = said["content"]["application/json"]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer.json())


def test_the_document_is_valid_and_has_every_route() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    described = {(method.upper(), path) for path, found in DOCUMENT["paths"].items() for method in found}
    assert described == {(route.method, route.path) for route in ROUTES}
    assert set(DOCUMENT["components"]["schemas"]["Request"]["discriminator"]["mapping"]) == set(ASKED)


@pytest.mark.parametrize("kind", REQUESTS)
def test_its_examples_are_requests(kind: str) -> None:
    assert parse_request(REQUESTS[kind]).kind == kind
    whole = {"$ref": "#/components/schemas/Request", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(REQUESTS[kind])


def test_answers_are_as_the_document_says(database: Database) -> None:
    with served(database, {}) as url:

        def post(body: Any, **headers: str) -> requests.Response:
            return requests.post(
                f"{url}/requests", json=body, headers=headers or AUTHORIZED, timeout=PATIENCE_SECONDS
            )

        asked = {"id": "a", "kind": "release", "name": "x"}
        answers = [
            post(asked),
            post({**asked, "name": "y"}),
            post({"kind": "lease", "vcpus": -1}),
            post(asked, Authorization="Bearer wrong"),
        ]
        assert [answer.status_code for answer in answers] == [202, 409, 400, 401]
        for answer in answers:
            validate(answer, "/requests", "post")
        for name, status in (("a", 200), ("b", 404)):
            answer = get(f"{url}/requests/{name}", **AUTHORIZED)
            assert answer.status_code == status
            validate(answer, "/requests/{id}")
        validate(get(f"{url}/health"), "/health")


class Reader(HTMLParser):
    """What is in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _value in attrs if name in ("style", "src") or name.startswith("on")}
        self.names |= {value for name, value in attrs if name == "id" and value}
        self.links |= {value for name, value in attrs if name == "href" and value}


def test_the_document_and_its_page_are_served_without_a_token(database: Database) -> None:
    with served(database, {"compatibility": ["virtflow", "vcm"]}) as url:
        document, page = get(f"{url}/openapi.json"), get(f"{url}/docs")
    assert (document.status_code, document.json()) == (200, DOCUMENT)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    # It needs nothing but itself, and a browser holds it to that.
    policy = page.headers["Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    reader = Reader()
    reader.feed(page.text)
    assert not reader.tags & {"script", "img", "iframe", "form", "object"}
    assert reader.links - {f"#{name}" for name in reader.names} == {"openapi.json"}
    for path in DOCUMENT["paths"]:
        assert path in page.text
    assert TOKEN not in document.text + page.text


def test_routes_that_are_off_are_not_described(database: Database) -> None:
    with served(database, {"metrics": "off"}) as url:
        paths = get(f"{url}/openapi.json").json()["paths"]
        assert get(f"{url}/metrics", **AUTHORIZED).status_code == 404
    assert set(paths) == {"/requests", "/requests/{id}", "/health", "/openapi.json", "/docs"}


def promtool(text: str) -> str:
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return checked.stdout + checked.stderr


def samples(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("evenkeel_service_"): float(value) for name, _blank, value in lines}


def test_metrics(database: Database) -> None:
    server = this_process()
    terms = Terms(origin="http", receivers=("ci", "audit"))
    for name in ("done", "begun", "due"):
        accept(database, parse_request({"id": name, "kind": "release", "name": name}), terms)
    work = ServiceConfig.from_json({"work": {"running": 2}}).work
    for task, wanted in zip(dispatch(database, server, work), ("done", "begun"), strict=True):
        assert (task.id, task.claim is not None) == (wanted, True)
        start(database, task.id, str(task.claim), None)
        if task.id == "done":
            complete(database, task.id, str(task.claim), {})
    with served(database, {}) as url:
        assert get(f"{url}/metrics").status_code == 401
        answer = get(f"{url}/metrics", **AUTHORIZED)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert promtool(answer.text) == ""
    found = samples(answer.text)
    ages = {name: found.pop(name) for name in ("oldest_waiting_seconds", "oldest_delivery_seconds")}
    assert min(ages.values()) > 0
    assert found == {
        "database_up": 1,
        'requests{kind="release",status="completed"}': 1,
        'requests{kind="release",status="processing"}': 2,
        'request_tries{kind="release"}': 2,
        "requests_waiting": 1,
        "requests_running": 1,
        'deliveries{channel="callback",receiver="ci",status="pending"}': 1,
        'deliveries{channel="callback",receiver="audit",status="pending"}': 1,
    }
    assert samples(exposition(None)[0].decode()) == {"database_up": 0}


def test_metrics_without_the_library(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ansible_collections.evenkeel.cluster.plugins.module_utils._service.metrics.prometheus", None
    )
    with served(database, {"metrics": "open"}) as url:
        answer = get(f"{url}/metrics")
        assert get(f"{url}/health").ok
        assert get(f"{url}/openapi.json").json()["paths"]["/metrics"]["get"]["security"] == []
    assert (answer.status_code, answer.json()["error"]["type"]) == (501, "ServiceLibraryMissing")
    assert "prometheus-client" in answer.json()["error"]["message"]
    validate(answer, "/metrics")
