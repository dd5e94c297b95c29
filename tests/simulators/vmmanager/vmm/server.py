# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 over TLS: requests in, answers out."""

from __future__ import annotations

import json
import ssl
import time
from urllib.parse import urlsplit

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.serving import TlsHandler, TlsServer

from . import api, control
from .access import Access
from .errors import ApiError, Silent, unauthorized
from .world import World

LOGIN = "/auth/v4/public/token"
GATEWAY = (502, 503, 504)


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class Redirected(Exception):
    """The answer is a redirect."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class Server(TlsServer):
    """One platform on one port."""

    def __init__(self, address: tuple[str, int], world: World, access: Access, tls: ssl.SSLContext) -> None:
        super().__init__(address, Handler, tls)
        self.world = world
        self.access = access


class Handler(TlsHandler):
    """One connection."""

    server_version = "nginx"
    server: Server

    def answer(self) -> None:
        url = urlsplit(self.path)
        body = self.body()
        world = self.server.world
        try:
            if url.path.startswith("/_sim/"):
                with world.lock:
                    result = control.handle(world, self.server.access, self.command, url.path, body)
                self._send(200, result)
            else:
                status, result = self._call(url.path, url.query, body)
                self._send(status, result)
        except SnapshotError as error:
            self._send(400, {"error": str(error)})
        except ApiError as error:
            self._send(error.status or world.switches.error_status, error.body())
        except Silent as silent:
            self._send(silent.status, None)
        except Redirected as redirected:
            self.send_response(301)
            self.send_header("Location", redirected.target)
            self.send_header("Content-Length", "0")
            self.send_at_once(b"")
        except Dropped:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """By the platform's clock."""
        moment = time.time() if timestamp is None else timestamp
        return super().date_time_string(self.server.world.told(moment))  # type: ignore[arg-type]

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Date" or self.server.world.switches.tells_date:
            super().send_header(keyword, value)

    def _call(self, path: str, query: str, body: bytes) -> tuple[int, object]:
        world, access, switches = self.server.world, self.server.access, self.server.world.switches
        if switches.latency_seconds:
            time.sleep(switches.latency_seconds)
        if switches.redirect is not None:
            raise Redirected(switches.redirect)
        self._wait(path, body)
        with world.lock:
            if switches.asleep_requests > 0:
                switches.asleep_requests -= 1
                raise Silent(503)
            now = world.advance()
            found = api.find(self.command, path)
            name = found[0] if found else f"{self.command} {path}"
            world.calls[name] += 1
            concrete = f"{self.command} {path}"
            drop = switches.to_drop(name, concrete)
            if drop is not None and drop.when == "before":
                raise Dropped
            given = _parsed(body)
            numbers = [*map(str, found[2] if found else ()), *map(str, given.values())]
            fault = switches.to_fail(name, concrete, numbers)
            if fault is not None:
                if fault.error in GATEWAY:
                    raise Silent(fault.error)
                raise ApiError(fault.error, fault.message, status=fault.error)
            result: object
            if concrete == f"POST {LOGIN}":
                status, result = 201, access.log_in(given)
            else:
                user = access.identify(self.headers.get("x-xsrf-token"), self.headers.get("Cookie"))
                if found is None:
                    raise unauthorized()
                call = api.Call(world, access, user, query, given, found[2], now)
                status, result = 201 if self.command == "POST" else 200, found[1](call)
        if drop is not None:
            raise Dropped
        return status, result

    def _wait(self, path: str, body: bytes) -> None:
        """As long as the switches let this call wait; the platform goes on meanwhile."""
        found = api.find(self.command, path)
        name = found[0] if found else f"{self.command} {path}"
        numbers = [*map(str, found[2] if found else ()), *map(str, _parsed(body).values())]
        with self.server.world.lock:
            seconds = self.server.world.switches.pause_before(name, f"{self.command} {path}", numbers)
        if seconds:
            time.sleep(seconds)

    def _send(self, status: int, result: object) -> None:
        """JSON; a page of the web server where there is nothing."""
        content = json.dumps(result).encode() if result is not None else b"<html>sorry</html>"
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if result is not None else "text/html")
        self.send_header("Content-Length", str(len(content)))
        if self.server.world.switches.sets_cookie and self.path == LOGIN and status == 201:
            self.send_header("Set-Cookie", Access.cookie(json.loads(content)["token"]))
        self.send_at_once(content)


def _parsed(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise ApiError(1000, f"bad request: {error}") from error
    if parsed is not None and not isinstance(parsed, dict):
        raise ApiError(1000, "bad request: an object is expected")
    return parsed or {}
