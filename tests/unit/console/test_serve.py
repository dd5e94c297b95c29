# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and the token of the console in browsers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from ansible_collections.evenkeel.cluster.extensions.console.serve import (
    ConsoleServer,
    _announce,
    _is_loopback,
    _token,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError

TOKEN = "t" * 32
PUBLIC = "https://keel.example.com/console"


def without_loop(coroutine: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        found: web.StreamResponse = end.value
        return found
    raise AssertionError("it waits for something")


def ask(server: ConsoleServer, path: str, **headers: str) -> web.StreamResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", path, {"Host": "127.0.0.1:8765", **named})

    async def page(request: web.Request) -> web.StreamResponse:
        return await server.handle_index(request)

    return without_loop(server._guard()(request, page))


def text_of(response: web.StreamResponse) -> str:
    assert isinstance(response, web.Response)
    return response.text or ""


def test_the_page_finds_its_socket() -> None:
    server = ConsoleServer("127.0.0.1", 8765, None, TOKEN)
    shown = text_of(ask(server, "/", X_Evenkeel_Token=TOKEN))
    assert 'data-session-websocket-url="ws://127.0.0.1:8765/ws"' in shown
    behind = ConsoleServer("127.0.0.1", 8765, PUBLIC, TOKEN)
    shown = text_of(ask(behind, "/", X_Evenkeel_Token=TOKEN))
    assert 'data-session-websocket-url="wss://keel.example.com/console/ws"' in shown
    assert "://" not in shown.replace("wss://keel", "")


def test_a_size_that_is_none_is_not_in_the_page() -> None:
    server = ConsoleServer("127.0.0.1", 8765, None, TOKEN)
    shown = text_of(ask(server, "/?fontsize=%22%3E%3Cscript%3E", X_Evenkeel_Token=TOKEN))
    assert 'data-font-size="16"' in shown
    assert "<script>" not in shown
    assert 'data-font-size="20"' in text_of(ask(server, "/?fontsize=20", X_Evenkeel_Token=TOKEN))


def test_the_token_leaves_the_address_for_a_cookie() -> None:
    plain = ask(ConsoleServer("127.0.0.1", 8765, None, TOKEN), f"/?token={TOKEN}")
    assert (plain.status, plain.headers["Location"]) == (302, "./")
    cookie = plain.cookies["evenkeel_console_8765"]
    assert (cookie.value, cookie["path"], cookie["httponly"], cookie["samesite"]) == (TOKEN, "/", True, "Lax")
    assert not cookie["secure"]
    behind = ask(ConsoleServer("127.0.0.1", 8765, PUBLIC, TOKEN), f"/?token={TOKEN}")
    cookie = behind.cookies["evenkeel_console_8765"]
    assert (cookie["path"], cookie["secure"]) == ("/console/", True)


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://keel.example.com", 200), ("http://keel.example.com", 403), ("http://127.0.0.1:8765", 403)],
)
def test_behind_a_proxy_only_its_own_pages_open_a_socket(origin: str, status: int) -> None:
    server = ConsoleServer("127.0.0.1", 8765, PUBLIC, TOKEN)
    assert ask(server, "/ws", X_Evenkeel_Token=TOKEN, Origin=origin).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8765", 200), ("[::1]:8765", 200), ("127.0.0.1", 200), ("evil.example", 403), ("", 403)],
)
def test_a_foreign_name_is_refused_on_loopback(host: str, status: int) -> None:
    server = ConsoleServer("127.0.0.1", 8765, None, TOKEN)
    assert ask(server, "/", X_Evenkeel_Token=TOKEN, Host=host).status == status
    everywhere = ConsoleServer("0.0.0.0", 8765, None, TOKEN)
    assert ask(everywhere, "/", X_Evenkeel_Token=TOKEN, Host="controller:8765").status == 200
    assert ask(everywhere, "/", Host="controller:8765").status == 403


def test_loopback_is_known() -> None:
    assert [_is_loopback(bind) for bind in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "controller")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_token_of_the_user_is_long_enough_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="has 5 characters, at least 16 are required") as error:
        _token("short")
    assert "short" not in str(error.value)
    assert _token(TOKEN) == TOKEN
    fresh = {_token(""), _token("")}
    assert len(fresh) == 2
    assert all(len(token) > 40 for token in fresh)
    _announce("127.0.0.1", "http://127.0.0.1:8765", "")
    assert "Open http://127.0.0.1:8765/ with the token of EVENKEEL_CONSOLE_TOKEN" in capsys.readouterr().out
    _announce("0.0.0.0", "http://controller:8765", TOKEN)
    printed = capsys.readouterr()
    assert f"Open http://controller:8765/?token={TOKEN}" in printed.out
    assert "warning: --bind 0.0.0.0 lets other machines reach the console" in printed.err
