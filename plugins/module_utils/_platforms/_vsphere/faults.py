# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vCenter refuses with, as our errors. Private to the collection."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ..errors import AuthenticationFailed, NotFound, PermissionMissing, PlatformError, Refused, SessionLost
from .values import find, text, type_of


class Gone(NotFound):
    """An object that was named in a call does not exist (any more). `id` is its reference."""

    def __init__(self, identity: str, *, where: str) -> None:
        self.id = identity
        super().__init__(f"{identity or 'the object'} does not exist", where=where)


class Unsupported(Refused):
    """This server does not have this call."""


class InvalidArgument(Refused):
    """The server does not accept an argument."""


def error_of(fault: Element | None, message: str, where: str) -> PlatformError:
    """The error for a fault as it stands in an answer: typed by xsi:type, its fields inside."""
    name = type_of(fault) or "Fault"
    if name == "NoPermission":
        return missing_permission(fault, where)
    if name == "NotAuthenticated":
        return SessionLost("the session has ended", where=where)
    if name == "InvalidLogin":
        return AuthenticationFailed(
            "the user name or the password is not accepted",
            where=where,
            hint="Check username and password; the user name usually reads user@domain",
        )
    if name == "ManagedObjectNotFound":
        return Gone(text(fault, "obj") or "", where=where)
    if name in ("MethodNotFound", "NotSupported", "NotImplemented"):
        return Unsupported(f"this server can't do that ({name})", where=where)
    if name in ("InvalidArgument", "InvalidRequest"):
        field = text(fault, "invalidProperty")
        return InvalidArgument(f"{described(name, message)}{f': {field}' if field else ''}", where=where)
    return Refused(described(name, message), where=where)


def missing_permission(fault: Element | None, where: str) -> PermissionMissing:
    privilege = text(fault, "privilegeId") or "an unnamed privilege"
    place = find(fault, "object")
    on = f" on {place.get('type', 'object')} {place.text}" if place is not None and place.text else ""
    return PermissionMissing(
        f"the account lacks {privilege}{on}",
        where=where,
        hint="Give it a role with this privilege there, propagated to what is below",
    )


def described(name: str, message: str | None) -> str:
    """A fault in one line: what the server says, and the fault's name, under which documents explain it."""
    sentence = " ".join((message or "").split()).rstrip(".")
    return f"{sentence} ({name})" if sentence and sentence != name else name


def localized(error: Element | None) -> str:
    """A LocalizedMethodFault in one line, with what it says is the cause."""
    fault = find(error, "fault")
    return described(type_of(fault) or "Fault", text(error, "localizedMessage"))
