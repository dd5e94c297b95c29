# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls receivers when requests have ended."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..._model.text.urls import parsed_url
from ..._state.errors import StateError
from ..._state.owner import Owner
from ..config import EXAMPLE, Receiver
from ..intake import Intake
from ..library import aiohttp, require
from ..queue.task_group import run_all
from ..tls import advice, trusting
from .outbox import Delivery, delivered, drop_unknown, take_due, undelivered
from .signing import headers, key_of, secret_of

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = logging.getLogger("evenkeel.service")
# At the same time, to one receiver.
_MOST = 4
_GONE = 410


@dataclass(frozen=True, slots=True)
class _Address:
    receiver: Receiver
    shown: str
    key: bytes
    tls: ssl.SSLContext | bool


class CallbackDispatcher:
    """Each receiver is called by itself: one that is down holds nobody else up."""

    def __init__(self, intake: Intake, server: Owner, environment: Mapping[str, str]) -> None:
        """Raises SecretMissing, ServiceLibraryMissing, and InputError for a file that can't be used."""
        if intake.config.receivers:
            require(aiohttp, "aiohttp", "receivers")
        self._intake = intake
        self._server = server
        self._addresses = [
            _address(receiver, f"receivers[{index}]", environment)
            for index, receiver in enumerate(intake.config.receivers)
        ]

    async def serve(self) -> None:
        """Deliver until cancelled."""
        if not self._addresses:
            await self._forget_strangers()
            return
        # Settings of proxies and passwords of whoever started us are not for receivers.
        async with aiohttp.ClientSession(trust_env=False) as session:
            calls = [self._serve_one(session, address) for address in self._addresses]
            await run_all(self._forget_strangers(), *calls)

    async def _forget_strangers(self) -> None:
        known = [address.receiver.name for address in self._addresses]
        while True:
            try:
                await self._intake.ask(drop_unknown, known)
            except StateError as error:
                log.error("call-backs wait: %s", error)
            await asyncio.sleep(60)

    async def _serve_one(self, session: ClientSession, address: _Address) -> None:
        receiver = address.receiver
        seconds = receiver.timeout + 30
        while True:
            try:
                due: Sequence[Delivery] = await self._intake.ask(
                    take_due, self._server, "callback", receiver.name, _MOST, seconds
                )
                await asyncio.gather(*(self._deliver(session, address, one) for one in due))
            except StateError as error:
                log.error("call-backs wait: %s", error)
                due = ()
            if len(due) < _MOST:
                await asyncio.sleep(self._intake.config.work.poll)

    async def _deliver(self, session: ClientSession, address: _Address, delivery: Delivery) -> None:
        receiver = address.receiver
        body = delivery.body.encode()
        signed = headers(address.key, delivery.id, int(time.time()), body)
        why, final = None, False
        try:
            async with session.post(
                receiver.url,
                data=body,
                headers={**signed, "Content-Type": "application/json"},
                ssl=address.tls,
                timeout=aiohttp.ClientTimeout(total=receiver.timeout),
                # It would take the signature elsewhere.
                allow_redirects=False,
            ) as response:
                if not 200 <= response.status < 300:
                    why, final = f"it answered {response.status}", response.status == _GONE
        except TimeoutError:
            why = f"no answer within {receiver.timeout:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = f"{address.shown}: {type(error).__name__}: {error}"
            why = said + advice(said, f"ca_path of receiver {receiver.name}")
        if why is None:
            await self._intake.ask(delivered, delivery)
            return
        log.warning("call-back %s to %s: %s", delivery.id, receiver.name, why)
        budget = self._intake.config.callbacks
        await self._intake.ask(lambda base: undelivered(base, delivery, why, budget, final=final))


def _address(receiver: Receiver, where: str, environment: Mapping[str, str]) -> _Address:
    secret = secret_of(receiver.secret_env, receiver.secret_file, environment, where)
    tls = trusting(receiver.ca_path, f"{where}.ca_path")
    # Without its query, which may hold a token.
    shown = str(parsed_url(receiver.url, f"{where}.url", EXAMPLE))
    return _Address(receiver, shown, key_of(secret, where), True if tls is None else tls)
