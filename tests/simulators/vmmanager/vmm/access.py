# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call: tokens with an end, in a header and a cookie."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

from .errors import ApiError, unauthorized
from .switches import Switches


class Access:
    """The users and their tokens. Tokens of the command line never end."""

    def __init__(
        self,
        switches: Switches,
        users: Mapping[str, str],
        tokens: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._switches = switches
        self._users = users
        self._clock = clock
        self._ends: dict[str, float | None] = dict.fromkeys(tokens, None)
        self._owners = dict(tokens)

    def log_in(self, given: Mapping[str, object]) -> dict[str, object]:
        email = str(given.get("email"))
        if self._users.get(email) != given.get("password"):
            raise ApiError(1010, "invalid email or password", status=401)
        return self.new_token(email, self._clock() + self._switches.token_seconds)

    def new_token(self, email: str, end: float | None) -> dict[str, object]:
        token = secrets.token_hex(24)
        self._ends[token], self._owners[token] = end, email
        expires = None if end is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(end))
        number = str(len(self._ends))
        return {"id": number, "token": token, "expires_at": expires, "confirmed": True}

    def identify(self, header: str | None, cookies: str | None) -> str:
        """The user of a call's token."""
        token = header or ""
        if token not in self._ends:
            raise unauthorized()
        if self._switches.needs_cookie and _sessions(cookies) != [token]:
            raise unauthorized()
        end = self._ends[token]
        if end is not None and end <= self._clock():
            del self._ends[token]
            raise unauthorized()
        return self._owners[token]

    @staticmethod
    def cookie(token: object) -> str:
        """What a login sets in a browser."""
        return f"ses6={token}; path=/; Secure; SameSite=Lax"

    def expire(self) -> None:
        """End every session of a login."""
        self._ends = {token: end for token, end in self._ends.items() if end is None}


def _sessions(cookies: str | None) -> list[str]:
    """The values of every cookie ses6 that was sent: of two, nobody knows which one counts."""
    pairs = [part.strip().partition("=") for part in (cookies or "").split(";")]
    return [value for name, _, value in pairs if name == "ses6"]
