# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instant queries to a Prometheus, or another server with the same HTTP API."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.errors import InputError, UrlError, shortened
from .._model.text.urls import parsed_url
from .errors import PrometheusError

try:
    import requests
except ImportError as error:
    MISSING: str | None = error.name
else:
    MISSING = None

PATH = "/api/v1/query"
_EXAMPLE = "https://prometheus.example.com:9090"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusConnection:
    """Where a Prometheus is and who asks: a user with a password, the owner of a token, or anyone.

    `timeout`: seconds for one query, for the server as well as for the wait.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    timeout: int = 30


@dataclass(frozen=True, slots=True)
class Series:
    """One element of an answer. The value is any float, infinite ones and NaN included."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """Asks one Prometheus. `notices` are the warnings that came with its answers."""

    def __init__(self, connection: PrometheusConnection) -> None:
        if MISSING is not None:
            raise PrometheusError(
                f"the Python library {MISSING} is not installed",
                where="prometheus",
                hint=f"Run {sys.executable} -m pip install requests",
            )
        _check(connection)
        self.notices: tuple[str, ...] = ()
        self._connection = connection
        self.url = connection.url.rstrip("/")
        self._session = requests.Session()
        # Else a netrc file, or proxy settings with credentials, would answer for what was not given.
        self._session.trust_env = False
        self._session.headers.update(connection.headers)
        if connection.bearer_token:
            self._session.headers["Authorization"] = f"Bearer {connection.bearer_token}"
        elif connection.username:
            self._session.auth = requests.auth.HTTPBasicAuth(
                connection.username.encode(), (connection.password or "").encode()
            )
        if connection.client_cert:
            self._session.cert = (
                (connection.client_cert, connection.client_key)
                if connection.client_key
                else connection.client_cert
            )

    def instant(self, query: str, at: float, what: str) -> list[Series]:
        """The answer at the moment `at`, in seconds since 1970; `what` is what the query is for.

        Raises PrometheusError.
        """
        where = f"{self.url}: {what}"
        seconds = f"{self._connection.timeout}s"
        answer = self._post({"query": query, "time": f"{at:.3f}", "timeout": seconds}, where)
        body = _parsed(answer, where)
        if body.get("status") != "success":
            raise PrometheusError(
                f"{body.get('error') or shortened(body)}",
                where=where,
                hint=f"The query was {query}",
            )
        for warning in body.get("warnings") or ():
            self.notices = (*self.notices, f"{what}: {warning}")
        data = body.get("data")
        if not isinstance(data, dict) or data.get("resultType") != "vector":
            kind = data.get("resultType") if isinstance(data, dict) else None
            raise PrometheusError(
                f"the result is {f'a {kind}' if kind else 'of an unknown type'} and not a vector of series",
                where=where,
                hint=f"The query was {query}",
            )
        return [_series(item, where) for item in data.get("result") or ()]

    def close(self) -> None:
        """End the session. Never raises."""
        self._session.close()

    def _post(self, fields: Mapping[str, str], where: str) -> Any:
        connection = self._connection
        verify: bool | str = connection.ca_path or True if connection.validate_certs else False
        try:
            return self._session.post(
                self.url + PATH,
                data=fields,
                verify=verify,
                timeout=connection.timeout + 5,
                # A redirected POST turns into a GET without its query.
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise PrometheusError(
                f"its certificate, or the client certificate, was not accepted: {_cause(error)}",
                where=where,
                hint="Set ca_path to the authority that issued it; one that has expired, or names another"
                " server, must be replaced there",
            ) from None
        except requests.exceptions.Timeout:
            raise PrometheusError(
                f"it did not answer within {connection.timeout + 5} s",
                where=where,
                hint="A shorter range or a longer step makes its work easier, timeout gives it longer",
            ) from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise PrometheusError(f"the request failed: {_cause(error)}", where=where) from None


def _check(connection: PrometheusConnection) -> None:
    try:
        url = parsed_url(connection.url, "url", _EXAMPLE)
    except UrlError as error:
        raise InputError("url", "the text", f"a URL such as {_EXAMPLE}", hint=error.hint) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError("url", f"{url.scheme}://{url.host}", f"a URL such as {_EXAMPLE}")
    if url.user is not None:
        raise InputError(
            "url", "a URL with a password", "a URL without one", hint="Use username and password"
        )
    if connection.bearer_token and connection.username:
        raise InputError.conflict("bearer_token", "username")
    if connection.password and not connection.username:
        raise InputError.required("username", when="password is set")
    if connection.client_key and not connection.client_cert:
        raise InputError.required("client_cert", when="client_key is set")
    if not connection.validate_certs and connection.ca_path:
        raise InputError.conflict("ca_path", "validate_certs: false")


def _parsed(answer: Any, where: str) -> dict[str, Any]:
    """Prometheus explains most of what goes wrong in JSON; what stands before it does not."""
    if answer.status_code in (401, 403):
        raise PrometheusError(
            f"it answers {answer.status_code} {answer.reason}: the credentials are wrong or lack permission",
            where=where,
            hint="Set username and password, or bearer_token",
        )
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    text = f"; the answer leads to {answer.headers['Location']}" if "Location" in answer.headers else ""
    raise PrometheusError(
        f"it answers {answer.status_code} {answer.reason}, which is not an answer of Prometheus{text}",
        where=where,
        hint=f"Is {PATH} there, below url",
    )


def _series(item: object, where: str) -> Series:
    try:
        if isinstance(item, dict):
            return Series({str(k): str(v) for k, v in item["metric"].items()}, float(item["value"][1]))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        pass
    raise PrometheusError(f"{shortened(item)} is no series with a value", where=where)


def usable(value: float) -> bool:
    """Whether it is a load at all."""
    return math.isfinite(value) and value >= 0


def _cause(error: BaseException) -> str:
    """The cause that urllib3 and requests wrap several times."""
    inner = error
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None)
    return str(_cause(reason) if isinstance(reason, BaseException) else inner)
