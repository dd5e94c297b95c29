# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are notified. Their URLs are secrets: a message names their kind and their server only."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from ..._model.errors import InputError
from ..._model.text.nearest import nearest
from ..._model.text.wording import readable
from .events import Event
from .library import apprise, require
from .message import Message, as_html, as_markdown, as_text

_SCHEMA = re.compile(r"\s*([A-Za-z0-9]{1,32})://")
# What is shorter may be part of a word of the reason.
_MIN_HIDDEN = 4
_MAX_REASON = 300
_TYPES: dict[Event, str] = {
    "failed": "failure",
    "unresolved": "warning",
    "out_of_band": "warning",
    "lock_taken_over": "warning",
    "changed": "success",
    "would_change": "info",
}


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A service that Apprise accepts, and its name in messages. Its repr shows nothing else."""

    name: str
    service: Any = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A receiver that was not notified, and why not."""

    receiver: str
    why: str

    def to_json(self) -> dict[str, str]:
        return {"receiver": self.receiver, "why": self.why}


def receiver_of(url: str, index: int) -> Receiver:
    """Raises InputError, without the URL, and LibraryMissing."""
    path = f"urls[{index}]"
    require(path)
    _silence()
    found = _SCHEMA.match(url)
    if found is None:
        raise InputError(
            path,
            None,
            "a URL",
            statement=" is not the URL of a notification service: it does not begin with a schema and ://",
            hint="Such as mailtos://USER:PASSWORD@SERVER?to=ADDRESS or ntfy://SERVER/TOPIC",
        )
    schema = found.group(1).lower()
    service = apprise.Apprise.instantiate(url.strip(), asset=_asset())
    if service is None:
        raise _refused(path, schema)
    return Receiver(name=_name(index, schema, service), service=service, url=url)


def _asset() -> Any:
    """Settings by which Apprise works in the thread that calls it: one of its own would keep the process
    alive until a receiver that hangs gives up.
    """
    limit = {"service_timeout": 0} if hasattr(apprise.AppriseAsset, "_service_timeout") else {}
    return apprise.AppriseAsset(async_mode=False, **limit)


def _refused(path: str, schema: str) -> InputError:
    known = sorted(apprise.manager_plugins.NotificationManager().schemas())
    if schema not in known:
        near = nearest(schema, known)
        return InputError(
            path,
            schema,
            "a service",
            statement=f": Apprise knows no service of the schema {schema}://",
            hint=f"Did you mean {near}://?" if near else "Its services: https://appriseit.com/services/",
        )
    return InputError(
        path,
        schema,
        "a URL",
        statement=f": Apprise does not accept this {schema}:// URL",
        hint=f"Compare it with https://appriseit.com/services/, or run: apprise --dry-run -vv '{schema}://…'",
    )


def _name(index: int, schema: str, service: Any) -> str:
    """Many services have a token where others have a server."""
    host = getattr(service, "host", None)
    shown = host if isinstance(host, str) and host and "host" in service.template_tokens else ""
    return readable(f"urls[{index}] ({', '.join(filter(None, (schema, shown)))})")


def notify_all(
    receivers: Sequence[Receiver], message: Message, event: Event, attachments: Sequence[str], timeout: float
) -> list[Failure]:
    """Sends the message to all receivers at the same time, and returns the failures. Whoever has not answered
    after `timeout` seconds is a failure.
    """
    attempts = [_Attempt(receiver) for receiver in receivers]
    with _Reasons() as reasons:
        for attempt in attempts:
            attempt.start(message, event, attachments)
        deadline = time.monotonic() + timeout
        for attempt in attempts:
            attempt.thread.join(max(0.0, deadline - time.monotonic()))
        return [
            Failure(receiver=attempt.receiver.name, why=why)
            for attempt in attempts
            if (why := attempt.failure(reasons, timeout)) is not None
        ]


class _Attempt:
    """One receiver, in a thread that does not keep the process alive."""

    thread: threading.Thread

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.done = False

    def start(self, message: Message, event: Event, attachments: Sequence[str]) -> None:
        self.thread = threading.Thread(target=self._run, args=(message, event, attachments), daemon=True)
        self.thread.start()

    def _run(self, message: Message, event: Event, attachments: Sequence[str]) -> None:
        service = self.receiver.service
        body_format = _format_of(service)
        writer = {"html": as_html, "markdown": as_markdown}.get(body_format, as_text)
        most = int(getattr(service, "body_maxlen", 0) or 0)
        if not getattr(service, "title_maxlen", 1):
            # The title becomes part of the body.
            most -= len(message.title) + 20
        sender = apprise.Apprise(asset=service.asset)
        sender.add(service)
        # Apprise reports a receiver that fails by a result that is false.
        self.done = bool(
            sender.notify(
                body=writer(message, max(0, most)),
                title=message.title,
                notify_type=_TYPES[event],
                body_format=body_format,
                attach=list(attachments) if attachments and service.attachment_support else None,
            )
        )

    def failure(self, reasons: _Reasons, timeout: float) -> str | None:
        if self.done:
            return None
        if self.thread.is_alive():
            return f"no answer within {timeout:g} seconds"
        why = hidden(reasons.of(self.thread), self.receiver)
        return why[:_MAX_REASON] or "Apprise could not notify it"


def _format_of(service: Any) -> str:
    """The format of the service, by Apprise 1 and 2."""
    found = service.resolve_format() if hasattr(service, "resolve_format") else service.notify_format
    return str(getattr(found, "value", found))


def hidden(text: str, receiver: Receiver) -> str:
    """A text by Apprise or a server, on one line, without any part of the URL that may be a secret."""
    _schema, _separator, rest = receiver.url.strip().partition("://")
    host = getattr(receiver.service, "host", None)
    public = host if isinstance(host, str) and f", {host})" in receiver.name else None
    secrets: set[str] = set()
    for part in re.split(r"[/:@?&=#,;]+", rest):
        secrets |= {part, unquote(part), quote(unquote(part), safe="")}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_HIDDEN and secret != public:
            text = text.replace(secret, "***")
    return readable(" ".join(text.split()))


class _Reasons(logging.Handler):
    """What Apprise logs of a failure, by thread. Its debug level has whole URLs, so it is left out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: dict[int | None, list[str]] = {}

    def __enter__(self) -> _Reasons:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.setdefault(record.thread, []).append(record.getMessage())

    def of(self, thread: threading.Thread) -> str:
        return "; ".join(dict.fromkeys(self._lines.get(thread.ident, ())))


def _silence() -> None:
    """Without a handler Python would write warnings to the standard error, with paths of URLs."""
    for name in ("", "apprise"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False
