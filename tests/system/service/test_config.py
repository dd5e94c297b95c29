# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration is of no use is said by the name of the field, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.signing import (
    key_of,
    secret_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.errors import SecretMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.retry_policy import RetryPolicy


def receiver(**more: Any) -> dict[str, Any]:
    return {"name": "ci", "url": "https://ci.example.com/x", "secret_env": "CI", **more}


def bus(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "bus", "url": url, **more}


def test_a_door_by_its_name_alone() -> None:
    config = ServiceConfig.from_json({"http": None, "rabbitmq": None})
    assert config.http is not None
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8080)
    assert config.rabbitmq is not None
    assert (config.rabbitmq.queue, config.rabbitmq.dead_letters) == (
        "evenkeel.requests",
        "evenkeel.requests.dead",
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("x", "'x' is not an object"),
        ({"ftp": {}}, "ftp: 'ftp' is not a known field"),
        ({"http": {"port": 70_000}}, "http.port: 70000 is not a number from 0 to 65535"),
        ({"http": {"host": "0.0.0.0"}}, "http.certificate is required when http.host (0.0.0.0) is"),
        ({"http": {"key": "x"}}, "http.certificate is required when http.key is set"),
        ({"http": {"token_env": ""}}, "http.token_env: '' is not the name of an environment variable"),
        ({"receivers": [receiver(url="ftp://x")]}, "receivers[0].url: 'ftp://x' is not a URL such as"),
        ({"receivers": [receiver(url="http://[")]}, "receivers[0].url: 'the text' is not a URL such as"),
        ({"receivers": [receiver(secret_env=None)]}, "receivers[0].secret_env or secret_file is required"),
        ({"receivers": [receiver(secret_file="x")]}, "receivers[0].secret_env and secret_file are mutually"),
        ({"receivers": [receiver(), receiver()]}, "receivers[1].name: 'ci' is not unique among receivers"),
        (
            {"receivers": [receiver(stream="x")]},
            "receivers[0].stream is only for an event bus. Remove it",
        ),
        (
            {"receivers": [bus("nats://n")]},
            "receivers[0].url: 'nats://n' is not a URL that ends with a subject",
        ),
        (
            {"receivers": [bus("nats://n/a.>")]},
            "receivers[0].url: 'nats://n/a.>' is not a URL that ends with",
        ),
        (
            {"receivers": [bus("kafka://k/a/b")]},
            "receivers[0].url: 'kafka://k/a/b' is not a URL that ends with",
        ),
        (
            {"receivers": [bus("kafka://k/..")]},
            "receivers[0].url: 'kafka://k/..' is not a URL that ends with a",
        ),
        (
            {"receivers": [bus("nats://n/a", sasl="scram-sha-256")]},
            "receivers[0].sasl is only for Kafka. Remove it",
        ),
        (
            {"receivers": [bus("kafka://k/a", stream="x")]},
            "receivers[0].stream is only for NATS. Remove it",
        ),
        (
            {"receivers": [bus("nats://n/a", servers=["n2:4222", "n3/x"])]},
            "receivers[0].servers[1]: 'the text' is not a server as HOST:PORT",
        ),
        (
            {"receivers": [bus("nats://n/a", credentials_env="N")]},
            "receivers[0].url must begin with nats+tls, because a password is sent to n",
        ),
        (
            {"receivers": [bus("kafka+tls://k/a", credentials_env="K", credentials_file="k")]},
            "receivers[0].credentials_env and credentials_file are mutually exclusive",
        ),
        (
            {"receivers": [bus("kafka://k/a", ca_path="ca.pem")]},
            "receivers[0].ca_path requires a url that begins with kafka+tls",
        ),
        ({"work": {"tries": {"tries": 0}}}, "work.tries.tries: 0 is not a number from 1 to 100"),
    ],
)
def test_nonsense(config: object, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        ServiceConfig.from_json(config)
    assert str(refusal.value).startswith(said)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="is not a URL without a password") as refusal:
        ServiceConfig.from_json({"receivers": [receiver(url="https://me:hunter2@ci.example.com/")]})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("secret", ["hunter2hunter2hunter2hunter2", "whsec_aHVudGVyMg==", "whsec_hunter2?"])
def test_a_weak_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SecretMissing, match=r"^receivers\[0\]: the secret is not whsec_") as refusal:
        key_of(secret, "receivers[0]")
    assert secret not in str(refusal.value)


def test_secrets_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match=r"^http: the environment variable TOKEN is empty or not there"):
        secret_of("TOKEN", None, {"TOKEN": " "}, "http")
    with pytest.raises(SecretMissing, match="can't be read: No such file or directory"):
        secret_of(None, str(tmp_path / "x"), {}, "http")
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(SecretMissing, match="can't be read: it is no text"):
        secret_of(None, str(tmp_path / "x"), {}, "http")


def test_pauses_grow_to_a_limit_and_are_random() -> None:
    budget = RetryPolicy(first_seconds=2, most_seconds=60)
    assert [budget.delay(tried, 1.0) for tried in (1, 2, 3, 5, 6, 100)] == [2, 4, 8, 32, 60, 60]
    assert [budget.delay(tried, 0.0) for tried in (1, 2, 100)] == [1, 2, 30]
