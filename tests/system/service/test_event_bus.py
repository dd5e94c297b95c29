# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs to a real NATS and a real Kafka, which are killed and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiokafka
import aiokafka.admin
import nats
import pytest
from standardwebhooks import Webhook

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.dispatcher import (
    CallbackDispatcher,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.outbox import (
    Delivery,
    deliveries,
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
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.library import sa
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import SERVICE_DELIVERIES
from ansible_collections.evenkeel.cluster.tests.support import kafka as kafka_server
from ansible_collections.evenkeel.cluster.tests.support import nats as nats_server
from ansible_collections.evenkeel.cluster.tests.support.certificates import WRONG, Authority
from ansible_collections.evenkeel.cluster.tests.support.kafka import Kafka
from ansible_collections.evenkeel.cluster.tests.support.nats import Nats
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
PASSWORD = kafka_server.PASSWORD
SUBJECT = "evenkeel.requests"


@dataclass(frozen=True)
class Message:
    """What consumers of the bus see."""

    headers: Mapping[str, str]
    body: str
    key: str | None = None


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def end(database: Database, name: str) -> None:
    """A request has ended, of which the receiver is to be told."""
    asked = parse_request({"id": name, "kind": "release", "name": "x"})
    accept(database, asked, Terms(origin="http", receivers=("bus",)))
    (task,) = dispatch(database, this_process(), ServiceConfig().work)
    assert task.claim is not None
    start(database, name, task.claim, None)
    complete(database, name, task.claim, {})


def serving(database: Database, receiver: Mapping[str, Any], script: Callable[[], Awaitable[None]]) -> None:
    """Run a script while call-backs are delivered to one receiver."""
    config = ServiceConfig.from_json(
        {
            "receivers": [{"name": "bus", "timeout": 10, **receiver}],
            "work": {"poll": 0.05},
            "callbacks": {"tries": 100, "first_seconds": 0.05, "most_seconds": 0.5},
        }
    )
    environment = {"SECRET": SECRET, "BUS": f"evenkeel:{PASSWORD}", "WRONG": "evenkeel:wr0ng-passw0rd"}

    async def work() -> None:
        dispatcher = CallbackDispatcher(Intake(database, config), this_process(), environment)
        task = asyncio.ensure_future(dispatcher.serve())
        try:
            await script()
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(work(), PATIENCE_SECONDS))


async def until(database: Database, name: str, true: Callable[[Delivery], bool]) -> Delivery:
    while not true(found := deliveries(database, name)[0]):
        await asyncio.sleep(0.05)
    return found


async def delivered(database: Database, name: str) -> Delivery:
    return await until(database, name, lambda one: one.status == "delivered")


async def refused(database: Database, name: str, why: str) -> str:
    """The error of a call-back, once it says why; on a busy machine others may come first."""
    found = await until(database, name, lambda one: one.status == "pending" and why in str(one.error))
    assert PASSWORD not in str(found.error)
    return str(found.error)


def again(database: Database, name: str) -> None:
    """As if the service had been killed before it knew that a call-back was delivered."""
    table = SERVICE_DELIVERIES
    change = sa.update(table).where(table.c.request == name)
    database.transaction(lambda c: c.execute(change.values(status="pending", ended_at=None, due_at=0)))


def verified(message: Message, delivery: Delivery) -> None:
    Webhook(SECRET).verify(message.body, dict(message.headers))
    assert message.headers["webhook-id"] == delivery.id
    assert message.body == delivery.body


async def in_stream(server: Nats, **options: Any) -> Sequence[Message]:
    """All that the stream has."""
    client = await nats.connect(server.url, allow_reconnect=False, **options)
    stream = await client.jetstream().stream_info("evenkeel")
    found = []
    for number in range(1, stream.state.messages + 1):
        raw = await client.jetstream().get_msg("evenkeel", number)
        found.append(Message(raw.headers or {}, (raw.data or b"").decode()))
    await client.close()
    return found


def test_nats(database: Database, tmp_path: Path) -> None:
    with nats_server.running(tmp_path / "nats") as server:

        async def no_stream() -> None:
            end(database, "a")
            error = await refused(database, "a", "NoStreamResponseError")
            assert error.startswith(f"{server.url}/{SUBJECT}: NoStreamResponseError")
            assert error.endswith(
                f"No stream of JetStream takes the subject {SUBJECT}: make one, or set stream of receiver bus"
                " to have it made"
            )

        async def with_stream() -> None:
            await delivered(database, "a")
            server.stop()
            for name in ("b", "c"):
                end(database, name)
            await refused(database, "b", f"{server.url}/{SUBJECT}: ConnectionRefusedError")
            server.start()
            first = await delivered(database, "b")
            await delivered(database, "c")
            again(database, "b")
            await delivered(database, "b")
            found = await in_stream(server)
            # One of each, though b was sent twice.
            assert len(found) == 3
            [message] = [one for one in found if one.headers["Nats-Msg-Id"] == first.id]
            verified(message, first)

        receiver = {"url": f"{server.url}/{SUBJECT}", "secret_env": "SECRET"}
        serving(database, receiver, no_stream)
        serving(database, {**receiver, "stream": "evenkeel"}, with_stream)


def test_nats_with_tls_and_a_password(database: Database, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    user = f'authorization {{ user: evenkeel, password: "{PASSWORD}" }}\n'
    open_ = nats_server.running(tmp_path / "open", user)
    with open_ as plain:
        # Nobody is asked for TLS here, and nobody may get the password.
        url = f"nats+tls://127.0.0.1:{plain.port}/{SUBJECT}"
        end(database, "plain")

        async def not_secure() -> None:
            await refused(database, "plain", "the server does not offer TLS")

        receiver = {"url": url, "credentials_env": "BUS", "ca_path": str(authority.path)}
        serving(database, receiver, not_secure)
        assert "authorization" not in (tmp_path / "open" / "log").read_text().lower()
    for what in ("right", *WRONG):
        folder = tmp_path / what
        folder.mkdir()
        issued = authority.issue(what)
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        tls = f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.pem" }}\n'
        with nats_server.running(folder, user + tls) as server:
            # Nobody is at the first of its servers.
            url = f"nats+tls://127.0.0.1:{nats_server.free_port()}/{SUBJECT}"
            receiver = {
                "url": url,
                "servers": [f"127.0.0.1:{server.port}"],
                "stream": "evenkeel",
                "ca_path": str(authority.path),
            }
            end(database, what.replace(" ", "-"))

            async def secure(what: str = what, name: str = what.replace(" ", "-")) -> None:
                if what == "right":
                    await delivered(database, name)
                    return
                error = await refused(database, name, "Set ca_path of receiver bus to the authority")
                assert WRONG[what] in error

            serving(database, {**receiver, "credentials_env": "BUS"}, secure)
            if what == "right":
                end(database, "stranger")

                async def stranger() -> None:
                    await refused(database, "stranger", "Authorization Violation")

                serving(database, {**receiver, "credentials_env": "WRONG"}, stranger)


def test_a_server_that_says_something_else_does_not_end_the_service(database: Database) -> None:
    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO []\r\n")
        await writer.drain()

    async def script() -> None:
        async with await asyncio.start_server(nonsense, "127.0.0.1", port):
            end(database, "a")
            await refused(database, "a", "AttributeError; the reason is in the log of the service")

    port = nats_server.free_port()
    serving(database, {"url": f"nats://127.0.0.1:{port}/{SUBJECT}"}, script)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kafka, Path]]:
    folder = tmp_path_factory.mktemp("kafka")
    authority = Authority(folder)
    with kafka_server.running(folder / "broker", authority.issue("right")) as running:
        yield running, authority.path


