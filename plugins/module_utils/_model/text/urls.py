# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs of servers. What can't be parsed is never shown, because it may hold a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from ..errors import UrlError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"[A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._~-]+)?\]")
_PORT = re.compile(r"[0-9]{1,5}")
_MIN_HIDDEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A URL in its parts, without percent-encoding. `path` has no slash at its start; `query` is as it was
    written. Neither its text nor its repr shows the password.
    """

    scheme: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str = ""
    port: int | None = None
    path: str = ""
    query: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        hidden = "" if self.password is None else ":***"
        user = "" if self.user is None else f"{quote(self.user, safe='')}{hidden}@"
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{user}{host}{port}/{quote(self.path, safe='' if self.host else '/')}"

    @property
    def options(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def with_password(self) -> str:
        """As clients take it, with whatever is special percent-encoded."""
        text = str(self)
        if self.password is not None:
            user = quote(self.user or "", safe="")
            _before, _at, place = text.partition("@")
            text = f"{self.scheme}://{user}:{quote(self.password, safe='')}@{place}"
        return f"{text}?{self.query}" if self.query else text

    def hidden(self, text: str) -> str:
        """A text of somebody else's, without the password and without those in the query."""
        asked = [value for name, value in self.options.items() if "pass" in name]
        for secret in [self.password or "", *asked]:
            for written in (secret, quote(secret, safe=""), quote(secret)):
                if len(written) >= _MIN_HIDDEN:
                    text = text.replace(written, "***")
        return text


def parsed_url(text: str, where: str, example: str) -> Url:
    """Raises UrlError, which names where the URL comes from, what is wrong and an example."""
    scheme, separator, rest = text.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise _wrong("it does not begin with a scheme and ://", where, example)
    end = min((rest.index(sign) for sign in "/?#" if sign in rest), default=len(rest))
    authority, rest = rest[:end], rest[end:]
    # Without an authority it names a file, whose name may hold anything.
    if authority and (not text.isprintable() or " " in text):
        raise _wrong("it has blanks, or characters that can't be printed", where, example)
    if authority and "@" in rest:
        raise _wrong("it has @ behind the server", where, example)
    userinfo, at, server = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    host, port = _server(server, where, example)
    path, _sign, query = rest.removeprefix("/").partition("?")
    return Url(
        scheme=scheme.lower(),
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
        host=host,
        port=port,
        path=unquote(path) if authority else path,
        query=query,
    )


def _server(text: str, where: str, example: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":") if ":" in text and not text.endswith("]") else (text, "", "")
    if not _HOST.fullmatch(host) or (colon and not host):
        raise _wrong("its server is not the name or address of one", where, example)
    if port and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536):
        raise _wrong("its port is not a number from 1 to 65535", where, example)
    return host.removeprefix("[").removesuffix("]"), int(port) if port else None


def _wrong(what: str, where: str, example: str) -> UrlError:
    return UrlError(
        f"the URL can't be used: {what}",
        where=where,
        hint=f"Write it as {example}, with the characters @ : / ? # % of a user or password percent-encoded",
    )
