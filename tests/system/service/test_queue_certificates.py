# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A RabbitMQ whose certificate is not what it should be: the log says so, without the password."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.rabbitmq import (
    RabbitMqEndpoint,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.certificates import WRONG, Authority, listening


@pytest.mark.parametrize("what", list(WRONG))
def test_certificates_of_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str) -> None:
    authority = Authority(tmp_path)
    config = ServiceConfig.from_json({"rabbitmq": {"ca_path": str(authority.path)}})
    assert config.rabbitmq is not None

    def ours() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "evenkeel.service"]

    async def look(door: RabbitMqEndpoint) -> None:
        serving = asyncio.ensure_future(door.serve())
        while not ours():
            await asyncio.sleep(0.05)
        serving.cancel()

    caplog.set_level(logging.ERROR, "evenkeel.service")
    with listening(authority.issue(what)) as port, open_database(f"sqlite:///{tmp_path}/s.db") as database:
        url = f"amqps://me:s3cret@127.0.0.1:{port}/v"
        door = RabbitMqEndpoint(
            Intake(database, config), config.rabbitmq, this_process(), {"EVENKEEL_AMQP_URL": url}
        )
        asyncio.run(look(door))
    said = ours()[0]
    assert said.startswith(f"RabbitMQ at amqps://me:***@127.0.0.1:{port}/v: ")
    assert WRONG[what] in said
    assert "Set rabbitmq.ca_path to the authority" in said
    assert "s3cret" not in caplog.text
