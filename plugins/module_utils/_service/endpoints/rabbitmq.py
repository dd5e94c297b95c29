# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests by a durable queue of RabbitMQ.

A message is acknowledged when the request is in the database, and not before. What can't be taken goes to the
dead letters with the reason, and so does what has failed in the end.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..._model.errors import InputError, UrlError, printable
from ..._model.text.urls import Url, parsed_url
from ..._state.errors import StateError
from ..._state.owner import Owner
from ..callbacks.outbox import Delivery, delivered, take_due
from ..callbacks.signing import secret_of
from ..config import RabbitMq
from ..errors import RequestDiffers, SecretMissing
from ..intake import Intake
from ..library import aio_pika, require
from ..queue.task_group import heed_cancellation, run_all
from ..tls import advice, trusting

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue

log = logging.getLogger("evenkeel.service")
_PAUSE_SECONDS = 2.0
_CLAIM_SECONDS = 60.0
_MAX_REASON = 4000
ORIGIN = "rabbitmq"


class RabbitMqEndpoint:
    """One connection, renewed for ever."""

    def __init__(
        self, intake: Intake, rabbitmq: RabbitMq, server: Owner, environment: Mapping[str, str]
    ) -> None:
        """Raises SecretMissing, ServiceLibraryMissing, and InputError for a file that can't be used."""
        require(aio_pika, "aio-pika", "rabbitmq")
        self._intake = intake
        self._settings = rabbitmq
        self._server = server
        self._url = _url_of(secret_of(rabbitmq.url_env, rabbitmq.url_file, environment, "rabbitmq"))
        self._tls = trusting(rabbitmq.ca_path, "rabbitmq.ca_path")

    async def serve(self) -> None:
        """Take messages until cancelled. What goes wrong with the server passes, and is tried again."""
        while True:
            try:
                await self._serve_once()
            except _lost() as error:
                heed_cancellation()
                said = self._url.hidden(str(error))
                todo = advice(said, "rabbitmq.ca_path")
                log.error("RabbitMQ at %s: %s: %s%s", self._url, type(error).__name__, said, todo)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _serve_once(self) -> None:
        connection = await aio_pika.connect(self._url.with_password(), ssl_context=self._tls, timeout=20)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=self._settings.prefetch)
            queue, dead = await self._declare(channel)
            closed = asyncio.Event()
            channel.close_callbacks.add(lambda *_why: closed.set())
            # As many side by side as the server lets out.
            await queue.consume(lambda message: self._take(message, dead))
            log.warning("RabbitMQ: taking requests from queue %s", self._settings.queue)
            await run_all(self._bury(dead), _until_closed(closed))

    async def _declare(self, channel: AbstractChannel) -> tuple[AbstractQueue, AbstractExchange]:
        settings = self._settings
        dead = await channel.declare_exchange(
            settings.dead_letters, aio_pika.ExchangeType.FANOUT, durable=True
        )
        letters = await channel.declare_queue(settings.dead_letters, durable=True)
        await letters.bind(dead)
        arguments: dict[str, Any] = {"x-dead-letter-exchange": settings.dead_letters}
        queue = await channel.declare_queue(settings.queue, durable=True, arguments=arguments)
        if settings.exchange is not None:
            exchange = await channel.declare_exchange(
                settings.exchange, aio_pika.ExchangeType.TOPIC, durable=True
            )
            await queue.bind(exchange, settings.routing_key)
        return queue, dead

    async def _take(self, message: AbstractIncomingMessage, dead: AbstractExchange) -> None:
        try:
            while not await self._taken(message, dead):
                # It stays unacknowledged: if we die now, the server hands it out again.
                await asyncio.sleep(_PAUSE_SECONDS)
            await message.ack()
        except _lost() as error:
            # It comes again with the next connection.
            log.error("a message waits: %s: %s", type(error).__name__, self._url.hidden(str(error)))
        except Exception as error:
            # The last resort: a message that nobody acknowledges would hold its place for ever.
            log.exception("a message goes to the dead letters, for it ended with an error of the service")
            await self._give_up(message, dead, f"{type(error).__name__}: {error}")

    async def _give_up(self, message: AbstractIncomingMessage, dead: AbstractExchange, why: str) -> None:
        """With the reason, or where that fails as well, by the server's own way to the dead letters."""
        with suppress(*_lost()):
            try:
                letter = _letter(message.body, message.message_id, "InternalError", self._url.hidden(why))
                await dead.publish(letter, routing_key="")
                await message.ack()
            except Exception:
                log.exception("the reason of a dead letter could not be written")
                await message.reject(requeue=False)

    async def _taken(self, message: AbstractIncomingMessage, dead: AbstractExchange) -> bool:
        """Whether it is in the database, or with the dead letters."""
        try:
            self._refuse_large(message)
            # The id of the message stands in for that of the request.
            name = message.message_id
            await self._intake.take(message.body, ORIGIN, message=_text(message), name=name)
        except StateError as error:
            log.error("a message waits: %s", error)
            return False
        except (InputError, RequestDiffers) as error:
            letter = _letter(message.body, message.message_id, type(error).__name__, str(error))
            await dead.publish(letter, routing_key="")
        return True

    def _refuse_large(self, message: AbstractIncomingMessage) -> None:
        if len(message.body) > self._settings.most_bytes:
            raise InputError("request", f"{len(message.body)} bytes", f"{self._settings.most_bytes} at most")

    async def _bury(self, dead: AbstractExchange) -> None:
        """A message that failed in the end goes to the dead letters."""
        while True:
            try:
                due = await self._intake.ask(
                    take_due, self._server, "dead_letter", ORIGIN, 10, _CLAIM_SECONDS
                )
                for delivery in due:
                    await dead.publish(_failed(delivery), routing_key="")
                    await self._intake.ask(delivered, delivery)
            except StateError as error:
                log.error("dead letters wait: %s", error)
            await asyncio.sleep(self._intake.config.work.poll)


async def _until_closed(closed: asyncio.Event) -> None:
    await closed.wait()
    raise ConnectionError("the server has closed the channel")


def _lost() -> tuple[type[Exception], ...]:
    """Errors that a server causes by going away or coming back."""
    known = aio_pika.exceptions
    return (known.AMQPError, known.ChannelInvalidStateError, OSError, TimeoutError)


def _letter(body: bytes, name: str | None, kind: str, reason: str) -> Any:
    return _message(body, name, _reason(kind, reason))


def _reason(kind: str, reason: str) -> dict[str, str]:
    """Headers have to fit into one frame."""
    return {"x-evenkeel-error": kind[:_MAX_REASON], "x-evenkeel-reason": printable(reason)[:_MAX_REASON]}


def _failed(delivery: Delivery) -> Any:
    letter = json.loads(delivery.body)
    headers = _reason(letter["error"]["type"], letter["error"]["message"])
    return _message(letter["message"].encode(), delivery.request, headers)


def _message(body: bytes, name: str | None, headers: Mapping[str, str]) -> Any:
    return aio_pika.Message(
        body, message_id=name, headers=dict(headers), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
    )


def _text(message: AbstractIncomingMessage) -> str:
    return bytes(message.body).decode("utf-8", "replace")


def _url_of(text: str) -> Url:
    """Raises SecretMissing, which does not show it: it may hold a password."""
    try:
        url = parsed_url(text, "rabbitmq", "amqps://USER:PASSWORD@HOST/VHOST")
    except UrlError as error:
        raise SecretMissing(error.what, where=error.where, hint=error.hint) from None
    if url.scheme not in ("amqp", "amqps"):
        raise SecretMissing("the URL does not begin with amqp:// or amqps://", where="rabbitmq")
    return url
