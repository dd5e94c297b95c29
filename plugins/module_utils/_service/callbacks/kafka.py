# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs to a topic of Kafka.

All replicas in sync confirm a message. Its key is the id of the request, so that the call-backs about one are
in one partition; a header has the id of the call-back, by which consumers recognise a repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..config import Receiver
from ..errors import SecretMissing
from ..library import aiokafka, require
from .bus import Bus, bus_of
from .outbox import Delivery
from .sender import NotDelivered

_PORT = 9092
# Until the client has given up by itself.
_GRACE_SECONDS = 5.0


class KafkaSender:
    """One producer, made again after any error."""

    def __init__(self, receiver: Receiver, where: str, environment: Mapping[str, str]) -> None:
        """Raises SecretMissing, ServiceLibraryMissing, and InputError for a file that can't be used."""
        require(aiokafka, "aiokafka", f"{where}.url")
        self._bus = bus_of(receiver, where, environment, _PORT)
        if self._bus.credentials is not None and self._bus.credentials.user is None:
            raise SecretMissing("it is not USER:PASSWORD", where=f"{where}.credentials")
        self._producer: Any = None
        self._turn = asyncio.Lock()

    async def send(self, delivery: Delivery, body: bytes, headers: Mapping[str, str]) -> NotDelivered | None:
        bus = self._bus
        producer = None
        try:
            async with asyncio.timeout(bus.receiver.timeout + _GRACE_SECONDS):
                producer = await self._started()
                await producer.send_and_wait(
                    bus.path,
                    body,
                    key=delivery.request.encode(),
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )
        except (TimeoutError, aiokafka.errors.KafkaTimeoutError):
            await self._drop(producer)
            return bus.late()
        except aiokafka.errors.UnknownTopicOrPartitionError as error:
            return bus.failed(error, f". Create the topic {bus.path}")
        except (aiokafka.errors.KafkaError, OSError, ValueError) as error:
            await self._drop(producer)
            return bus.failed(error)
        return None

    async def close(self) -> None:
        await self._drop(self._producer)

    async def _started(self) -> Any:
        async with self._turn:
            if self._producer is None:
                producer = _producer(self._bus)
                try:
                    await producer.start()
                except aiokafka.errors.KafkaConnectionError:
                    await _stop(producer)
                    await _raise_cause(self._bus)
                    raise
                except BaseException:
                    await _stop(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: Any) -> None:
        if producer is None:
            return
        if producer is self._producer:
            self._producer = None
        await _stop(producer)


async def _stop(producer: Any) -> None:
    # It may be broken in any way; what counts is that it is not used again.
    with suppress(aiokafka.errors.KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(producer.stop(), _GRACE_SECONDS)


def _producer(bus: Bus) -> Any:
    return aiokafka.AIOKafkaProducer(
        bootstrap_servers=list(bus.servers), acks="all", enable_idempotence=True, **_connection(bus)
    )


async def _raise_cause(bus: Bus) -> None:
    """The client only logs why it could not connect to any server: raise that of the first one."""
    host, _colon, port = bus.servers[0].rpartition(":")
    connect = aiokafka.conn.create_conn
    connection = await connect(host.strip("[]"), int(port), **_connection(bus))
    connection.close()


def _connection(bus: Bus) -> dict[str, Any]:
    security = "PLAINTEXT" if bus.tls is None else "SSL"
    options: dict[str, Any] = {
        "client_id": "evenkeel",
        "request_timeout_ms": max(1000, int(bus.receiver.timeout * 1000)),
        "security_protocol": security,
        "ssl_context": bus.tls,
    }
    if bus.credentials is not None:
        options |= {
            "security_protocol": f"SASL_{security}",
            "sasl_mechanism": bus.receiver.sasl.upper(),
            "sasl_plain_username": bus.credentials.user,
            "sasl_plain_password": bus.credentials.password,
        }
    return options
