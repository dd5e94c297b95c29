# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is calling and what it may do: tickets, CSRF tokens, API tokens, access control lists."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .errors import ApiError
from .faults import Switches

_NAMES = {
    "Datastore": ("Allocate", "AllocateSpace", "AllocateTemplate", "Audit"),
    "Group": ("Allocate",),
    "Mapping": ("Audit", "Modify", "Use"),
    "Permissions": ("Modify",),
    "Pool": ("Allocate", "Audit"),
    "Realm": ("Allocate", "AllocateUser"),
    "SDN": ("Allocate", "Audit", "Use"),
    "Sys": ("AccessNetwork", "Audit", "Console", "Incoming", "Modify", "PowerMgmt", "Syslog"),
    "User": ("Modify",),
    "VM": (
        "Allocate",
        "Audit",
        "Backup",
        "Clone",
        "Config.CDROM",
        "Config.CPU",
        "Config.Cloudinit",
        "Config.Disk",
        "Config.HWType",
        "Config.Memory",
        "Config.Network",
        "Config.Options",
        "Console",
        "Migrate",
        "PowerMgmt",
        "Snapshot",
        "Snapshot.Rollback",
    ),
}
PRIVILEGES = frozenset(f"{group}.{name}" for group, names in _NAMES.items() for name in names)

Lists = Mapping[str, Mapping[str, list[str]]]
"""Principal -> path -> privileges. A principal that is not named has no list of its own."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or one of its API tokens."""

    user: str
    token: str | None = None

    @property
    def id(self) -> str:
        return f"{self.user}!{self.token}" if self.token else self.user

    @classmethod
    def named(cls, name: str) -> Principal:
        user, _, token = name.partition("!")
        return cls(user, token or None)


@dataclass
class Access:
    """Users with passwords, tokens with secrets, and the tickets given out."""

    switches: Switches
    passwords: Mapping[str, str]
    tokens: Mapping[str, str]
    clock: Callable[[], float]
    secret: bytes
    generation: int = field(default=0)

    def expire(self) -> None:
        """End every session: tickets made before are no longer good."""
        self.generation += 1

    def ticket_for(self, user: str) -> tuple[str, str]:
        """A ticket and the CSRF token that goes with it."""
        stamp = f"{int(self.clock()):08X}"
        return (
            f"PVE:{user}:{stamp}::{self._sign('ticket', user, stamp)}",
            f"{stamp}:{self._sign('csrf', user, stamp)}",
        )

    def user_of_ticket(self, ticket: str) -> str | None:
        """Whose ticket this is, or None where it is not ours or too old."""
        head, _, signature = ticket.partition("::")
        product, _, rest = head.partition(":")
        user, _, stamp = rest.rpartition(":")
        if product != "PVE" or not hmac.compare_digest(
            signature.encode(), self._sign("ticket", user, stamp).encode()
        ):
            return None
        return user if self.clock() - int(stamp, 16) <= self.switches.ticket_seconds else None

    def identify(self, method: str, authorization: str, ticket: str, csrf: str) -> Principal:
        """Who sent these credentials. Raises ApiError 401."""
        if authorization.startswith("PVEAPIToken"):
            token, _, value = authorization.removeprefix("PVEAPIToken").lstrip("= ").rpartition("=")
            user, _, name = token.partition("!")
            if token not in self.tokens or not hmac.compare_digest(
                self.tokens[token].encode(), value.encode()
            ):
                raise _unauthorized("Authentication failed!")
            return Principal(user, name)
        if not ticket:
            raise _unauthorized("No ticket")
        owner = self.user_of_ticket(ticket)
        if owner is None:
            raise _unauthorized("Authentication failed!")
        if method != "GET":
            stamp, _, signature = csrf.partition(":")
            if not hmac.compare_digest(signature.encode(), self._sign("csrf", owner, stamp).encode()):
                raise _unauthorized("Permission denied - invalid csrf token")
        return Principal(owner)

    def log_in(self, user: str, password: str) -> bool:
        """By password, or by a ticket that is still good."""
        if user in self.passwords and hmac.compare_digest(self.passwords[user].encode(), password.encode()):
            return True
        return password.startswith("PVE:") and self.user_of_ticket(password) == user

    def _sign(self, purpose: str, user: str, stamp: str) -> str:
        text = f"{purpose}:{self.generation}:{user}:{stamp}".encode()
        return base64.b64encode(hmac.new(self.secret, text, hashlib.sha512).digest()).decode()


class Rights:
    """What one principal may do.

    A user without a list may do everything, a token without a list what its user may. A token with one is
    separated ("privsep"): it may do what both lists allow, its own and its user's.
    """

    def __init__(self, principal: Principal, lists: Lists, pools: Mapping[str, str]) -> None:
        self._own = [lists[name] for name in {principal.user, principal.id} if name in lists]
        self._pools = pools
        """Path of a guest -> path of its pool."""

    def on(self, path: str, *, pools: bool = True) -> frozenset[str]:
        """The privileges on a path: a nearer entry replaces what comes from above; a pool's come on top."""
        granted = PRIVILEGES
        for lists in self._own:
            pool = self._pools.get(path) if pools else None
            granted &= _inherited(lists, path) | (_inherited(lists, pool) if pool else frozenset())
        return granted

    def has(self, path: str, *privileges: str, some: bool = False) -> bool:
        """All of the privileges on this path, or with `some` at least one."""
        if not self._own:
            return True
        granted = self.on(path)
        return (
            any(name in granted for name in privileges)
            if some
            else all(name in granted for name in privileges)
        )

    def demand(self, path: str, *privileges: str, some: bool = False) -> None:
        """Raises ApiError 403."""
        if not self.has(path, *privileges, some=some):
            raise ApiError(403, f"Permission check failed ({path}, {'|'.join(privileges)})")

    def paths(self) -> Iterator[str]:
        """Every path that a list names."""
        for lists in self._own:
            yield from lists


def _inherited(entries: Mapping[str, list[str]], path: str) -> frozenset[str]:
    parts = [part for part in path.split("/") if part]
    for length in range(len(parts), -1, -1):
        above = "/" + "/".join(parts[:length])
        if above in entries:
            return frozenset(entries[above])
    return frozenset()


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, body=False, delayed=True)
