# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of Proxmox VE's answers, which it distinguishes by status and reason phrase."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import (
    NotFound,
    NotQuorate,
    PermissionMissing,
    PlatformError,
    Refused,
    StartRefused,
    UnexpectedAnswer,
    Unreachable,
)

# The host that we talk to could not pass the call on to the node, or the daemon, that it is for.
_PROXY_ERRORS = range(595, 600)
# A host, or a proxy before it, that can't serve any call now.
_OUT_OF_SERVICE = frozenset({502, 503, 504})
# The host's own part of the cluster file system does not answer: every other host may well be fine.
_FILE_SYSTEM = re.compile(r"ipcc_send_rec|pmxcfs|Transport endpoint is not connected")

_PERMISSION = re.compile(r"Permission check failed \((?P<path>/[^,]*), (?P<privilege>[^)]+)\)")
_GONE = re.compile(r"Configuration file .* does not exist|no such cluster node|no such task")


# What a node says at once to a request for a migration that it will not begin, and of that what may be over
# in a moment.
_OBJECTS = re.compile(
    r"not a replication target|storage '[^']*' (is not available|is disabled|does not support)"
    r"|content type '[^']*' is not available|not allowed on storage"
)
_PASSES = re.compile(r"is locked|can't lock file|got timeout|node offline")


class BadParameter(Refused):
    """A parameter is not valid, or not for this guest (400)."""


class NodeUnresponsive(Unreachable):
    """The API answers, but one node of the cluster does not."""


class NoSuchCall(UnexpectedAnswer):
    """The version of Proxmox VE that was asked does not have this call."""


def passed_on(status: int) -> bool:
    """Whether a host answered for a node, or a daemon, that did not answer it."""
    return status in _PROXY_ERRORS


def host_trouble(status: int, reason: str) -> bool:
    """Whether it is the host that can't answer, so that the next one may be asked."""
    return status in _OUT_OF_SERVICE or (status in (401, 500) and _FILE_SYSTEM.search(reason) is not None)


def error_of(status: int, reason: str, errors: object, call: str) -> PlatformError:
    """The error for an answer with a status of 400 or more, other than 401 and those of the proxy."""
    text = reason.strip() or f"status {status} without a reason"
    if status == 403:
        return _forbidden(text, call)
    if status == 501:
        return NoSuchCall(text, where=call, hint="Is it a Proxmox VE of version 8 or 9?")
    if "no quorum" in text:
        return NotQuorate(text, where=call)
    details = _details(errors)
    text = f"{text.rstrip('.')}: {details}" if details else text
    if _GONE.search(text):
        return NotFound(text, where=call)
    return BadParameter(text, where=call) if status == 400 else Refused(text, where=call)


def refused_start(refused: Refused) -> Refused:
    """The error for a start that was refused: StartRefused where the node objects to the migration, the given
    error where it merely failed.
    """
    passing = _PASSES.search(refused.what) is not None
    if passing or isinstance(refused, BadParameter) or _OBJECTS.search(refused.what):
        return StartRefused(refused.what, where=refused.where, passing=passing)
    return refused


def _forbidden(text: str, call: str) -> PermissionMissing:
    found = _PERMISSION.search(text)
    if found is None:
        return PermissionMissing(text, where=call)
    return permission_missing(found["privilege"], found["path"], call)


def permission_missing(privilege: str, path: str, call: str) -> PermissionMissing:
    return PermissionMissing(
        f"the account lacks the privilege {privilege} on {path}",
        where=call,
        hint=f"Give it a role with {privilege} on {path}, propagated (an API token with privilege separation"
        " needs the role itself)",
    )


def _details(errors: object) -> str:
    if not isinstance(errors, Mapping):
        return ""
    return ", ".join(f"{name}: {str(why).strip()}" for name, why in errors.items() if isinstance(why, str))
