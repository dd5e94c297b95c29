# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a whole: doors, whoever hands requests on, and the courier."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from .._state.database import Database
from .._state.errors import StateError
from .._state.owner import Owner, this_process
from .config import ServiceConfig
from .endpoints.http import http_door, listening
from .endpoints.rabbitmq import RabbitMqEndpoint
from .intake import Intake
from .queue.claims import dispatch, renew_claims
from .queue.repository import SIGN_OF_LIFE_SECONDS, purge
from .queue.task_group import together
from .webhooks.dispatcher import WebhookDispatcher

log = logging.getLogger("evenkeel.service")
EVENT = "evenkeel_request"

Put = Callable[[dict[str, Any]], Awaitable[None]]


async def serve(database: Database, config: ServiceConfig, environment: Mapping[str, str], put: Put) -> None:
    """Serve until cancelled. `put` gets an event for each try of a request: its id, kind and claim.

    Raises InputError and SecretMissing before anything is served, when the configuration is of no use.
    """
    desk = this_process()
    reception = Intake(database, config)
    courier = WebhookDispatcher(reception, desk, environment)
    rabbitmq = None
    if config.rabbitmq is not None:
        rabbitmq = RabbitMqEndpoint(reception, config.rabbitmq, desk, environment)
    async with AsyncExitStack() as stack:
        if config.http is not None:
            where = await stack.enter_async_context(http_door(reception, config.http, environment))
            log.warning("taking requests at %s", listening(where, config.http))
        doors = [] if rabbitmq is None else [rabbitmq.serve()]
        await together(courier.serve(), _hand_on(reception, desk, put), _keep(reception, desk), *doors)


async def _hand_on(reception: Intake, desk: Owner, put: Put) -> None:
    work = reception.config.work
    while True:
        try:
            tasks = await reception.ask(dispatch, desk, work)
        except StateError as error:
            log.error("requests wait: %s", error)
            tasks = ()
        for task in tasks:
            await put({EVENT: {"id": task.id, "kind": task.kind, "claim": task.claim}})
        await asyncio.sleep(work.poll)


async def _keep(reception: Intake, desk: Owner) -> None:
    """Signs of life, and now and then what is long over is thrown away."""
    forgotten = 0
    while True:
        try:
            await reception.ask(renew_claims, desk, reception.config.work)
            forgotten = await reception.ask(purge, reception.config.keep_days)
        except StateError as error:
            log.error("no sign of life could be given: %s", error)
        await asyncio.sleep(1.0 if forgotten else SIGN_OF_LIFE_SECONDS / 4)
