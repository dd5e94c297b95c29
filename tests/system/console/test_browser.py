# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in Chromium, on the simulator of vCenter; and who is refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.browser import Watched, chromium, keep_screenshot
from ansible_collections.evenkeel.cluster.tests.support.console import (
    VAULT_PASSWORD,
    Served,
    Watcher,
    in_vault,
    inventory_file,
    served,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants

CLUSTER = generate(Shape(hosts=4, guests=24, seed=4))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Simulator]:
    folder = tmp_path_factory.mktemp("vcenter")
    snapshot = folder / "cluster.json"
    snapshot.write_text(json.dumps(CLUSTER.to_json()))
    with launch.start("vcenter", [snapshot], folder / "simulator") as found:
        yield found


@pytest.fixture(scope="module")
def console(simulator: launch.Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose inventory has the password in a vault, and whose own file of the vault's is gone."""
    folder = tmp_path_factory.mktemp("console")
    variables = {f"balance_{name}": value for name, value in connection_options(simulator.connection).items()}
    password = in_vault(folder, {"balance_password": variables.pop("balance_password")})
    inventory = inventory_file(folder, {"prod": variables})
    arguments = ("-i", str(inventory), "--vault-password-file", str(password), "-e", "extra=unseen")
    with served(folder, *arguments) as found:
        password.unlink()
        yield found


def answer(console: Served, path: str, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{console.port}{path}", headers=named)
    try:
        with urllib.request.urlopen(request) as found:
            return found.status, found.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def token_of(console: Served) -> str:
    return console.address.partition("token=")[2]


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_who_does_not_know_the_token_gets_nothing(console: Served) -> None:
    token, port = token_of(console), console.port
    cookie = f"evenkeel_console_{port}={token}"
    own = f"http://127.0.0.1:{port}"
    for path in ("/", "/ws", "/static/js/textual.js", "/static/", "/download/x", "/?token=", "/?token=wrong"):
        assert answer(console, path)[0] == 403, path
        assert answer(console, path, Cookie=f"evenkeel_console_{port}=wrong")[0] == 403, path
    # One that begins as the right one does, or has letters that are none.
    assert answer(console, f"/?token={token[:-1]}")[0] == 403
    assert answer(console, "/?token=%C3%A9")[0] == 403
    assert answer(console, "/", Cookie=cookie)[0] == 200
    assert answer(console, "/", X_Evenkeel_Token=token)[0] == 200
    assert answer(console, "/static/js/textual.js", Cookie=cookie)[0] == 200
    assert answer(console, "/", Cookie=cookie, Host="evil.example:80")[0] == 403
    assert answer(console, "/ws", Cookie=cookie, **UPGRADE)[0] == 403
    assert answer(console, "/ws", Cookie=cookie, Origin="http://evil.example", **UPGRADE)[0] == 403
    assert answer(console, "/ws", Origin=own, **UPGRADE)[0] == 403


def test_a_person_looks_at_a_cluster_in_a_browser(console: Served) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        watched, shown = Watched(page), Watcher(page)
        page.goto(console.address)
        assert page.url == f"http://127.0.0.1:{console.port}/"
        shown.until("out of band")
        shown.press("Enter")
        shown.until("limit 15")
        keep_screenshot(page, "console-browser", full=False)
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in descendants(console.pid)]
        assert any("evenkeel-console" in command for command in commands)
        for secret in (VAULT_PASSWORD, token_of(console), "unseen"):
            assert not any(secret in command for command in commands)
        shown.press("2")
        shown.until("24 of 24 guests")
        shown.press("/", *"web")
        web = [guest for guest in CLUSTER.guests if "web" in guest.name]
        shown.until(f"{len(web)} of 24 guests")
        # At the end it sends something into the socket that is closed.
        assert watched.errors == []
        while not page.get_by_text("The console has ended.").is_visible():
            # A key that comes before Enter has left the filter belongs to the filter.
            shown.press("Enter", "q")
            page.wait_for_timeout(1000)
        assert {url for url in watched.requests if f"http://127.0.0.1:{console.port}/" not in url} == set()
