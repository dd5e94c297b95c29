# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a lock, and whether its process still exists."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from .._model.codec import decode, encode

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_MAX_PID = 2**31
_ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process. `place` is where its pid means anything, one boot of one machine and its container there;
    `started_at` is when it was started there, in ticks since the boot. Both are empty where the system does
    not report them. `token` is random.
    """

    host: str
    pid: int
    # The name that version 0.1.0 reads and writes.
    started_at: str = field(metadata={"json": "born"})
    place: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """This process, as a new owner at each call."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(),
        pid=pid,
        started_at=_started_at(pid),
        place=_place(),
        token=secrets.token_hex(16),
    )


def process(pid: int) -> Owner | None:
    """Another process of this machine, always as the same owner; None when there is no such process."""
    if not 0 < pid < _MAX_PID:
        return None
    owner = Owner(host=socket.gethostname(), pid=pid, started_at=_started_at(pid), place=_place(), token="")
    return None if is_gone(owner) else owner


def is_gone(owner: Owner) -> bool:
    """Whether the process has certainly ended. A process elsewhere never counts as ended."""
    if not owner.place or owner.place != _place():
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    started_at = _started_at(owner.pid)
    # Another process may have got the same pid since. A process without a start is hidden from us.
    if started_at == _ENDED:
        return True
    return bool(started_at and owner.started_at and started_at != owner.started_at)


def owner_text(owner: Owner | None) -> str | None:
    """The text in a column: always the same for the same owner, because queries compare it."""
    return None if owner is None else json.dumps(encode(owner), sort_keys=True)


@lru_cache(maxsize=4096)
def owner_of(text: str | None) -> Owner | None:
    """The owner in such a column. Raises InputError when the text is not an owner."""
    return None if text is None else decode(Owner, json.loads(text), "owner")


@cache
def _place() -> str:
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()} {os.readlink(_NAMESPACE)}"
    except OSError:
        return ""


def _started_at(pid: int) -> str:
    """When a process was started, in ticks since the boot; _ENDED when it only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field, the name, may hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return _ENDED if fields[0] in ("Z", "X") else fields[19]
