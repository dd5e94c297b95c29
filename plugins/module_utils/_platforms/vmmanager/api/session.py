# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to a VMmanager 6: login, waking it up, repeating what may be repeated.

A call that is certain to have done nothing (401: the token was not accepted) is repeated after a new login,
whatever it is. What reads is also repeated while the platform wakes up (503) and, for as long as one call may
take, when no answer came.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Literal

from ...errors import (
    AuthenticationFailed,
    CertificateRefused,
    NoResponse,
    PermissionMissing,
    SessionLost,
    Unreachable,
)
from ...transport import (
    RestSession,
    answered_at,
    certificate_error,
    reason,
)
from ...values import row
from .connection import VMManagerConnection
from .errors import PlatformSuspended, error_of, not_vmmanager, redirected

try:
    import requests
    from requests.adapters import HTTPAdapter
except ImportError as error:
    MISSING: str | None = error.name
else:
    MISSING = None

Method = Literal["GET", "POST"]

LOGIN = "auth/v4/public/token"
# As ISPsystem's own example has it: up to ten times, 0.1 s times the number of the attempt apart.
MAX_RESUME_ATTEMPTS = 10
RESUME_STEP_SECONDS = 0.1
SILENT_ATTEMPTS = 3
GATEWAY_ERRORS = (502, 504)


class _Expired(Exception):
    """The token was not accepted."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _NoResponse(Exception):
    """No answer came."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Suspended(Exception):
    """503."""


