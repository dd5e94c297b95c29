# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service is set up by whoever runs it.

Secrets are never in it: it names environment variables or files that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from .._capacity.pool import Name, Text
from .._model.codec import Bounds, decode
from .._model.errors import InputError, UrlError
from .._model.text.urls import Url, parsed_url
from .queue.retry_policy import RetryPolicy

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Compatibility = Literal["virtflow", "vcm"]
EXAMPLE = "https://ci.example.com/hooks/evenkeel"
NATS_EXAMPLE = "nats+tls://nats.example.com/evenkeel.requests"
KAFKA_EXAMPLE = "kafka+tls://kafka.example.com/evenkeel.requests"
# How each begins. With +tls, nothing is sent to a server without a certificate.
WEBHOOK, NATS, KAFKA = ("http", "https"), ("nats", "nats+tls"), ("kafka", "kafka+tls")
_SUBJECT = re.compile(r"[^\s.*>\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*")
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
# More than a day, even where every pause is as short as it may be.
_SLOW = RetryPolicy(tries=64, first_seconds=5.0, most_seconds=3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Where requests are taken by HTTP. Callers show a token, one of those in the file or variable, one a
    line.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Bounds(0, 65_535)] = 8080
    token_env: Annotated[str | None, "environment variable with the tokens"] = "EVENKEEL_SERVICE_TOKEN"
    token_file: Annotated[str | None, "file with the tokens, instead"] = None
    certificate: Annotated[str | None, "file with the certificate and its chain, for HTTPS"] = None
    key: Annotated[str | None, "file with its key; null: in the same file"] = None
    client_ca: Annotated[str | None, "file with authorities, which callers must be certified by"] = None
    plain_http: Annotated[bool, "whether others than this machine may be served without TLS"] = False
    compatibility: Annotated[
        tuple[Compatibility, ...], "systems whose routes are served, too: virtflow-scheduler and"
        " vsphere-capacity-manager"
    ] = ()  # fmt: skip
    compatibility_token: Annotated[bool, "whether callers of those routes show a token, too"] = True
    most_bytes: Annotated[int, Bounds(1024, 100 * 1024**2), "of a request"] = 1024**2
    connections: Annotated[int, Bounds(1, 100_000), "at the same time; others are refused"] = 200
    head_seconds: Annotated[float, Bounds(0.1, 3600), "for the header of a request"] = 15.0
    body_seconds: Annotated[float, Bounds(0.1, 3600), "for the body of a request"] = 60.0
    metrics: Annotated[Literal["token", "open", "off"], "who may read /metrics"] = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMq:
    """The queue that requests are taken from. It and its queue of dead letters are made when missing."""

    url_env: Annotated[str | None, "environment variable with amqp[s]://USER:PASSWORD@HOST/VHOST"] = (
        "EVENKEEL_AMQP_URL"
    )
    url_file: Annotated[str | None, "file with the URL, instead"] = None
    queue: Name = "evenkeel.requests"
    exchange: Annotated[Name | None, "durable topic exchange that the queue is bound to"] = None
    routing_key: Name = "task.schedule"
    ca_path: Annotated[str | None, "file with the authority of the server's certificate"] = None
    prefetch: Annotated[int, Bounds(1, 1000), "messages that are taken in at the same time"] = 16
    most_bytes: Annotated[int, Bounds(1024, 100 * 1024**2), "of a message"] = 1024**2

    @property
    def dead_letters(self) -> str:
        """The name of both the exchange and the queue."""
        return f"{self.queue}.dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver of calls about ended requests: a webhook, or a subject or topic of an event bus. `always`:
    whether requests need not name it.
    """

    name: Name
    url: Annotated[Text, "http[s]://, nats[+tls]://HOST/SUBJECT or kafka[+tls]://HOST/TOPIC"]
    secret_env: Annotated[str | None, "environment variable with the secret to sign by"] = None
    secret_file: Annotated[str | None, "file with that secret, instead"] = None
    always: bool = True
    ca_path: Annotated[str | None, "file with the authority of the server's certificate"] = None
    timeout: Annotated[float, Bounds(0.1, 300), "seconds"] = 10.0
    servers: Annotated[tuple[Text, ...], "more servers of the same event bus, as HOST:PORT"] = ()
    credentials_env: Annotated[
        str | None, "environment variable with USER:PASSWORD for the event bus, or a token of NATS"
    ] = None
    credentials_file: Annotated[str | None, "file with them, instead"] = None
    sasl: Annotated[Literal["plain", "scram-sha-256", "scram-sha-512"], "how Kafka asks for the password"] = (
        "plain"
    )
    stream: Annotated[Name | None, "stream of NATS that is made when none takes the subject"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How requests are worked on. Times in seconds."""

    running: Annotated[int, Bounds(1, 100), "requests at the same time"] = 4
    tries: RetryPolicy = field(default_factory=RetryPolicy)
    begin_within: Annotated[float, Bounds(1, 86_400), "until a playbook that was called must begin"] = 300.0
    at_most: Annotated[float, Bounds(1, 30 * 86_400), "for one try"] = 3600.0
    stop_within: Annotated[float, Bounds(0, 86_400), "for playbooks to end when the service is stopped"] = (
        300.0
    )
    poll: Annotated[float, Bounds(0.05, 60), "between two looks for work"] = 0.5
    most_guests: Annotated[int, Bounds(1, 100_000), "of all counts of one request"] = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """Everything. Without `http` and `rabbitmq` it only works on what others take, in the same database."""

    http: Http | None = None
    rabbitmq: RabbitMq | None = None
    receivers: tuple[Receiver, ...] = ()
    work: Work = field(default_factory=Work)
    callbacks: Annotated[RetryPolicy, "for each receiver"] = _SLOW
    keep_days: Annotated[float, Bounds(1, 3660), "days that a request is remembered after its end"] = 30.0

    @classmethod
    def from_json(cls, value: object) -> ServiceConfig:
        """Read parsed JSON or YAML. Raises InputError with the path of the first field that is wrong."""
        if isinstance(value, Mapping):
            # `http:` alone, as YAML has it, is all of its defaults.
            value = {key: {} if item is None and key in ("http", "rabbitmq") else item
                     for key, item in value.items()}  # fmt: skip
        config = decode(cls, value, "")
        if config.http is not None:
            _check_http(config.http)
        names = [receiver.name for receiver in config.receivers]
        for index, receiver in enumerate(config.receivers):
            _check_receiver(receiver, f"receivers[{index}]")
            if receiver.name in names[:index]:
                raise InputError(f"receivers[{index}].name", receiver.name, "unique among receivers")
        return config

    def receivers_of(self, notify: tuple[str, ...]) -> tuple[str, ...]:
        """The names of those who are called for a request. Raises InputError for one that there is not."""
        known = [receiver.name for receiver in self.receivers]
        for index, name in enumerate(notify):
            if name not in known:
                expected = f"one of {', '.join(known)}" if known else "wanted: no receiver is configured"
                raise InputError(f"notify[{index}]", name, expected)
        return tuple(
            receiver.name for receiver in self.receivers if receiver.always or receiver.name in notify
        )


