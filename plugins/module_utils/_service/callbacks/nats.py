# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs to a subject of NATS, which a stream of JetStream keeps.

The server confirms a message once the stream has it. The id of the call-back is the id of the message, so
that the stream drops a repetition within its duplicate window.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..config import Receiver
from ..library import nats, require
from .bus import Bus, bus_of
from .outbox import Delivery
from .sender import NotDelivered

_PORT = 4222
_MESSAGE_ID = "Nats-Msg-Id"


class NatsSender:
    """One connection, made again after any error."""

    def __init__(self, receiver: Receiver, where: str, environment: Mapping[str, str]) -> None:
        """Raises SecretMissing, ServiceLibraryMissing, and InputError for a file that can't be used."""
        require(nats, "nats-py", f"{where}.url")
        self._bus = bus_of(receiver, where, environment, _PORT)
        self._connection: Any = None
        self._turn = asyncio.Lock()

    async def send(self, delivery: Delivery, body: bytes, headers: Mapping[str, str]) -> NotDelivered | None:
        bus = self._bus
        connection = None
        try:
            async with asyncio.timeout(bus.receiver.timeout):
                connection = await self._connected()
                await self._publish(connection, body, {**headers, _MESSAGE_ID: delivery.id})
        except nats.js.errors.NoStreamResponseError as error:
            return bus.failed(error, self._no_stream())
        except (TimeoutError, nats.errors.TimeoutError):
            await self._drop(connection)
            return bus.late()
        except (nats.errors.Error, OSError, ValueError) as error:
            await self._drop(connection)
            return bus.failed(error)
        return None

    async def close(self) -> None:
        await self._drop(self._connection)

    async def _publish(self, connection: Any, body: bytes, headers: Mapping[str, str]) -> None:
        stream, subject = connection.jetstream(), self._bus.path
        timeout = self._bus.receiver.timeout
        try:
            await stream.publish(subject, body, headers=dict(headers), timeout=timeout)
        except nats.js.errors.NoStreamResponseError:
            name = self._bus.receiver.stream
            if name is None:
                raise
            await stream.add_stream(name=name, subjects=[subject])
            await stream.publish(subject, body, headers=dict(headers), timeout=timeout)

    async def _connected(self) -> Any:
        async with self._turn:
            if self._connection is None or not self._connection.is_connected:
                self._connection = await _connect(self._bus)
            return self._connection

    async def _drop(self, connection: Any) -> None:
        if connection is None:
            return
        if connection is self._connection:
            self._connection = None
        # It may be broken in any way; what counts is that it is not used again.
        with suppress(nats.errors.Error, OSError, TimeoutError):
            await asyncio.wait_for(connection.close(), self._bus.receiver.timeout)

    def _no_stream(self) -> str:
        return (
            f". No stream of JetStream takes the subject {self._bus.path}: make one, or set stream of"
            f" receiver {self._bus.receiver.name} to have it made"
        )


async def _connect(bus: Bus) -> Any:
    """A connection to any of the servers. Raises the error of the last one."""
    *others, last = random.sample(bus.servers, len(bus.servers))
    for server in others:
        with suppress(nats.errors.Error, OSError, TimeoutError):
            return await _connect_to(server, bus)
    return await _connect_to(last, bus)


async def _connect_to(server: str, bus: Bus) -> Any:
    client = nats.NATS()
    seen: list[Exception] = []

    async def note(error: Exception) -> None:
        seen.append(error)

    def secured(value: str) -> Any:
        # The client would go on in plain text where the server's greeting, which anybody may have written,
        # does not ask for TLS.
        def shown() -> str:
            _require_tls(client, bus)
            return value

        return shown

    options: dict[str, Any] = {}
    if bus.credentials is not None:
        password = secured(bus.credentials.password)
        if bus.credentials.user is None:
            options["token"] = password
        else:
            options |= {"user": secured(bus.credentials.user), "password": password}
    if bus.tls is not None:
        options["tls"] = bus.tls
    try:
        await client.connect(
            f"nats://{server}",
            name="evenkeel",
            error_cb=note,
            # Of the same server, at once. We try again ourselves, with pauses.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            allow_reconnect=False,
            connect_timeout=bus.receiver.timeout / len(bus.servers),
            **options,
        )
    except nats.errors.NoServersError as error:
        # It does not say why.
        raise (seen[-1] if seen else error) from None
    try:
        _require_tls(client, bus)
    except nats.errors.Error:
        await client.close()
        raise
    return client


def _require_tls(client: Any, bus: Bus) -> None:
    if bus.tls is not None and not getattr(client, "_server_info", {}).get("tls_required"):
        raise nats.errors.Error("the server does not offer TLS")
