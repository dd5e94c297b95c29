# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service takes requests from a real RabbitMQ, its state in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aio_pika
import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.rabbitmq import (
    RabbitMqEndpoint,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support import rabbitmq
from ansible_collections.evenkeel.cluster.tests.support.modules import run_module
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PASSWORD, PostgreSQL
from ansible_collections.evenkeel.cluster.tests.support.rabbitmq import RabbitMq
from ansible_collections.evenkeel.cluster.tests.support.service import PATIENCE_SECONDS, TOKEN, Service
from ansible_collections.evenkeel.cluster.tests.system.service.test_poison import POISON

QUEUE = "evenkeel.requests"


@dataclass(frozen=True)
class Site:
    """Everything that a test needs to know of it."""

    folder: Path
    service: Service
    server: RabbitMq

    def send(self, *bodies: object, exchange: str = "tasks", key: str = "task.schedule", **more: Any) -> None:
        """Publish messages that the server keeps; one that is no text is sent as JSON."""

        async def publish() -> None:
            async with await aio_pika.connect(self.server.url) as connection:
                channel = await connection.channel(publisher_confirms=True)
                where = await channel.get_exchange(exchange)
                for body in bodies:
                    data = body if isinstance(body, bytes) else json.dumps(body).encode()
                    mode = aio_pika.DeliveryMode.PERSISTENT
                    await where.publish(aio_pika.Message(data, delivery_mode=mode, **more), routing_key=key)

        asyncio.run(publish())

    def counts(self) -> dict[str, int]:
        """How many messages are ready in the queue, and how many dead letters there are."""

        async def ask() -> dict[str, int]:
            async with await aio_pika.connect(self.server.url) as connection:
                channel = await connection.channel()
                found = {}
                for name in (QUEUE, f"{QUEUE}.dead"):
                    queue = await channel.get_queue(name)
                    found[name] = queue.declaration_result.message_count or 0
                return found

        return asyncio.run(ask())

    def dead(self, count: int) -> list[tuple[bytes, str | None, dict[str, Any]]]:
        """Take so many dead letters: body, id, headers."""
        self.service.until(lambda: self.counts()[f"{QUEUE}.dead"] >= count)

        async def take() -> list[tuple[bytes, str | None, dict[str, Any]]]:
            async with await aio_pika.connect(self.server.url) as connection:
                queue = await (await connection.channel()).get_queue(f"{QUEUE}.dead")
                letters = []
                while letter := await queue.get(fail=False, no_ack=True):
                    letters.append((letter.body, letter.message_id, dict(letter.headers)))
                return letters

        return asyncio.run(take())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with rabbitmq.running() as server:
        config = {
            "http": {"port": 0},
            "rabbitmq": {"exchange": "tasks"},
            "work": {"poll": 0.5, "tries": {"tries": 2, "first_seconds": 0.1, "most_seconds": 0.1}},
        }
        service = Service(
            folder / "service",
            config,
            postgresql.new_database(),
            # As talkative as can be: no secret may be in what it says.
            environment={"EVENKEEL_AMQP_URL": server.url, "ANSIBLE_VERBOSITY": "4"},
        )
        service.start()
        try:
            service.until(lambda: _there(server))
            pool = {"name": "dal10", "vcpus": 100, "memory": "64G", "storage": 0}
            made = run_module("capacity_pool", folder, {"state_url": service.state_url, **pool})
            assert "failed" not in made
            yield Site(folder, service, server)
        finally:
            service.stop()
        assert "TASK [" in service.said()
        for secret in (server.url, "guest:guest", PASSWORD, TOKEN):
            assert secret not in service.said()


def _there(server: RabbitMq) -> bool:
    async def look() -> bool:
        async with await aio_pika.connect(server.url) as connection:
            try:
                await (await connection.channel()).get_queue(QUEUE)
                await (await connection.channel()).get_exchange("tasks")
            except aio_pika.exceptions.ChannelClosed:
                return False
            return True

    return asyncio.run(look())


def lease(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "kind": "lease", "vcpus": 1, **more}


def test_messages_are_worked_on_once(site: Site) -> None:
    # The same message twice, and one whose id is that of the message.
    site.send(lease("q1"), lease("q1"))
    site.send({"kind": "lease", "vcpus": 1}, message_id="q2")
    for name in ("q1", "q2"):
        assert site.service.ended(name)["result"]["lease"]["phase"] == "Fulfilled"
        assert site.service.ended(name)["result"]["lease"]["name"] == name
    assert site.counts() == {QUEUE: 0, f"{QUEUE}.dead": 0}


def test_what_can_not_be_taken_goes_to_the_dead_letters(site: Site) -> None:
    site.send(lease("q3"))
    site.service.ended("q3")
    bad = {
        b"{": "InputError: request: ",
        b"\xff\xfe": "InputError: request: ",
        json.dumps(
            {"id": None, "kind": "lease", "vcpus": 1}
        ).encode(): "InputError: id is required. The same message",
        json.dumps(lease("q4", vcpus=-1)).encode(): "InputError: vcpus: -1 is not a number",
        json.dumps(lease("q3", vcpus=2)).encode(): "RequestDiffers: request q3: Another request with",
        b" " * 2_000_000: "InputError: request: '2000000 bytes' is not 1048576 at most",
    }
    site.send(*bad)
    letters = site.dead(len(bad))
    assert sorted(body for body, _name, _headers in letters) == sorted(bad)
    for body, _name, headers in letters:
        assert f"{headers['x-evenkeel-error']}: {headers['x-evenkeel-reason']}".startswith(bad[body])
    assert site.counts()[QUEUE] == 0


def test_poison_goes_to_the_dead_letters_and_the_queue_goes_on(site: Site) -> None:
    bodies = [body if isinstance(body, bytes) else body.encode() for body in POISON.values()]
    # More than are let out at the same time.
    site.send(*bodies, *bodies)
    letters = site.dead(2 * len(bodies))
    assert sorted(body for body, _name, _headers in letters) == sorted([*bodies, *bodies])
    for _body, _name, headers in letters:
        assert headers["x-evenkeel-error"] == "InputError"
        assert len(headers["x-evenkeel-reason"]) <= 4000
    site.send(lease("after"))
    assert site.service.ended("after")["status"] == "completed"
    assert site.counts()[QUEUE] == 0


def test_an_error_of_ours_goes_to_the_dead_letters(site: Site) -> None:
    """A database that is none stands for whatever nobody has thought of."""
    config = ServiceConfig.from_json({"rabbitmq": {"queue": "broken"}})
    assert config.rabbitmq is not None
    reception = Intake(cast(Database, object()), config)
    environment = {"EVENKEEL_AMQP_URL": site.server.url}

    async def serve() -> list[dict[str, Any]]:
        assert config.rabbitmq is not None
        async with await aio_pika.connect(site.server.url) as connection:
            channel = await connection.channel()
            arguments = {"x-dead-letter-exchange": "broken.dead"}
            await channel.declare_queue("broken", durable=True, arguments=arguments)
            for _ in range(40):
                message = aio_pika.Message(json.dumps(lease("x")).encode())
                await channel.default_exchange.publish(message, "broken")
            door = OnlyTaking(reception, config.rabbitmq, this_process(), environment)
            task = asyncio.ensure_future(door.serve())
            letters = await channel.declare_queue("broken.dead", durable=True)
            found: list[dict[str, Any]] = []
            while len(found) < 40:
                letter = await letters.get(fail=False, no_ack=True)
                if letter is None:
                    await asyncio.sleep(0.05)
                else:
                    found.append(dict(letter.headers))
            task.cancel()
            # As the service does. The end of the loop would cancel it once more, and with it what the library
            # waits for while it closes the connection.
            await asyncio.wait({task})
            return found

    for headers in asyncio.run(asyncio.wait_for(serve(), PATIENCE_SECONDS)):
        assert headers["x-evenkeel-error"] == "InternalError"
        assert headers["x-evenkeel-reason"].startswith("AttributeError: ")


class OnlyTaking(RabbitMqEndpoint):
    """Looks for no dead letters besides, for which it would ask the same database and end the connection."""

    async def _bury(self, dead: aio_pika.abc.AbstractExchange) -> None:
        await asyncio.Event().wait()


def test_what_fails_in_the_end_goes_to_the_dead_letters(site: Site) -> None:
    asked = lease("q5", required_pools=["nowhere"])
    site.send(asked)
    assert site.service.ended("q5")["status"] == "failed"
    ((body, name, headers),) = site.dead(1)
    assert (json.loads(body), name, headers["x-evenkeel-error"]) == (asked, "q5", "UnknownPool")
    assert "nowhere" in headers["x-evenkeel-reason"]


def test_killed_and_the_server_gone(site: Site) -> None:
    """Messages that come while the service is dead, or around its death, are worked on once; the connection
    is made anew.
    """
    service = site.service
    names = [f"k{number}" for number in range(6)]
    site.send(*(lease(name) for name in names[:3]))
    service.kill(children=True)
    site.send(*(lease(name) for name in names[3:5]))
    site.server.stop()
    site.server.start()
    service.start()
    for name in names[:5]:
        assert service.ended(name)["status"] == "completed"
    site.server.stop()
    site.server.start()
    site.send(lease(names[5]))
    assert service.ended(names[5])["status"] == "completed"
    options = {"state_url": service.state_url, "leases": ["k*"]}
    leases = run_module("capacity_info", site.folder, options)["leases"]
    assert sorted(one["name"] for one in leases) == names
    service.until(lambda: site.counts()[QUEUE] == 0)
    # A server that was killed may bring back what it had been told is done with.
    assert not {name for _body, name, _headers in site.dead(0)} & set(names)
