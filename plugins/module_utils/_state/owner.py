# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lock, and whether that process is still there."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from .._model.codec import decode, encode

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_MAX_PID = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process. `place` is where its pid means anything, one boot of one machine and its container there,
    and `born` when it was started there; both are empty where the system does not tell. `token` is random.
    """

    host: str
    pid: int
    born: str
    place: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """An owner of its own at each call."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(), pid=pid, born=_born(pid), place=_place(), token=secrets.token_hex(16)
    )


def process(pid: int) -> Owner | None:
    """Another process here, always the same owner; None when there is none."""
    if not 0 < pid < _MAX_PID:
        return None
    owner = Owner(host=socket.gethostname(), pid=pid, born=_born(pid), place=_place(), token="")
    return None if is_gone(owner) else owner


def is_gone(owner: Owner) -> bool:
    """Whether the process has certainly ended. Of one elsewhere that can't be known."""
    if not owner.place or owner.place != _place():
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    born = _born(owner.pid)
    # Another process may have got the same pid since. What has no birth here is hidden from us.
    return born == "ended" or bool(born and owner.born and born != owner.born)


def owner_text(owner: Owner | None) -> str | None:
    """As a column keeps it: the same text for the same owner, since queries compare it."""
    return None if owner is None else json.dumps(encode(owner), sort_keys=True)


@lru_cache(maxsize=4096)
def owner_of(text: str | None) -> Owner | None:
    """From such a column. Raises InputError for what is no owner."""
    return None if text is None else decode(Owner, json.loads(text), "owner")


@cache
def _place() -> str:
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()} {os.readlink(_NAMESPACE)}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """When a process was started, in ticks since the boot; "ended" for one that only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field, the name, may hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return "ended" if fields[0] in ("Z", "X") else fields[19]