class Session(RestSession):
    """A session with one platform. In `concurrently`, only `get` may be called. `date` is the moment of the
    last answer by the platform's own clock; None where it does not say.
    """

    def __init__(
        self,
        connection: VMManagerConnection,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(connection, MISSING, "vmmanager", "requests")
        self._connection = connection
        self._sleep = sleep
        self._monotonic = monotonic
        self._rng = rng
        name = f"[{connection.host}]" if ":" in connection.host else connection.host
        self.url = f"https://{name}:{connection.port}"
        self._http = requests.Session()
        self._http.mount(
            "https://", HTTPAdapter(pool_connections=1, pool_maxsize=connection.workers, max_retries=0)
        )
        # The one cookie goes with each call: what the platform sets at a login would be sent beside it, and
        # be an old one after the next login.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Without it, a line of ~/.netrc for this host adds another account to every call.
        self._http.auth = lambda prepared: prepared
        self.date: datetime | None = None
        # Given with each call: what is set for all calls gives way to REQUESTS_CA_BUNDLE.
        self._verify = connection.verify
        self._token = connection.token or self._logged_in()

    def get(self, path: str, query: str = "") -> Any:
        """The answer of a function, checked for errors. `query` is as it stands in the URL."""
        return self._persistently("GET", f"{path}?{query}" if query else path, None)

    def post(self, path: str, body: object, *, repeatable: bool = False) -> Any:
        """Raises NoResponse when the call may have been run and is not `repeatable`."""
        if repeatable:
            return self._persistently("POST", path, body)
        try:
            return self._accepted("POST", path, body)
        except _Suspended:
            raise PlatformSuspended(_SLEEPS, where=f"POST {path}") from None
        except _NoResponse as silence:
            raise NoResponse(
                f"the call may have been run, but no answer came: {silence.why}", where=f"POST {path}"
            ) from None

    def pause_for_resume(self, attempt: int) -> None:
        """Wait before a call is repeated to a platform that wakes up; longer with each attempt, and never the
        same for all who wait.
        """
        self._sleep(RESUME_STEP_SECONDS * attempt * (1 + self._rng() / 2))

    def close(self) -> None:
        """A token of a login ends by itself: only the connections are closed."""
        self._http.close()

    def _persistently(self, method: Method, path: str, body: object) -> Any:
        return self._repeated(lambda: self._accepted(method, path, body), f"{method} {path}")

    def _repeated(self, call: Callable[[], Any], name: str) -> Any:
        """Until there is an answer, the platform has had its time to wake up, or a call's time is over."""
        began, attempt = self._monotonic(), 0
        while True:
            attempt += 1
            try:
                return call()
            except _Suspended:
                if attempt >= MAX_RESUME_ATTEMPTS:
                    raise Unreachable(_SLEEPS, where=f"{self.url}, {name}") from None
            except _NoResponse as silence:
                if attempt >= SILENT_ATTEMPTS or self._monotonic() - began >= self._connection.timeout:
                    raise Unreachable(
                        f"no answer: {silence.why}",
                        where=self.url,
                        hint="Check vmmanager_host and vmmanager_port",
                    ) from None
            self.pause_for_resume(attempt)

    def _accepted(self, method: Method, path: str, body: object) -> Any:
        """One call, and one more with a new token when the platform does not accept the old one."""
        token = self._token
        try:
            return self._call(method, path, body, token)
        except _Expired as expired:
            if self._connection.token:
                raise AuthenticationFailed(
                    f"the token is not accepted: {expired.why}",
                    where=self.url,
                    hint="Check vmmanager_token; it may have expired",
                ) from None
        self._renew(token)
        try:
            return self._call(method, path, body, self._token)
        except _Expired as expired:
            raise SessionLost(
                f"a new login was accepted, but its token was not: {expired.why}", where=self.url
            ) from None

    def _renew(self, token: str) -> None:
        """Log in again, unless another thread has done so already."""
        with self._lock:
            if self._token == token:
                self._token = self._logged_in()

    def _logged_in(self) -> str:
        body = {"email": self._connection.username, "password": self._connection.password}
        try:
            answer = self._repeated(lambda: self._call("POST", LOGIN, body, None), f"POST {LOGIN}")
        except (_Expired, PermissionMissing) as refused:
            raise self._not_accepted(str(refused)) from None
        token = row(answer, f"POST {LOGIN}").get("token")
        if not isinstance(token, str) or not token:
            raise not_vmmanager(f"{self.url}, POST {LOGIN}")
        return token

    def _not_accepted(self, why: str) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"the user {self._connection.username} or the password is not accepted: {why}",
            where=self.url,
            hint="Check vmmanager_username (an e-mail address) and vmmanager_password",
        )

    def _call(self, method: Method, path: str, body: object, token: str | None) -> Any:
        call = f"{method} {path}"
        try:
            answer = self._http.request(
                method,
                f"{self.url}/{path}",
                json=body,
                headers={} if token is None else {"x-xsrf-token": token},
                cookies={} if token is None else {"ses6": token},
                timeout=self._connection.timeout,
                verify=self._verify,
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            raise self._silence(error) from None
        self.date = answered_at(answer.headers.get("Date")) or self.date
        status = answer.status_code
        if status == 503:
            raise _Suspended
        if status in GATEWAY_ERRORS:
            raise _NoResponse(f"status {status} {answer.reason or ''}".rstrip())
        content = _content(answer)
        trouble = content.get("error") if isinstance(content, dict) else None
        if status == 401:
            raise _Expired(error_of(status, trouble, "").what)
        if token is None and trouble and status < 500:
            # Only a login goes without a token.
            raise _Expired(error_of(status, trouble, "").what)
        if trouble or (status >= 400 and content is not None):
            raise error_of(status, trouble or None, call)
        if status >= 500 and method == "POST":
            raise _NoResponse(f"status {status} without a reason")
        if status >= 500:
            raise error_of(status, None, call)
        if 300 <= status < 400:
            raise redirected(f"{self.url}, {call}", answer.headers.get("Location"))
        if content is None:
            raise not_vmmanager(f"{self.url}, {call}")
        return content

    def _silence(self, error: requests.exceptions.RequestException) -> _NoResponse | CertificateRefused:
        refused = certificate_error(error, where=self.url, hint="Name the CA that signed it with ca_path")
        return refused or _NoResponse(reason(error, self._connection.timeout))


_SLEEPS = "the platform is suspended and does not wake up (503)"


def _content(answer: requests.Response) -> Any:
    """The JSON of the body; None for anything else."""
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, (dict, list)) else None
