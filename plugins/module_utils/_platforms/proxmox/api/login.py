# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in with a password. The password is sent to the named host only: a redirect is not followed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

# A ticket is good for two hours, and a good ticket can be exchanged for a new one.
RENEW_SECONDS = 3600


class LoginFailed(Exception):
    """The status of a refused login, or `second_factor` where the user needs one."""

    def __init__(self, status: int, *, second_factor: bool = False) -> None:
        super().__init__(f"the login failed with status {status}")
        self.status = status
        self.second_factor = second_factor


class Ticket:
    """Takes the place of the library's own login, which would follow a redirect, password and all."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        user: str,
        password: str,
        *,
        verify: bool | str,
        timeout: float,
    ) -> None:
        self._session = session
        self._url = f"{url}/access/ticket"
        self._user = user
        # The library reads these two.
        self.verify_ssl = verify
        self.timeout = timeout
        self._exchange(password)

    def get_cookies(self) -> dict[str, str]:
        return {"PVEAuthCookie": self._ticket}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if time.monotonic() - self.birth_time >= RENEW_SECONDS:
            self._exchange(self._ticket)
        if request.method != "GET":
            request.headers["CSRFPreventionToken"] = self._csrf_token
        return request

    def _exchange(self, password: str) -> None:
        """A password, or a ticket that is still good, for a new ticket."""
        answer = self._session.post(
            self._url,
            data={"username": self._user, "password": password},
            verify=self.verify_ssl,
            timeout=self.timeout,
            allow_redirects=False,
        )
        if answer.status_code != 200:
            raise LoginFailed(answer.status_code)
        data: dict[str, Any] = answer.json()["data"]
        if data.get("NeedTFA") is not None:
            raise LoginFailed(401, second_factor=True)
        self.birth_time = time.monotonic()
        self._ticket = str(data["ticket"])
        self._csrf_token = str(data["CSRFPreventionToken"])


def plain_session(make: Callable[[], requests.Session], hear: Callable[..., None]) -> requests.Session:
    """For logins only: without cookies or credentials of its own; `hear` sees each answer first."""
    session = make()
    session.hooks["response"].append(hear)
    return session
