# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: its endpoints, the dispatching of requests to playbooks, and webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from .._state.database import Database
from .._state.errors import StateError
from .._state.owner import Owner, this_process
from .callbacks.dispatcher import CallbackDispatcher
from .config import ServiceConfig
from .endpoints.http import listening, serve_http
from .endpoints.rabbitmq import RabbitMqEndpoint
from .intake import Intake
from .queue.claims import dispatch, renew_claims
from .queue.repository import HEARTBEAT_SECONDS, purge
from .queue.task_group import run_all

log = logging.getLogger("evenkeel.service")
EVENT = "evenkeel_request"

Put = Callable[[dict[str, Any]], Awaitable[None]]


async def serve(database: Database, config: ServiceConfig, environment: Mapping[str, str], put: Put) -> None:
    """Serve until cancelled. `put` receives an event for each try of a request: its id, kind and claim.

    Raises InputError and SecretMissing before anything is served, when the configuration is of no use.
    """
    server = this_process()
    intake = Intake(database, config)
    dispatcher = CallbackDispatcher(intake, server, environment)
    rabbitmq = None
    if config.rabbitmq is not None:
        rabbitmq = RabbitMqEndpoint(intake, config.rabbitmq, server, environment)
    async with AsyncExitStack() as stack:
        if config.http is not None:
            where = await stack.enter_async_context(serve_http(intake, config.http, environment))
            log.warning("accepting requests at %s", listening(where, config.http))
        endpoints = [] if rabbitmq is None else [rabbitmq.serve()]
        await run_all(dispatcher.serve(), _dispatch(intake, server, put), _keep(intake, server), *endpoints)


async def _dispatch(intake: Intake, server: Owner, put: Put) -> None:
    work = intake.config.work
    while True:
        try:
            tasks = await intake.ask(dispatch, server, work)
        except StateError as error:
            log.error("requests wait: %s", error)
            tasks = ()
        for task in tasks:
            await put({EVENT: {"id": task.id, "kind": task.kind, "claim": task.claim}})
        await asyncio.sleep(work.poll)


async def _keep(intake: Intake, server: Owner) -> None:
    """Renew claims, and purge requests that ended long ago."""
    forgotten = 0
    while True:
        try:
            await intake.ask(renew_claims, server, intake.config.work)
            forgotten = await intake.ask(purge, intake.config.keep_days)
        except StateError as error:
            log.error("claims could not be renewed: %s", error)
        await asyncio.sleep(1.0 if forgotten else HEARTBEAT_SECONDS / 4)