def _check_http(http: Http) -> None:
    if http.token_file is None and not http.token_env:
        raise InputError("http.token_env", http.token_env, "the name of an environment variable")
    if not http.compatibility_token and http.host not in _LOOPBACK and http.client_ca is None:
        raise InputError.required(
            "http.compatibility_token",
            when=f"http.host ({http.host}) is reachable from other machines and http.client_ca is not set",
            hint="Set one of them, or have a proxy on this machine add the token",
        )
    if http.certificate is None:
        for name in ("key", "client_ca"):
            if getattr(http, name) is not None:
                raise InputError.required("http.certificate", when=f"http.{name} is set")
        if http.host not in _LOOPBACK and not http.plain_http:
            raise InputError.required(
                "http.certificate",
                when=f"http.host ({http.host}) is reachable from other machines",
                hint="Set it, or set plain_http when a proxy encrypts the connection",
            )


def _check_receiver(receiver: Receiver, path: str) -> None:
    try:
        url = parsed_url(receiver.url, f"{path}.url", EXAMPLE)
    except UrlError as error:
        raise InputError(f"{path}.url", "the text", f"a URL such as {EXAMPLE}", hint=error.hint) from None
    if url.scheme not in (*WEBHOOK, *NATS, *KAFKA) or not url.host:
        expected = f"a URL such as {EXAMPLE}, {NATS_EXAMPLE} or {KAFKA_EXAMPLE}"
        raise InputError(f"{path}.url", f"{url.scheme}://{url.host}", expected)
    if url.user is not None:
        raise InputError(f"{path}.url", f"{url.scheme}://…@{url.host}", "a URL without a password")
    if receiver.secret_env is not None and receiver.secret_file is not None:
        raise InputError.conflict(f"{path}.secret_env", "secret_file")
    if url.scheme in WEBHOOK:
        _check_webhook(receiver, path)
    else:
        _check_bus(receiver, url, path)


def _check_webhook(receiver: Receiver, path: str) -> None:
    if receiver.secret_env is None and receiver.secret_file is None:
        raise InputError.required(f"{path}.secret_env or secret_file")
    for name in ("servers", "credentials_env", "credentials_file", "sasl", "stream"):
        _only_for(receiver, name, "an event bus", path)


def _check_bus(receiver: Receiver, url: Url, path: str) -> None:
    nats = url.scheme in NATS
    _only_for(receiver, "sasl" if nats else "stream", "Kafka" if nats else "NATS", path)
    example = NATS_EXAMPLE if nats else KAFKA_EXAMPLE
    if not (_SUBJECT if nats else _TOPIC).fullmatch(url.path) or url.query:
        expected = f"a URL that ends with a {'subject' if nats else 'topic'}, such as {example}"
        raise InputError(f"{path}.url", receiver.url, expected)
    for index, text in enumerate(receiver.servers):
        try:
            server = parsed_url(f"{url.scheme}://{text}", f"{path}.servers[{index}]", example)
        except UrlError:
            server = None
        if server is None or not server.host or server.path or server.query or server.user is not None:
            raise InputError(f"{path}.servers[{index}]", "the text", "a server as HOST:PORT")
    if receiver.credentials_env is not None and receiver.credentials_file is not None:
        raise InputError.conflict(f"{path}.credentials_env", "credentials_file")
    plain = "+" not in url.scheme
    if plain and receiver.ca_path is not None:
        statement = f" requires a url that begins with {url.scheme}+tls"
        raise InputError(f"{path}.ca_path", receiver.ca_path, "null", statement=statement)
    if plain and url.host not in _LOOPBACK and (receiver.credentials_env or receiver.credentials_file):
        raise InputError(
            f"{path}.url",
            f"{url.scheme}://{url.host}",
            f"{url.scheme}+tls://{url.host}",
            statement=f" must begin with {url.scheme}+tls, because a password is sent to {url.host}",
        )


def _only_for(receiver: Receiver, name: str, whom: str, path: str) -> None:
    given = getattr(receiver, name)
    if given not in (None, (), "plain"):
        statement = f" is only for {whom}"
        raise InputError(f"{path}.{name}", given, "null", statement=statement, hint="Remove it")
