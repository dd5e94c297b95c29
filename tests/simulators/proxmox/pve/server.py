# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 over TLS: requests in, answers out, as pveproxy words them."""

from __future__ import annotations

import json
import ssl
import time
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.serving import TlsHandler, TlsServer

from . import control
from .access import Access
from .errors import ApiError
from .routes import Page, Waits, carry_out, find
from .world import World

BASE = "/api2/json"
WITHOUT_BODY = (401, 595, 596, 599)
REQUESTS_A_CONNECTION = 100


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class Hung(Exception):
    """The node that the call is for does not answer, and is waited for."""


class Server(TlsServer):
    """One cluster on one port."""

    def __init__(self, address: tuple[str, int], world: World, access: Access, tls: ssl.SSLContext) -> None:
        super().__init__(address, Handler, tls)
        self.world = world
        self.access = access


class Handler(TlsHandler):
    """One connection."""

    server_version = "pve-api-daemon/3.0"
    server: Server
    answered = 0

    def answer(self) -> None:
        began = time.monotonic()
        url = urlsplit(self.path)
        body = self.body()
        try:
            if url.path.startswith("/_sim/"):
                with self.server.world.lock:
                    result = control.handle(
                        self.server.world, self.server.access, self.command, url.path, body
                    )
                self._send(200, "OK", json.dumps(result).encode())
            elif url.path.startswith(BASE):
                status, reason, content = self._api(url.path.removeprefix(BASE), url.query, body)
                self._send(status, reason, content)
            else:
                raise ApiError(404, f"no such file '{url.path}'", body=False)
        except SnapshotError as error:
            self._send(400, "Bad Request", json.dumps({"error": str(error)}).encode())
        except ApiError as error:
            if error.delayed:
                time.sleep(max(self.server.world.switches.auth_delay_seconds - (time.monotonic() - began), 0))
            self._send(error.status, error.message, _error_body(error) if error.body else b"")
        except Dropped:
            self.close_connection = True
        except Hung:
            time.sleep(self.server.world.switches.hang_seconds)
            self._send(596, "Connection timed out", b"")

    def _api(self, path: str, query: str, body: bytes) -> tuple[int, str, bytes]:
        world, access = self.server.world, self.server.access
        if world.switches.latency_seconds:
            time.sleep(world.switches.latency_seconds)
        given = self._parameters(query, body)
        with world.lock:
            route, names = find(self.command, path, world.major)
            if route is not None and route.since > world.major_of(names.get("node", "")):
                # A node that was not upgraded yet.
                route = None
            principal = None
            header = self.headers.get
            if route is None or not route.world_open or header("Authorization"):
                principal = access.identify(
                    self.command,
                    header("Authorization", ""),
                    self._ticket(),
                    header("CSRFPreventionToken", ""),
                )
            if route is None:
                raise ApiError(501, f"Method '{self.command} {path}' not implemented")
            template = f"{self.command} {route.path}"
            concrete = f"{self.command} {path.rstrip('/')}"
            world.calls[template] += 1
            hung = names.get("node") in world.switches.hung_nodes
            drop = world.switches.to_drop(template, concrete)
            if drop is not None and drop.when == "before":
                raise Dropped
            if hung:
                raise Hung
            fault = world.switches.to_fail(template, concrete, [*names.values(), *map(str, given.values())])
            if fault is not None:
                raise ApiError(fault.error, fault.message, body=fault.error not in WITHOUT_BODY)
            result = carry_out(world, access, route, principal, names, given)
        if isinstance(result, Waits):
            time.sleep(result.seconds)
            result = result.result
        if drop is not None:
            raise Dropped
        envelope = (
            {"data": result.rows, "total": result.total} if isinstance(result, Page) else {"data": result}
        )
        return 200, "OK", json.dumps(envelope, separators=(",", ":")).encode()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date of an answer, by the cluster's clock."""
        return super().date_time_string(self.server.world.clock() if timestamp is None else timestamp)

    def _parameters(self, query: str, body: bytes) -> dict[str, object]:
        given: dict[str, object] = dict(parse_qsl(query, keep_blank_values=True))
        if not body:
            return given
        if self.command in ("GET", "DELETE"):
            raise ApiError(501, f"Unexpected content for method '{self.command}'", body=False)
        kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip()
        if kind == "application/json":
            try:
                parsed = json.loads(body)
            except ValueError as error:
                raise ApiError(400, f"bad request: {error}") from error
            if not isinstance(parsed, dict):
                raise ApiError(400, "bad request: an object is expected")
            return {**given, **parsed}
        if kind not in ("application/x-www-form-urlencoded", ""):
            raise ApiError(506, f"upload '{kind}' not implemented", body=False)
        return {**given, **dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))}

    def _ticket(self) -> str:
        for cookie in self.headers.get("Cookie", "").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == "PVEAuthCookie":
                return unquote(value.strip('"'))
        return ""

    def _send(self, status: int, reason: str, content: bytes) -> None:
        """One write for head and body; after a refusal the connection is closed."""
        self.answered += 1
        if status >= 400 or self.answered >= REQUESTS_A_CONNECTION:
            self.close_connection = True
        line = (reason.strip().splitlines() or [""])[0]
        self.send_response(status, line.encode("latin-1", "replace").decode("latin-1"))
        self.send_header("Cache-Control", "max-age=0")
        self.send_header("Connection", "close" if self.close_connection else "Keep-Alive")
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_at_once(content)


def _error_body(error: ApiError) -> bytes:
    document: dict[str, object] = {"data": None, "message": f"{error.message}\n"}
    if error.errors:
        document["errors"] = error.errors
    return json.dumps(document, separators=(",", ":")).encode()
