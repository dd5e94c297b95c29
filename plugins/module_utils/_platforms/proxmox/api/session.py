# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the API of a cluster, through whichever of its hosts answers.

Reading is repeated on the next host when one does not answer or can't be trusted, and once after a new login
when the session ended. What changes something is repeated only where it is certain that nothing was done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import (
    AuthenticationFailed,
    CertificateRefused,
    NoResponse,
    PlatformError,
    SessionLost,
    UnexpectedAnswer,
    Unreachable,
)
from ...transport import (
    RestSession,
    answered_at,
    certificate_error,
    reason,
    timed_out,
)
from .connection import ProxmoxConnection
from .errors import NodeUnresponsive, error_of, host_trouble, passed_on
from .login import LoginFailed, Ticket, plain_session
from .values import row

try:
    import requests
    from proxmoxer import ProxmoxAPI
    from proxmoxer.core import ResourceException
except ImportError as error:
    MISSING: str | None = error.name
else:
    MISSING = None

Method = Literal["get", "post", "delete"]


class _Expired(Exception):
    """The ticket or token was not accepted."""


class _NoResponse(Exception):
    """A host gave no answer of use; or, `proxied`, a node behind it did not. `untrusted` is the error about
    its certificate, where that is the reason.
    """

    def __init__(
        self,
        reason: str,
        *,
        proxied: bool = False,
        timed_out: bool = False,
        untrusted: CertificateRefused | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.proxied = proxied
        self.timed_out = timed_out
        self.untrusted = untrusted


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """An open session with one of the hosts, and the version that it runs."""

    api: Any
    index: int
    version: str


class Session(RestSession):
    """A session with the cluster. In `concurrently`, only what reads may be called."""

    def __init__(self, connection: ProxmoxConnection) -> None:
        super().__init__(connection, MISSING, "proxmox", "proxmoxer requests")
        self._connection = connection
        self._answered_at: float | None = None
        self._link = self._open_any(0, {})

    @property
    def version(self) -> str:
        """Of the host that answers, such as 9.2.3."""
        return self._link.version

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def platform_time(self) -> float | None:
        """Seconds since 1970 by the clock of the host that answers, at its last answer; None where it did
        not say.
        """
        return self._answered_at

    def get(self, path: str, **params: object) -> Any:
        return self._send("get", path, params)

    def post(self, path: str, data: Mapping[str, object]) -> Any:
        """Raises NoResponse when the call may or may not have been run."""
        return self._send("post", path, data)

    def delete(self, path: str) -> Any:
        """Raises NoResponse when the call may or may not have been run."""
        return self._send("delete", path, {})

    def close(self) -> None:
        """There is no logout, a ticket ends by itself: only the connections are closed."""
        self._link.api._store["session"].close()

    def _send(self, method: Method, path: str, params: Mapping[str, object]) -> Any:
        silent: dict[str, _NoResponse] = {}
        renewed = False
        attempts = max(2, len(self._connection.api_hosts))
        while True:
            link = self._link
            try:
                return self._call(link.api, method, path, params)
            except _Expired:
                # A 401 comes before anything is done, so that also what changes something may be repeated.
                if renewed or self._connection.api_token_id:
                    raise self._not_accepted(self._connection.address(link.index), renewed) from None
                renewed = True
                self._replace(link, link.index, silent)
            except _NoResponse as silence:
                silent[self._connection.address(link.index)] = silence
                attempts -= 1
                if method != "get":
                    raise self._no_response_error(link, silence, f"{method.upper()} {path}") from None
                if silence.timed_out and path.startswith("nodes/") and self._answers(link):
                    # Another host would wait for that node just as long.
                    raise _gave_up(path, {self._connection.address(link.index): silence}) from None
                if not attempts:
                    raise _gave_up(path, silent) from None
                if not silence.proxied or len(self._connection.api_hosts) > 1:
                    self._replace(link, link.index + 1, silent)

    def _answers(self, link: _Link) -> bool:
        """Whether the host itself answers, though a call for one of the nodes ran out of time."""
        try:
            self._call(link.api, "get", "version", {})
        except (_Expired, _NoResponse, PlatformError):
            return False
        return True

    def _call(self, api: Any, method: Method, path: str, params: Mapping[str, object]) -> Any:
        call = f"{method.upper()} {path}"
        try:
            answer = getattr(api(path), method)(**params)
        except ResourceException as error:
            text = str(error.content or "")
            if passed_on(error.status_code) or host_trouble(error.status_code, text):
                proxied = passed_on(error.status_code) and path.startswith("nodes/")
                raise _NoResponse(f"{error.status_code} {text}", proxied=proxied) from None
            if error.status_code == 401:
                raise _Expired from None
            raise error_of(error.status_code, text, error.errors, call) from None
        except LoginFailed:
            # The ticket was to be exchanged for a new one, but it was too old already.
            raise _Expired from None
        except requests.exceptions.RequestException as error:
            raise self._silence(error) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _not_proxmox(call) from None
        # What is no JSON the library hands on under this name.
        if isinstance(answer, dict) and isinstance(answer.get("errors"), bytes):
            raise _not_proxmox(call)
        return answer

    def _replace(self, link: _Link, start: int, silent: Mapping[str, _NoResponse]) -> None:
        """Open a new link in place of this one, unless another thread has done so already."""
        with self._lock:
            if self._link is link:
                self._link = self._open_any(start, silent)

    def _open_any(self, start: int, before: Mapping[str, _NoResponse]) -> _Link:
        """`before` is what kept hosts from answering until now."""
        hosts = len(self._connection.api_hosts)
        silent = dict(before)
        for offset in range(hosts):
            index = (start + offset) % hosts
            try:
                return self._open(index)
            except _NoResponse as silence:
                silent[self._connection.address(index)] = silence
        raise _gave_up("", silent)

    def _open(self, index: int) -> _Link:
        connection, host = self._connection, self._connection.address(index)
        try:
            api = ProxmoxAPI(
                host,
                user=connection.api_user,
                # With a token, even an empty one, the library sends nothing yet.
                token_name=connection.api_token_id or "",
                token_value=connection.api_token_secret or "",
                verify_ssl=connection.verify,
                timeout=connection.api_timeout,
            )
            api._store["session"].hooks["response"].append(self._record_date)
            if not connection.api_token_id:
                api._backend.auth = api._store["session"].auth = Ticket(
                    plain_session(requests.Session, self._record_date),
                    api._backend.get_base_url(),
                    connection.api_user,
                    connection.api_password or "",
                    verify=connection.verify,
                    timeout=connection.api_timeout,
                )
        except LoginFailed as failed:
            raise self._login_error(failed, host) from None
        except (requests.exceptions.JSONDecodeError, KeyError, TypeError):
            raise _not_proxmox(f"login at {host}") from None
        except requests.exceptions.RequestException as error:
            raise self._silence(error) from None
        try:
            version = str(row(self._call(api, "get", "version", {}), "version").get("version", ""))
        except _Expired:
            raise self._not_accepted(host, renewed=not connection.api_token_id) from None
        if not re.match(r"\d+\.\d", version):
            raise UnexpectedAnswer(
                f"version {version!r}: expected one such as 9.2.3", where=f"{host}, GET version"
            )
        return _Link(api, index, version)

    def _record_date(self, answer: requests.Response, **_options: object) -> None:
        """Of every answer, before anything is made of it: its time, and that credentials go nowhere else."""
        date = answered_at(answer.headers.get("Date"))
        if date is not None:
            self._answered_at = date.timestamp()
        if answer.is_redirect:
            target = str(answer.headers.get("Location")).partition("?")[0]
            raise _NoResponse(f"it redirects to {target}, and credentials are not sent there")

    def _login_error(self, failed: LoginFailed, host: str) -> Exception:
        if failed.status != 401:
            return _NoResponse(str(failed))
        if failed.second_factor:
            return AuthenticationFailed(
                f"the user {self._connection.api_user} needs a second factor",
                where=host,
                hint="Use an API token (api_token_id, api_token_secret)",
            )
        return self._not_accepted(host, renewed=False)

    def _not_accepted(self, host: str, renewed: bool) -> AuthenticationFailed | SessionLost:
        connection = self._connection
        if renewed:
            return SessionLost("a new login was accepted, but its session was not", where=host)
        if connection.api_token_id:
            return AuthenticationFailed(
                f"the API token {connection.api_user}!{connection.api_token_id} is not accepted",
                where=host,
                hint="Check api_user (such as root@pam), api_token_id (the name alone) and api_token_secret",
            )
        return AuthenticationFailed(
            f"the user {connection.api_user} or the password is not accepted",
            where=host,
            hint="Check api_user (such as root@pam, with its realm) and api_password",
        )

    def _no_response_error(self, link: _Link, silence: _NoResponse, call: str) -> NoResponse:
        """Also looks for a host that answers, for the next call."""
        try:
            self._replace(link, link.index + 1, {})
        except (Unreachable, CertificateRefused) as error:
            return NoResponse(f"the call may have been run, but {error}", where=call)
        return NoResponse(f"the call may have been run, but no answer came: {silence.reason}", where=call)

    def _silence(self, error: requests.exceptions.RequestException) -> _NoResponse:
        refused = certificate_error(
            error,
            where=str(getattr(error.request, "url", "")).partition("/api2")[0],
            hint="Name the CA that signed it with ca_path (on a node: /etc/pve/pve-root-ca.pem)",
        )
        if refused is not None:
            return _NoResponse(refused.what, untrusted=refused)
        return _NoResponse(reason(error, self._connection.api_timeout), timed_out=timed_out(error))


def _not_proxmox(where: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        "the answer is not that of a Proxmox VE API", where=where, hint="Check api_host and api_port"
    )


def _gave_up(path: str, silent: Mapping[str, _NoResponse]) -> Unreachable | CertificateRefused:
    """The error that names each host with its reason."""
    reasons = "; ".join(f"{host}: {silence.reason}" for host, silence in silent.items())
    last = list(silent.values())[-1]
    if path.startswith("nodes/") and (last.proxied or last.timed_out):
        return NodeUnresponsive(f"the node does not answer: {reasons}", where=f"GET {path}")
    untrusted = [silence.untrusted for silence in silent.values() if silence.untrusted is not None]
    if len(silent) == 1 and untrusted:
        return untrusted[0]
    if len(untrusted) == len(silent):
        return CertificateRefused(reasons, where="platform proxmox", hint=untrusted[0].hint)
    hint = "Check api_host and api_port" + (", and ca_path" if untrusted else "")
    if len(silent) == 1:
        [(host, silence)] = silent.items()
        return Unreachable(f"no answer: {silence.reason}", where=host, hint=hint)
    return Unreachable(f"none of the API hosts answers: {reasons}", where="platform proxmox", hint=hint)
