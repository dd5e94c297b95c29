# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook serves requests by a real RabbitMQ, its state in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from ansible_collections.evenkeel.cluster.tests.support import rabbitmq
from ansible_collections.evenkeel.cluster.tests.support.modules import run_module
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PASSWORD, PostgreSQL
from ansible_collections.evenkeel.cluster.tests.support.rabbitmq import RabbitMq
from ansible_collections.evenkeel.cluster.tests.support.service import Service

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
            environment={"EVENKEEL_AMQP_URL": server.url},
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
        for secret in (server.url, "guest:guest", PASSWORD):
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
        json.dumps({"id": None, "kind": "lease", "vcpus": 1}).encode(): "InputError: id: None is not an id",
        json.dumps(lease("q4", vcpus=-1)).encode(): "InputError: vcpus: -1 is not a number",
        json.dumps(lease("q3", vcpus=2)).encode(): "RequestDiffers: request q3: there is a request of",
        b" " * 2_000_000: "InputError: request: '2000000 bytes' is not 1048576 at most",
    }
    site.send(*bad)
    letters = site.dead(len(bad))
    assert sorted(body for body, _name, _headers in letters) == sorted(bad)
    for body, _name, headers in letters:
        assert f"{headers['x-evenkeel-error']}: {headers['x-evenkeel-reason']}".startswith(bad[body])
    assert site.counts()[QUEUE] == 0


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
