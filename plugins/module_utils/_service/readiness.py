# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells systemd how the service is, by its protocol: datagrams to a socket that the environment names."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger("evenkeel.service")
VARIABLES = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})
"""These are for the service alone, not for the playbooks that it starts."""
_READ_SECONDS = 5.0
"""How long systemd may take to make room for what is said once."""


class Readiness:
    """Without a socket in the environment it says nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self._pause = int(microseconds) / 2_000_000 if microseconds.isdecimal() and mine else 0.0

    def tell(self, *fields: str, wait_seconds: float = _READ_SECONDS) -> None:
        """Send fields such as `READY=1`. The socket queues only few datagrams (`net.unix.max_dgram_qlen`)
        that systemd has not read yet: what finds no room for `wait_seconds` is logged and not sent.
        """
        if not self._socket.startswith(("/", "@")):
            return
        # In the abstract namespace a name begins with a null byte.
        address = f"\0{self._socket[1:]}" if self._socket.startswith("@") else self._socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(wait_seconds)
                out.connect(address)
                out.sendall("\n".join(fields).encode())
        except OSError as error:
            log.error("systemd was not notified: %s", error)

    async def watchdog(self) -> None:
        """Say as long as the event loop turns that it does, where systemd wants to know."""
        while self._pause:
            # Waiting would hold up the event loop, and the next one says the same.
            self.tell("WATCHDOG=1", wait_seconds=0)
            await asyncio.sleep(self._pause)
