# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, users, tokens and servers that are no Prometheus."""

from __future__ import annotations

import http.server
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.errors import PrometheusError
from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.prometheus import (
    Prometheus,
    PrometheusConnection,
    Series,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support import prometheus
from ansible_collections.evenkeel.cluster.tests.support.certificates import WRONG, Authority, listening
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.prometheus import Line, Running, Tls
from ansible_collections.evenkeel.cluster.tests.support.sshd import dead_port

UNTIL = 1_769_896_800.0
LINES = [Line("load", {"of": "web01"}, [1.5] * 10)]
ANSWER = [Series({"__name__": "load", "of": "web01"}, 1.5)]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Behind TLS and a password."""
    folder = tmp_path_factory.mktemp("tls")
    ca_path = launch.make_certificates(folder)
    with prometheus.running(
        LINES, UNTIL, tls=Tls(folder / "server.pem", folder / "server.key", ca_path)
    ) as place:
        yield place


def ask(**connection: object) -> list[Series]:
    server = Prometheus(PrometheusConnection(**{"timeout": 10, **connection}))  # type: ignore[arg-type]
    try:
        return server.instant("load", UNTIL, "the load of guests")
    finally:
        server.close()


def test_with_a_password_and_a_certificate(locked: Running) -> None:
    user = {"username": prometheus.USER, "password": prometheus.PASSWORD}
    assert ask(url=locked.url, ca_path=str(locked.ca_path), **user) == ANSWER
    assert ask(url=f"{locked.url}/", validate_certs=False, **user) == ANSWER


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        (None, None, r"401 Unauthorized: the credentials are wrong.*Set username and password"),
        (prometheus.USER, "wrong", r"401 Unauthorized"),
        ("nobody", prometheus.PASSWORD, r"401 Unauthorized"),
    ],
)
def test_without_the_password(locked: Running, user: str | None, password: str | None, says: str) -> None:
    with pytest.raises(PrometheusError, match=says) as caught:
        ask(url=locked.url, ca_path=str(locked.ca_path), username=user, password=password)
    assert prometheus.PASSWORD not in str(caught.value)


def test_an_unknown_authority(locked: Running, tmp_path: Path) -> None:
    with pytest.raises(PrometheusError, match=r"certificate, was not accepted.*verify failed.*ca_path"):
        ask(url=locked.url)
    with pytest.raises(PrometheusError, match=r"the request failed.*nowhere\.pem"):
        ask(url=locked.url, ca_path=str(tmp_path / "nowhere.pem"))


@pytest.mark.parametrize("what", list(WRONG))
def test_a_wrong_certificate(tmp_path: Path, what: str) -> None:
    authority = Authority(tmp_path)
    with listening(authority.issue(what)) as port, pytest.raises(PrometheusError) as caught:
        ask(url=f"https://127.0.0.1:{port}", ca_path=str(authority.path), username="u", password="s3cret")
    said = str(caught.value)
    assert said.startswith(f"https://127.0.0.1:{port}: ")
    assert WRONG[what] in said
    assert "Set ca_path to the authority that issued it" in said
    assert "s3cret" not in said


def test_a_certificate_of_our_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    names = {name: tmp_path / name for name in ("ca", "server", "client", "client.key", "client.pem")}
    authority.cert_pem.write_to_path(str(names["ca"]))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(names["server"]))
    ours = authority.issue_cert("client.example.com")
    ours.private_key_and_cert_chain_pem.write_to_path(str(names["client"]))
    ours.private_key_pem.write_to_path(str(names["client.key"]))
    ours.cert_chain_pems[0].write_to_path(str(names["client.pem"]))
    tls = Tls(names["server"], names["server"], names["ca"], client_ca=names["ca"])
    with prometheus.running(LINES, UNTIL, tls=tls) as place:
        login = {
            "url": place.url,
            "ca_path": str(names["ca"]),
            "username": prometheus.USER,
            "password": prometheus.PASSWORD,
        }
        assert ask(client_cert=str(names["client"]), **login) == ANSWER
        assert (
            ask(client_cert=str(names["client.pem"]), client_key=str(names["client.key"]), **login) == ANSWER
        )
        with pytest.raises(PrometheusError, match=r"certificate"):
            ask(**login)


def test_nobody_there() -> None:
    refused = r"the load of guests: the request failed.*refused"
    with dead_port() as port, pytest.raises(PrometheusError, match=refused):
        ask(url=f"http://127.0.0.1:{port}")


def test_https_where_there_is_none(locked: Running) -> None:
    with pytest.raises(
        PrometheusError, match=r"it answers 400 Bad Request, which is not an answer of Prometheus"
    ):
        ask(url=locked.url.replace("https", "http"))


@contextmanager
def before(inner: str | None, status: int = 200, body: str = "<html>", **headers: str) -> Iterator[str]:
    """A server before a Prometheus that lets the owner of a token through; one that answers on its own
    without `inner`.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if inner is None:
                self._answer(status, body.encode())
            elif (self.headers["Authorization"], self.headers["X-Scope-OrgID"]) != ("Bearer t0ken", "tenant"):
                self._answer(403, b"no")
            else:
                request = urllib.request.Request(f"{inner}{self.path}", sent)
                with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                    self._answer(200, answer.read())

        def _answer(self, code: int, text: bytes) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_and_a_tenant() -> None:
    with prometheus.running(LINES, UNTIL) as place, before(place.url) as url:
        assert ask(url=url, bearer_token="t0ken", headers={"X-Scope-OrgID": "tenant"}) == ANSWER
        with pytest.raises(PrometheusError, match=r"403 Forbidden: the credentials are wrong"):
            ask(url=url, bearer_token="other")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (302, "", r"302 Found.*leads to https://login\.example\.com"),
        (200, "<html>", r"200 OK, which is not an answer of Prometheus.*Is /api/v1/query there"),
        (200, "[]", r"not an answer of Prometheus"),
        (200, "{}", r"\{\}.*The query was load"),
        (503, '{"status": "error", "error": "query timed out"}', r"query timed out"),
        (200, '{"status": "success", "data": {"resultType": "scalar"}}', r"the result is a scalar"),
        (200, '{"status": "success", "data": []}', r"the result is of an unknown type"),
        (
            200,
            '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}',
            r"is no series with a value",
        ),
    ],
)
def test_what_is_no_prometheus(status: int, body: str, says: str) -> None:
    location = "https://login.example.com"
    with before(None, status, body, Location=location) as url, pytest.raises(PrometheusError, match=says):
        ask(url=url)


def test_warnings_are_handed_on() -> None:
    text = '{"status": "success", "warnings": ["store down"], "data": {"resultType": "vector", "result": []}}'
    with before(None, 200, text) as url:
        server = Prometheus(PrometheusConnection(url=url))
        assert server.instant("load", UNTIL, "the load") == []
        assert server.notices == ("the load: store down",)
        server.close()
