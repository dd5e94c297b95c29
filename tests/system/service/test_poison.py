# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that mean no good, or whose programs are broken: nothing of theirs stops the service."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.system.service.test_door import ASKED, TOKEN, served

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def place(**vm: Any) -> dict[str, Any]:
    return {"id": "p", "kind": "place", "vms": [{"name": "a", "cpu": 1, "memory": "1G", **vm}]}


def lease(**more: Any) -> dict[str, Any]:
    return {"id": "l", "kind": "lease", "vcpus": 1, **more}


POISON: dict[str, str | bytes] = {
    "nested": "[" * 100_000,
    "nested in a field": '{"id": "a", "kind": "lease", "name": ' + "[" * 5000 + "]" * 5000 + "}",
    "nested objects": '{"a":' * 50_000,
    "many digits": f'{{"id": "a", "kind": "lease", "vcpus": {"9" * 5000}}}',
    "too many digits": f'{{"id": "a", "kind": "lease", "vcpus": {"9" * 4000}}}',
    "a size": json.dumps(lease(memory="9" * 400 + ".5")),
    "a repetition": json.dumps(place(hosts={"regex": "a{99999999999}"})),
    "parentheses": json.dumps(place(hosts={"regex": "(" * 900})),
    "an exponential expression": json.dumps(place(hosts={"regex": "((?=a)a+)+$"})),
    "half a pair": json.dumps(lease(name="\ud800")),
    "half a pair as a field": '{"id": "a", "kind": "lease", "\\ud800": 1}',
    "NUL": json.dumps(lease(owner="a\0b")),
    "a long field": json.dumps({"id": "a", "kind": "lease", "x" * 500_000: 1}),
    "infinite": '{"id": "a", "kind": "lease", "vcpus": 1, "lifetime": 1e999}',
    "no number": '{"id": "a", "kind": "lease", "vcpus": NaN}',
    "no text": b"\xff\xfe\x00",
    "a crowd": json.dumps(place(name="a##", count=100_000)),
    "a crowd of crowds": json.dumps({"id": "a", "kind": "place", "vms": [place(count=999)["vms"][0]] * 3}),
    "no object": "7",
    "a kind that is none": '{"id": "a", "kind": {"a": 1}}',
    "an id that is none": '{"id": [[1]], "kind": "lease"}',
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def test_poison_by_http_is_refused_with_the_field(database: Database) -> None:
    with served(database, {}) as url:
        for what, body in POISON.items():
            data = body if isinstance(body, bytes) else body.encode()
            answer = requests.post(f"{url}/requests", data=data, headers=AUTHORIZED, timeout=PATIENCE_SECONDS)
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "InputError"), what
            assert len(answer.text) < 10_000
        for path in ("/requests/%00", "/requests/%ff", "/requests/%ed%a0%80", f"/requests/{'a' * 4000}"):
            answer = requests.get(url + path, headers=AUTHORIZED, timeout=PATIENCE_SECONDS)
            assert answer.status_code == 404, path
            assert answer.json()["error"]["type"] == "UnknownRequest"


def test_an_error_of_ours_is_answered_in_json(caplog: pytest.LogCaptureFixture) -> None:
    # A database that is none stands for whatever nobody has thought of.
    with served(cast(Database, object()), {}) as url:
        for answer in (
            requests.post(f"{url}/requests", json=ASKED, headers=AUTHORIZED, timeout=PATIENCE_SECONDS),
            requests.get(f"{url}/health", timeout=PATIENCE_SECONDS),
        ):
            assert (answer.status_code, answer.json()["error"]["type"]) == (500, "InternalError")
    assert "AttributeError" in caplog.text


def test_more_guests_than_a_request_may_be_for() -> None:
    parse_request(place(name="a##", count=1000), most_guests=1000)
    with pytest.raises(InputError, match=r"^vms\[0\].count: 1001 is not such that .* at most 1000 guests"):
        parse_request(place(name="a##", count=1001), most_guests=1000)


def test_half_a_header_and_half_a_body_end_in_time(database: Database) -> None:
    head = f"POST /requests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    limits = {"head_seconds": 0.3, "body_seconds": 0.6}
    with served(database, limits) as url:
        for said in ("", "GET", head, f"{head}Content-Length: 9\r\n\r\n{{"):
            with call(url) as caller:
                caller.sendall(said.encode())
                # Not even when it goes on, a character at a time.
                drip(caller)
        assert requests.post(f"{url}/requests", json=ASKED, headers=AUTHORIZED, timeout=PATIENCE_SECONDS).ok


def test_more_connections_than_there_may_be(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with served(database, {"connections": 5, "head_seconds": 3600}) as url:
        callers = [call(url) for _ in range(5)]
        for _ in range(20):
            with call(url) as refused:
                assert refused.recv(1000).startswith(b"HTTP/1.1 503 ")
        for caller in callers:
            caller.close()
        while not requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).ok:
            time.sleep(0.01)
    assert caplog.text.count("new ones are refused") == 1


def test_health_is_answered_while_large_requests_are_read(database: Database) -> None:
    vms = [{"name": f"a{number}", "cpu": 1, "memory": "1G"} for number in range(14_000)]
    large = json.dumps({"kind": "place", "vms": vms})
    with served(database, {}, most_guests=20_000) as url:
        done = threading.Event()

        def post() -> None:
            answer = requests.post(
                f"{url}/requests", data=large, headers=AUTHORIZED, timeout=PATIENCE_SECONDS
            )
            answered.append(answer.status_code)
            done.set()

        answered: list[int] = []
        healthy = 0
        threads = [threading.Thread(target=post) for _ in range(3)]
        for thread in threads:
            thread.start()
        while not done.is_set():
            assert requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).ok
            healthy += 1
        for thread in threads:
            thread.join()
    assert answered == [202] * 3
    # How long each took says nothing on a busy machine; with the loop held it is one or two.
    assert healthy > 3


def test_a_url_with_a_password_is_not_shown() -> None:
    for url in ("http://u:s3/cret@h", "http://u:s3#cret@h", "http://u:s3cret@h", "http//u:s3cret@h"):
        receiver = {"name": "r", "url": url, "secret_env": "X"}
        with pytest.raises(InputError) as refusal:
            ServiceConfig.from_json({"receivers": [receiver]})
        assert "cret" not in str(refusal.value)


def call(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def drip(caller: socket.socket) -> None:
    """Until the other side has had enough."""
    caller.settimeout(0.05)
    while True:
        try:
            caller.sendall(b"X")
            if not caller.recv(1000):
                return
        except TimeoutError:
            continue
        except OSError:
            return
