# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NATS and Kafka have in common as receivers: servers, credentials, certificates, words for errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..._model.text.urls import Url, parsed_url
from ..config import EXAMPLE, Receiver
from ..errors import SecretMissing
from ..tls import advice, trusting
from .sender import NotDelivered
from .signing import secret_of

_MIN_HIDDEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and a password; without a user it is a token."""

    user: str | None
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """An event bus. `path` is its subject or topic, `servers` are HOST:PORT, `tls` is None without TLS."""

    receiver: Receiver
    url: Url
    servers: Sequence[str]
    credentials: Credentials | None
    tls: ssl.SSLContext | None

    @property
    def path(self) -> str:
        return self.url.path

    def failed(self, error: BaseException, hint: str = "") -> NotDelivered:
        """The reason in words, without the credentials."""
        name = type(error).__name__
        text = " ".join(str(error).split())
        said = f"{self.url}: {name}: {text}" if text and text != name else f"{self.url}: {name}"
        secrets = () if self.credentials is None else (self.credentials.password,)
        for secret in secrets:
            if len(secret) >= _MIN_HIDDEN:
                said = said.replace(secret, "***")
        return NotDelivered(said + hint + advice(said, f"ca_path of receiver {self.receiver.name}"))

    def late(self) -> NotDelivered:
        return NotDelivered(f"{self.url}: no confirmation within {self.receiver.timeout:g} s")


def bus_of(receiver: Receiver, where: str, environment: Mapping[str, str], port: int) -> Bus:
    """The event bus of a receiver, whose servers listen at `port` unless they say otherwise.

    Raises SecretMissing, and InputError for a file that can't be used.
    """
    url = parsed_url(receiver.url, f"{where}.url", EXAMPLE)
    more = [
        parsed_url(f"{url.scheme}://{server}", f"{where}.servers", EXAMPLE) for server in receiver.servers
    ]
    tls = None
    if url.scheme.endswith("+tls"):
        tls = trusting(receiver.ca_path, f"{where}.ca_path") or ssl.create_default_context()
    return Bus(
        receiver=receiver,
        url=url,
        servers=[_server(one, port) for one in (url, *more)],
        credentials=_credentials(receiver, f"{where}.credentials", environment),
        tls=tls,
    )


def _server(url: Url, port: int) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or port}"


def _credentials(receiver: Receiver, where: str, environment: Mapping[str, str]) -> Credentials | None:
    variable, file = receiver.credentials_env, receiver.credentials_file
    if variable is None and file is None:
        return None
    text = secret_of(variable, file, environment, where)
    user, colon, password = text.partition(":")
    if not colon:
        return Credentials(user=None, password=text)
    if not user or not password:
        raise SecretMissing(
            "the user or the password is empty", where=where, hint="Write it as USER:PASSWORD"
        )
    return Credentials(user=user, password=password)
