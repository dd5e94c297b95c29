# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs to receivers that are not who they should be, or not there for long."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.dispatcher import (
    CallbackDispatcher,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.outbox import (
    Delivery,
    delivered,
    deliveries,
    take_due,
    undelivered,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    accept,
    complete,
    start,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import parse_request
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.certificates import WRONG, Authority
from ansible_collections.evenkeel.cluster.tests.support.set_clock import START, Machine

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
PATIENCE_SECONDS = 600


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def ended(database: Database, receiver: str) -> None:
    """A request that has ended, whose receiver is to be told."""
    accept(
        database,
        parse_request({"id": "a", "kind": "release", "name": "x"}),
        Terms(origin="http", receivers=(receiver,)),
    )
    (task,) = dispatch(database, this_process(), ServiceConfig().work)
    assert task.claim is not None
    start(database, "a", task.claim, None)
    complete(database, "a", task.claim, {})


def called(
    database: Database, certificate: trustme.LeafCert | None, ca: Path | None, answer: web.Response
) -> tuple[Any, list[str]]:
    """The delivery after its first try, and what the receiver was shown."""
    seen: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        seen.append(request.path)
        return answer

    async def work() -> Any:
        application = web.Application()
        application.add_routes([web.route("*", "/{tail:.*}", hook)])
        runner = web.AppRunner(application)
        await runner.setup()
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}/hook?token=s3cret"
        receiver = {
            "name": "ci",
            "url": url,
            "secret_env": "SECRET",
            "ca_path": None if ca is None else str(ca),
        }
        config = ServiceConfig.from_json({"receivers": [receiver], "work": {"poll": 0.05}})
        ended(database, "ci")
        courier = CallbackDispatcher(Intake(database, config), this_process(), {"SECRET": SECRET})
        task = asyncio.ensure_future(courier.serve())
        while (found := deliveries(database, "a")[0]).tries == 0:
            await asyncio.sleep(0.05)
        task.cancel()
        await runner.cleanup()
        return found

    return asyncio.run(asyncio.wait_for(work(), PATIENCE_SECONDS)), seen


@pytest.mark.parametrize("what", ["right", *WRONG])
def test_certificates_of_a_receiver(database: Database, tmp_path: Path, what: str) -> None:
    authority = Authority(tmp_path)
    delivery, seen = called(database, authority.issue(what), authority.path, web.Response(status=204))
    if what == "right":
        assert (delivery.status, seen) == ("delivered", ["/hook"])
    else:
        assert (delivery.status, seen) == ("pending", [])
        assert delivery.error.startswith("https://127.0.0.1:")
        assert WRONG[what] in delivery.error
        assert "s3cret" not in delivery.error
        assert "Set ca_path of receiver ci to the authority" in delivery.error


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(database: Database, status: int) -> None:
    answer = web.Response(status=status, headers={"Location": "/elsewhere"})
    delivery, seen = called(database, None, None, answer)
    assert (delivery.status, delivery.error, seen) == ("pending", f"it answered {status}", ["/hook"])


def test_a_receiver_may_be_away_for_a_day(tmp_path: Path) -> None:
    """However short the pauses are, it is told when it is back, and of what it was to be told at first."""
    budget = ServiceConfig().callbacks
    machine = Machine()
    with machine.database(tmp_path) as database:
        ended(database, "ci")
        [first] = deliveries(database, "a")
        tried = 0
        while machine.wall < START + 86_400 + 3600:
            for one in take_due(database, this_process(), "callback", "ci", 4, 40):
                undelivered(database, one, "nobody there", budget, rng=lambda: 0.0)
                tried += 1
            machine.passes(60)
        # It is not called all the time either.
        assert tried < 60
        found: list[Delivery] = []
        while not found:
            machine.passes(60)
            found = [*take_due(database, this_process(), "callback", "ci", 4, 40)]
        assert (found[0].id, found[0].body, found[0].tries) == (first.id, first.body, tried)
        delivered(database, found[0])
        assert deliveries(database, "a")[0].status == "delivered"
