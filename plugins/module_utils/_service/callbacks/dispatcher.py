# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls receivers when requests have ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._state.errors import StateError
from ..._state.owner import Owner
from ..config import KAFKA, NATS, Receiver
from ..intake import Intake
from ..queue.task_group import run_all
from .kafka import KafkaSender
from .nats import NatsSender
from .outbox import Delivery, delivered, drop_unknown, take_due, undelivered
from .sender import NotDelivered, Sender
from .signing import headers, key_of, secret_of
from .webhook import WebhookSender

log = logging.getLogger("evenkeel.service")
# At the same time, to one receiver.
_MOST = 4


@dataclass(frozen=True, slots=True)
class _Address:
    receiver: Receiver
    sender: Sender
    key: bytes | None


class CallbackDispatcher:
    """Each receiver is called by itself: one that is down holds nobody else up."""

    def __init__(self, intake: Intake, server: Owner, environment: Mapping[str, str]) -> None:
        """Raises SecretMissing, ServiceLibraryMissing, and InputError for a file that can't be used."""
        self._intake = intake
        self._server = server
        self._addresses = [
            _address(receiver, f"receivers[{index}]", environment)
            for index, receiver in enumerate(intake.config.receivers)
        ]

    async def serve(self) -> None:
        """Deliver until cancelled."""
        calls = [self._serve_one(address) for address in self._addresses]
        await run_all(self._forget_strangers(), *calls)

    async def _forget_strangers(self) -> None:
        known = [address.receiver.name for address in self._addresses]
        while True:
            try:
                await self._intake.ask(drop_unknown, known)
            except StateError as error:
                log.error("call-backs wait: %s", error)
            await asyncio.sleep(60)

    async def _serve_one(self, address: _Address) -> None:
        try:
            while True:
                taken = await self._deliver_due(address)
                if taken < _MOST:
                    await asyncio.sleep(self._intake.config.work.poll)
        finally:
            await address.sender.close()

    async def _deliver_due(self, address: _Address) -> int:
        receiver = address.receiver
        seconds = receiver.timeout + 30
        try:
            due: Sequence[Delivery] = await self._intake.ask(
                take_due, self._server, "callback", receiver.name, _MOST, seconds
            )
            await asyncio.gather(*(self._deliver(address, one) for one in due))
        except StateError as error:
            log.error("call-backs wait: %s", error)
            return 0
        return len(due)

    async def _deliver(self, address: _Address, delivery: Delivery) -> None:
        body = delivery.body.encode()
        signed = headers(address.key, delivery.id, int(time.time()), body)
        try:
            failure = await address.sender.send(delivery, body, signed)
        except Exception as error:
            # The last resort: no answer of a receiver, whatever it is, may end the service. Its words may be
            # secret.
            log.exception("call-back %s ended with an error of the service", delivery.id)
            failure = NotDelivered(f"{type(error).__name__}; the reason is in the log of the service")
        if failure is None:
            await self._intake.ask(delivered, delivery)
            return
        log.warning("call-back %s to %s: %s", delivery.id, address.receiver.name, failure.why)
        budget = self._intake.config.callbacks
        await self._intake.ask(
            lambda base: undelivered(base, delivery, failure.why, budget, final=failure.final)
        )


def _address(receiver: Receiver, where: str, environment: Mapping[str, str]) -> _Address:
    key = None
    if receiver.secret_env is not None or receiver.secret_file is not None:
        key = key_of(secret_of(receiver.secret_env, receiver.secret_file, environment, where), where)
    return _Address(receiver, _sender(receiver, where, environment), key)


def _sender(receiver: Receiver, where: str, environment: Mapping[str, str]) -> Sender:
    scheme = receiver.url.partition("://")[0].lower()
    if scheme in NATS:
        return NatsSender(receiver, where, environment)
    if scheme in KAFKA:
        return KafkaSender(receiver, where, environment)
    return WebhookSender(receiver, where)