async def in_topic(broker: Kafka, topic: str) -> Sequence[Message]:
    """All that the topic has, which has one partition."""
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=broker.address, enable_auto_commit=False)
    await consumer.start()
    partition = aiokafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    last = (await consumer.end_offsets([partition]))[partition]
    found = []
    while len(found) < last:
        raw = await consumer.getone()
        headers = {name: value.decode() for name, value in raw.headers}
        found.append(Message(headers, raw.value.decode(), raw.key.decode()))
    await consumer.stop()
    return found


async def make_topic(broker: Kafka, topic: str) -> None:
    admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    await admin.create_topics([aiokafka.admin.NewTopic(topic, 1, 1)])
    await admin.close()


def test_kafka(database: Database, broker: tuple[Kafka, Path]) -> None:
    server, _authority = broker

    async def script() -> None:
        end(database, "a")
        error = await refused(database, "a", f"Create the topic {SUBJECT}")
        assert error.startswith(f"kafka://{server.address}/{SUBJECT}: ")
        await make_topic(server, SUBJECT)
        await delivered(database, "a")
        server.stop()
        for name in ("b", "c"):
            end(database, name)
        await refused(database, "b", server.address)
        server.start()
        first = await delivered(database, "b")
        await delivered(database, "c")
        found = [one for one in await in_topic(server, SUBJECT) if one.key == "b"]
        assert found
        for message in found:
            verified(message, first)

    serving(database, {"url": f"kafka://{server.address}/{SUBJECT}", "secret_env": "SECRET"}, script)


def test_kafka_with_tls_and_a_password(database: Database, broker: tuple[Kafka, Path]) -> None:
    server, authority = broker
    receiver = {
        "url": f"kafka+tls://127.0.0.1:{server.secure_port}/secure",
        "ca_path": str(authority),
        "credentials_env": "BUS",
    }

    async def right() -> None:
        await make_topic(server, "secure")
        end(database, "right")
        await delivered(database, "right")
        [message] = await in_topic(server, "secure")
        # There is no secret to sign by.
        assert set(message.headers) == {"webhook-id", "webhook-timestamp"}

    async def stranger() -> None:
        end(database, "stranger")
        await refused(database, "stranger", "uthentication")

    async def untrusted() -> None:
        end(database, "untrusted")
        await refused(database, "untrusted", "Set ca_path of receiver bus")

    serving(database, receiver, right)
    serving(database, {**receiver, "credentials_env": "WRONG"}, stranger)
    serving(database, {key: value for key, value in receiver.items() if key != "ca_path"}, untrusted)
