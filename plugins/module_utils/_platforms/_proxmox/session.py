# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the API of a cluster, through whichever of its hosts answers. Private to the collection.

Reading is repeated on the next host when one does not answer, and once after a new login when the session
ended.
What changes something is repeated only where it is certain that nothing was done.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ..errors import (
    AuthenticationFailed,
    CertificateRefused,
    MissingLibrary,
    SessionLost,
    UnexpectedAnswer,
    Unreachable,
)
from ..transport import about_certificate, demand_ca, reason
from .answers import row
from .connection import ProxmoxConnection
from .refusals import PROXY_ERRORS, NodeSilent, Unanswered, refusal

try:
    import requests
    from proxmoxer import ProxmoxAPI
    from proxmoxer.core import AuthenticationError, ResourceException
except ImportError as error:
    MISSING: str | None = error.name
else:
    MISSING = None

T = TypeVar("T")
R = TypeVar("R")
Method = Literal["get", "post", "delete"]


class _Expired(Exception):
    """The ticket or token was not accepted."""


class _Silence(Exception):
    """A host did not answer; or, `proxied`, a node behind it did not."""

    def __init__(self, reason: str, *, proxied: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.proxied = proxied


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """An open session with one of the hosts, and the version that it runs."""

    api: Any
    index: int
    version: str


class Session:
    """A session with the cluster. In `concurrently`, only `get` may be called."""

    def __init__(self, connection: ProxmoxConnection) -> None:
        if MISSING is not None:
            raise MissingLibrary(
                f"the Python library {MISSING} is not installed",
                where="platform proxmox",
                hint="Install proxmoxer and requests for the Python that runs the module",
            )
        demand_ca(connection.ca_path)
        self._connection = connection
        self._lock = threading.Lock()
        self._link = self._open_any(0)

    @property
    def version(self) -> str:
        """Of the host that answers, such as 9.2.3."""
        return self._link.version

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def get(self, path: str, **params: object) -> Any:
        return self._send("get", path, params)

    def post(self, path: str, data: Mapping[str, object]) -> Any:
        """Raises Unanswered when it may or may not have been carried out."""
        return self._send("post", path, data)

    def delete(self, path: str) -> Any:
        """Raises Unanswered when it may or may not have been carried out."""
        return self._send("delete", path, {})

    def concurrently(self, call: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results in the order of the items. The first error ends it."""
        with ThreadPoolExecutor(max_workers=self._connection.workers) as pool:
            futures = [pool.submit(call, item) for item in items]
            try:
                return [future.result() for future in futures]
            finally:
                pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """There is no logout, a ticket ends by itself: only the connections are closed."""
        self._link.api._store["session"].close()

    def _send(self, method: Method, path: str, params: Mapping[str, object]) -> Any:
        silent: dict[str, str] = {}
        renewed = False
        attempts = max(2, len(self._connection.api_hosts))
        while True:
            link = self._link
            try:
                return self._call(link.api, method, path, params)
            except _Expired:
                # A 401 comes before anything is done, so that also what changes something may be repeated.
                if renewed or self._connection.api_token_id:
                    raise self._not_accepted(renewed) from None
                renewed = True
                self._replace(link, link.index)
            except _Silence as silence:
                silent[self._connection.api_hosts[link.index]] = silence.reason
                attempts -= 1
                if method != "get":
                    raise self._unanswered(link, silence, f"{method.upper()} {path}") from None
                if not attempts:
                    raise _gave_up(path, silent, proxied=silence.proxied) from None
                self._replace(link, link.index + 1)

    def _call(self, api: Any, method: Method, path: str, params: Mapping[str, object]) -> Any:
        call = f"{method.upper()} {path}"
        try:
            answer = getattr(api(path), method)(**params)
        except ResourceException as error:
            if error.status_code == 401:
                raise _Expired from None
            if error.status_code in PROXY_ERRORS:
                raise _Silence(f"{error.status_code} {error.content}", proxied=True) from None
            raise refusal(error.status_code, str(error.content or ""), error.errors, call) from None
        except AuthenticationError:
            # The library wanted to exchange the ticket for a new one, but it was too old already.
            raise _Expired from None
        except requests.exceptions.RequestException as error:
            raise self._silence(error) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _not_proxmox(call) from None
        # What is no JSON the library hands on under this name.
        if isinstance(answer, dict) and isinstance(answer.get("errors"), bytes):
            raise _not_proxmox(call)
        return answer

    def _replace(self, link: _Link, start: int) -> None:
        """Open a new link in place of this one, unless another thread has done so already."""
        with self._lock:
            if self._link is link:
                self._link = self._open_any(start)

    def _open_any(self, start: int) -> _Link:
        hosts = self._connection.api_hosts
        silent: dict[str, str] = {}
        for offset in range(len(hosts)):
            index = (start + offset) % len(hosts)
            try:
                return self._open(index)
            except _Silence as silence:
                silent[hosts[index]] = silence.reason
        raise _gave_up("", silent, proxied=False)

    def _open(self, index: int) -> _Link:
        connection, host = self._connection, self._connection.api_hosts[index]
        try:
            api = ProxmoxAPI(
                host,
                port=connection.api_port,
                user=connection.api_user,
                password=connection.api_password,
                token_name=connection.api_token_id,
                token_value=connection.api_token_secret,
                verify_ssl=(connection.ca_path or True) if connection.validate_certs else False,
                timeout=connection.api_timeout,
            )
        except AuthenticationError as error:
            raise self._login_error(str(error)) from None
        except (requests.exceptions.JSONDecodeError, KeyError, TypeError):
            raise _not_proxmox(f"login at {host}") from None
        except requests.exceptions.RequestException as error:
            raise self._silence(error) from None
        try:
            version = str(row(self._call(api, "get", "version", {}), "version").get("version", ""))
        except _Expired:
            raise self._not_accepted(renewed=not connection.api_token_id) from None
        if not re.match(r"\d+\.\d", version):
            raise UnexpectedAnswer(
                f"version {version!r}: expected one such as 9.2.3", where=f"{host}, GET version"
            )
        return _Link(api, index, version)

    def _login_error(self, text: str) -> Exception:
        """The library tells the status of a refused login only in its text."""
        found = re.search(r"code: (\d+)", text)
        if found is not None and found[1] != "401":
            return _Silence(f"the login failed with status {found[1]}")
        if "Two Factor" in text:
            return AuthenticationFailed(
                f"the user {self._connection.api_user} needs a second factor",
                hint="Use an API token (api_token_id, api_token_secret)",
            )
        return self._not_accepted(renewed=False)

    def _not_accepted(self, renewed: bool) -> AuthenticationFailed | SessionLost:
        connection = self._connection
        if renewed:
            return SessionLost("a new login was accepted, but not the session that it gave")
        if connection.api_token_id:
            return AuthenticationFailed(
                f"the API token {connection.api_user}!{connection.api_token_id} is not accepted",
                hint="Check api_user (such as root@pam), api_token_id (the name alone) and api_token_secret",
            )
        return AuthenticationFailed(
            f"the user {connection.api_user} or the password is not accepted",
            hint="Check api_user (such as root@pam, with its realm) and api_password",
        )

    def _unanswered(self, link: _Link, silence: _Silence, call: str) -> Unanswered:
        """Also looks for a host that answers, for the next call."""
        try:
            self._replace(link, link.index + 1)
        except Unreachable as error:
            return Unanswered(f"it may have been carried out, but {error}", where=call)
        return Unanswered(f"it may have been carried out, but no answer came: {silence.reason}", where=call)

    def _silence(self, error: requests.exceptions.RequestException) -> _Silence | CertificateRefused:
        refused = about_certificate(
            error,
            where=str(getattr(error.request, "url", "")).partition("/api2")[0],
            hint="Name the CA that signed it with ca_path (on a node: /etc/pve/pve-root-ca.pem)",
        )
        return refused or _Silence(reason(error, self._connection.api_timeout))


def _not_proxmox(where: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        "the answer is not that of a Proxmox VE API", where=where, hint="Check api_host and api_port"
    )


def _gave_up(path: str, silent: Mapping[str, str], *, proxied: bool) -> Unreachable:
    reasons = "; ".join(f"{host}: {reason}" for host, reason in silent.items())
    if proxied:
        return NodeSilent(f"the node does not answer: {reasons}", where=f"GET {path}")
    return Unreachable(
        f"none of the API hosts answers: {reasons}",
        where="platform proxmox",
        hint="Check api_host and api_port",
    )
