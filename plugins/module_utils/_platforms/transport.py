# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by adapters over the library requests: failures below HTTP in words, concurrent calls."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from .connection import RestConnection, trusting
from .errors import CertificateRefused, MissingLibrary

if TYPE_CHECKING:
    from requests.exceptions import RequestException
try:
    from requests.exceptions import ReadTimeout, SSLError, Timeout
except ImportError:
    # Whoever has no such library never gets as far as an error of it.
    ReadTimeout = SSLError = Timeout = OSError  # type: ignore[assignment, misc]

_UNRESOLVED = re.compile(r"Failed to resolve|getaddrinfo|\[Errno -[235]\]")
_ERRNO = re.compile(r"\[Errno \d+\] ([^:()'\"]+)")
T = TypeVar("T")
R = TypeVar("R")


class RestSession:
    """A session that runs calls concurrently. Raises MissingLibrary when the library `missing` is not
    installed (`packages` are those that the platform requires), InputError when the file of certificates is
    not usable.
    """

    def __init__(self, connection: RestConnection, missing: str | None, platform: str, packages: str) -> None:
        if missing is not None:
            raise MissingLibrary(missing, platform, packages)
        if connection.ca_path:
            trusting(connection.ca_path)
        self._lock = threading.Lock()
        self._workers = connection.workers

    def concurrently(self, call: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results in the order of the items. The first error ends it."""
        with ThreadPoolExecutor(max_workers=self._workers) as pool:
            futures = [pool.submit(call, item) for item in items]
            try:
                return [future.result() for future in futures]
            finally:
                pool.shutdown(cancel_futures=True)


def answered_at(date: str | None) -> datetime | None:
    """The moment that an answer's Date header names; None where it names none."""
    try:
        found = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def certificate_error(error: RequestException, where: str, hint: str) -> CertificateRefused | None:
    """The error for a certificate that does not verify; None when something else went wrong."""
    text = _innermost(error)
    if isinstance(error, SSLError) and "certificate" in text.lower():
        return CertificateRefused(
            f"the certificate does not verify: {_last_part(text)}", where=where, hint=hint
        )
    return None


def reason(error: RequestException, timeout: float) -> str:
    """Why no answer came; `timeout` is how many seconds one had."""
    if isinstance(error, Timeout):
        return f"no answer within {timeout:g} s"
    text = _innermost(error)
    if _UNRESOLVED.search(text):
        return "the name can't be resolved"
    found = _ERRNO.search(text)
    return found[1].lower() if found is not None else _last_part(text)


def timed_out(error: RequestException) -> bool:
    """Whether the other end was silent for too long, after the connection was made."""
    return isinstance(error, ReadTimeout)


def _innermost(error: BaseException) -> str:
    """The text of the error that others are wrapped around."""
    while True:
        inner = [getattr(error, "reason", None), *error.args]
        found = next((item for item in inner if isinstance(item, BaseException)), None)
        if found is None:
            return str(error) or type(error).__name__
        error = found


def _last_part(text: str) -> str:
    """The part of a nested message that a person understands."""
    return re.sub(r"\s*\(_ssl\.c:\d+\)|[()'\"]+$", "", text.rsplit(": ", 1)[-1]).strip("()'\" ") or text
