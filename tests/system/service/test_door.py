# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door by itself: certificates, tokens that change, and a database that is gone for a while."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.http import (
    listening,
    serve_http,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.errors import SecretMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PostgreSQL

TOKEN = "0123456789abcdef"
ASKED = {"kind": "release", "name": "x"}


@contextmanager
def served(database: Database, http: Mapping[str, Any], token: str = TOKEN, **work: Any) -> Iterator[str]:
    """A door in a thread of its own; gives its URL."""
    config = ServiceConfig.from_json({"http": {"port": 0, **http}, "work": work})
    ready, told, stop = threading.Event(), [], asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        assert config.http is not None
        loops.append(asyncio.get_running_loop())
        try:
            environment = {"EVENKEEL_SERVICE_TOKEN": token}
            async with serve_http(Intake(database, config), config.http, environment) as where:
                told.append(listening(where, config.http))
                ready.set()
                await stop.wait()
        except (InputError, SecretMissing) as error:
            told.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        (url,) = told
        if isinstance(url, Exception):
            raise url
        yield url
    finally:
        if not isinstance(told[0], Exception):
            loops[0].call_soon_threadsafe(stop.set)
        thread.join()


def ask(url: str, token: str = TOKEN, **more: Any) -> requests.Response:
    headers = {"Authorization": f"bearer {token}"}
    return requests.post(f"{url}/requests", json=ASKED, headers=headers, timeout=PATIENCE_SECONDS, **more)


def test_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = {name: str(tmp_path / name) for name in ("ca", "server", "client", "junk")}
    authority.cert_pem.write_to_path(files["ca"])
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files["server"])
    authority.issue_cert("caller@example.com").private_key_and_cert_chain_pem.write_to_path(files["client"])
    Path(files["junk"]).write_text("junk")
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        with served(database, {"certificate": files["server"]}) as url:
            assert url.startswith("https://")
            assert ask(url, verify=files["ca"]).status_code == 202
        with served(database, {"certificate": files["server"], "client_ca": files["ca"]}) as url:
            assert ask(url, verify=files["ca"], cert=files["client"]).status_code == 202
            with pytest.raises(requests.exceptions.ConnectionError):
                ask(url, verify=files["ca"])
        for field in ("certificate", "client_ca"):
            http = {"certificate": files["server"], field: files["junk"]}
            with (
                pytest.raises(InputError, match=rf"^http\.{field}: .* is not a file of use"),
                served(database, http),
            ):
                pass


def test_a_token_is_changed_without_a_gap(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        with served(database, {}, f"{TOKEN}old\n{TOKEN}new\n") as url:
            answers = [ask(url, TOKEN + end).status_code for end in ("old", "new", "")]
            assert answers == [202, 202, 401]
        with (
            pytest.raises(SecretMissing, match="a token has fewer than 16 characters"),
            served(database, {}, f"{TOKEN}\nshort"),
        ):
            pass


def test_a_database_that_is_gone_for_a_while(postgresql: PostgreSQL) -> None:
    with open_database(postgresql.new_database()) as database, served(database, {}) as url:
        assert ask(url).status_code == 202
        postgresql.stop()
        try:
            answer = ask(url)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert answer.json()["error"]["message"] == (
                "The database does not answer. The request was not accepted; send it again"
            )
            assert requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).status_code == 503
        finally:
            postgresql.start()
        assert ask(url).status_code == 202
        assert requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).status_code == 200
