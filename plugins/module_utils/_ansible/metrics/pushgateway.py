# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Pushgateway, which holds the metrics of a cluster until Prometheus scrapes them."""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from ..._model.errors import InputError, printable, shortened
from ..._model.text.urls import parsed_url
from ..errors import ExportError
from .library import prometheus

JOB = "evenkeel"
_OPTION = "pushgateway"
_EXAMPLE = "https://pushgateway.example.com:9091"
_MAX_ANSWER = 200


@dataclass(frozen=True, kw_only=True)
class Pushgateway:
    """Where it is and who pushes; `timeout` in seconds."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 10

    def check(self, option: str = _OPTION) -> None:
        """Raises InputError or UrlError for what can't be a Pushgateway. Nothing is sent."""
        url = parsed_url(self.url, f"{option}.url", _EXAMPLE)
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(
                f"{option}.url",
                None,
                "a URL",
                statement=" is not an http:// or https:// URL",
                hint=f"Write it as {_EXAMPLE}",
            )
        if url.user is not None:
            raise InputError(
                f"{option}.url",
                None,
                "a URL without a user",
                statement=" has a user in it",
                hint=f"Set {option}.username and {option}.password instead",
            )
        if self.bearer_token and self.username:
            raise InputError.conflict(f"{option}.bearer_token", f"{option}.username")
        if not self.timeout > 0:
            raise InputError(f"{option}.timeout", self.timeout, "a number of seconds greater than 0")
        if self.ca_path and url.scheme == "https":
            self._context(option)

    def push(self, registry: Any, cluster: str) -> None:
        """Replaces the metrics of the cluster. Raises ExportError."""
        self._do(
            lambda handler: prometheus.push_to_gateway(
                self.url, JOB, registry, {"cluster": cluster}, self.timeout, handler
            )
        )

    def delete(self, cluster: str) -> None:
        """Removes the metrics of the cluster. Raises ExportError."""
        self._do(
            lambda handler: prometheus.delete_from_gateway(
                self.url, JOB, {"cluster": cluster}, self.timeout, handler
            )
        )

    def _do(self, action: Callable[[Any], None]) -> None:
        self.check()
        try:
            action(self._handler)
        except urllib.error.HTTPError as error:
            answer = printable(error.read(_MAX_ANSWER).decode("utf-8", "replace")).strip()
            said = f": {shortened(answer, _MAX_ANSWER)}" if answer else ""
            raise ExportError(
                f"{self.url} answered {error.code} {error.reason}{said}", where=_OPTION
            ) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ExportError(f"{self.url} can't be reached: {reason}", where=_OPTION) from None

    def _handler(
        self, url: str, method: str, timeout: float, headers: Sequence[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        def handle() -> None:
            request = urllib.request.Request(url, data=data, method=method)
            for name, value in [*headers, *self._login().items()]:
                request.add_header(name, value)
            handlers: list[Any] = [_NoRedirect()]
            if url.startswith("https:"):
                handlers.append(urllib.request.HTTPSHandler(context=self._context()))
            urllib.request.build_opener(*handlers).open(request, timeout=timeout).close()

        return handle

    def _login(self) -> Mapping[str, str]:
        if self.bearer_token:
            return {"Authorization": f"Bearer {self.bearer_token}"}
        if self.username is None:
            return {}
        text = base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode()
        return {"Authorization": f"Basic {text}"}

    def _context(self, option: str = _OPTION) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
        except OSError as error:
            raise InputError(
                f"{option}.ca_path",
                self.ca_path,
                "a PEM file with certificates",
                statement=f": {self.ca_path} can't be used: {error.strerror or error}",
            ) from None
        if not self.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A login is for one server."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None
