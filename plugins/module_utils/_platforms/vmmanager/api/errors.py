# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of VMmanager's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import (
    NoResponse,
    NotFound,
    PermissionMissing,
    PlatformError,
    Refused,
    StartRefused,
    UnexpectedAnswer,
)

# Of functions that are closed to the outside, and of those that the account's role does not allow.
CLOSED = 3001
ADMIN = "@admin"


# What may be over in a moment: the codes of VMmanager are not public, its words are.
_PASSES = re.compile(r"\b(lock|locked|busy|task|tasks|progress)\b", re.IGNORECASE)


class Denied(Refused):
    """The platform does not do what it is asked, and says why with a code of its own."""


class PlatformSuspended(NoResponse):
    """The platform is suspended and wakes up (503): the call has not got through to it."""


def error_of(status: int, error: object, call: str) -> PlatformError:
    """The error for an answer that is one; `error` is what its body says of it, None where there is none."""
    details = error if isinstance(error, Mapping) else {}
    code = details.get("code")
    text = str(details.get("msg") or "").strip() or (
        f"status {status} without a reason" if error is None else str(error)
    )
    if code is not None:
        text = f"{text} (code {code})"
    value = details.get("value")
    if value:
        text = f"{text}: {_words(value)}"
    if status == 403 or code == CLOSED:
        return permission_missing(text, call)
    if status == 404:
        return NotFound(text, where=call)
    return Refused(text, where=call) if code is None or status >= 500 else Denied(text, where=call)


def refused_start(denied: Denied) -> StartRefused:
    """The error for a start that was refused."""
    passing = _PASSES.search(denied.what) is not None
    return StartRefused(denied.what, where=denied.where, passing=passing)


def permission_missing(text: str, call: str) -> PermissionMissing:
    return PermissionMissing(text, where=call, hint=f"The account needs the role {ADMIN}")


def not_vmmanager(call: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        "the answer is not that of a VMmanager 6 API",
        where=call,
        hint="Check vmmanager_host and vmmanager_port",
    )


def redirected(call: str, target: str | None) -> UnexpectedAnswer:
    """A redirect is never followed: the token, or the password, would go to wherever it points."""
    return UnexpectedAnswer(
        f"the answer is a redirect to {target or 'an address that it does not name'}, which is not followed",
        where=call,
        hint="Set vmmanager_host and vmmanager_port to the address of the platform itself",
    )


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return str(value)
