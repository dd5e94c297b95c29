# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: its endpoints, the dispatching of requests to playbooks, and webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from .._state.errors import StateError
from .._state.owner import Owner, this_process
from .callbacks.dispatcher import CallbackDispatcher
from .endpoints.http import check_http, listening, serve_http
from .endpoints.rabbitmq import RabbitMqEndpoint
from .intake import Intake
from .queue.claims import dispatch, hand_over, renew_claims
from .queue.removals import request_removals
from .queue.repository import HEARTBEAT_SECONDS, purge
from .queue.task_group import run_beside

log = logging.getLogger("evenkeel.service")
EVENT = "evenkeel_request"
_SPARE_SECONDS = 5.0

Put = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Of a service that ends by itself. `started` is called when everything is served, with its address if
    there is one. When `stop` is set, no request is taken any more; `drain` waits for the work that is under
    way, or ends it.
    """

    started: Callable[[str | None], None]
    stop: asyncio.Event
    drain: Callable[[], Awaitable[None]]


def check(intake: Intake, environment: Mapping[str, str]) -> None:
    """Raises InputError, SecretMissing and ServiceLibraryMissing as `serve` does, but serves nothing."""
    _prepared(intake, this_process(), environment)
    if intake.config.http is not None:
        check_http(intake.config.http, environment)


def _prepared(
    intake: Intake, server: Owner, environment: Mapping[str, str]
) -> tuple[CallbackDispatcher, RabbitMqEndpoint | None]:
    rabbitmq = None
    if intake.config.rabbitmq is not None:
        rabbitmq = RabbitMqEndpoint(intake, intake.config.rabbitmq, server, environment)
    return CallbackDispatcher(intake, server, environment), rabbitmq


async def serve(
    intake: Intake, environment: Mapping[str, str], put: Put, lifetime: Lifetime | None = None
) -> None:
    """Serve until cancelled, or for a lifetime. `put` receives an event for each try of a request: its id,
    kind and claim.

    Raises InputError and SecretMissing before anything is served, when the configuration is of no use.
    """
    server = this_process()
    config = intake.config
    dispatcher, rabbitmq = _prepared(intake, server, environment)
    async with AsyncExitStack() as doors:
        address = None
        if config.http is not None:
            where = await doors.enter_async_context(serve_http(intake, config.http, environment))
            address = listening(where, config.http)
            log.warning("accepting requests at %s", address)
        stop = asyncio.Event() if lifetime is None else lifetime.stop
        endpoints = [] if rabbitmq is None else [rabbitmq.serve()]
        # What is not acknowledged when it is cancelled is delivered again.
        taking = run_beside(_dispatch(intake, server, put, stop), *endpoints)
        if lifetime is not None:
            lifetime.started(address)
            taking = _until_drained(intake, server, lifetime, taking, doors)
        await run_beside(taking, dispatcher.serve(), _keep(intake, server), _remove_spares(intake))


async def _until_drained(
    intake: Intake,
    server: Owner,
    lifetime: Lifetime,
    taking: Coroutine[Any, Any, None],
    doors: AsyncExitStack,
) -> None:
    await taking
    await doors.aclose()
    await lifetime.drain()
    try:
        left = await intake.ask(hand_over, server)
    except StateError as error:
        log.error("claims could not be handed over; they run out by themselves: %s", error)
    else:
        if left:
            log.warning("%d requests were handed over", left)


async def _dispatch(intake: Intake, server: Owner, put: Put, stop: asyncio.Event) -> None:
    work = intake.config.work
    while not stop.is_set():
        try:
            tasks = await intake.ask(dispatch, server, work)
        except StateError as error:
            log.error("requests wait: %s", error)
            tasks = ()
        for task in tasks:
            await put({EVENT: {"id": task.id, "kind": task.kind, "claim": task.claim}})
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), work.poll)


async def _remove_spares(intake: Intake) -> None:
    """Request the removal of spare VMs whose lease has ended."""
    while True:
        try:
            for name in await intake.ask(request_removals):
                log.warning("request %s removes a spare VM", name)
        except StateError as error:
            log.error("spare VMs could not be looked for: %s", error)
        await asyncio.sleep(max(_SPARE_SECONDS, intake.config.work.poll))


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
