# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one playbook for each try of a request, and logs what it prints."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

log = logging.getLogger("evenkeel.service.playbook")
_CHUNK = 64 * 1024
# Of one line; what is longer is broken.
_MAX_LINE = 16 * 1024
# For what is left in the pipe when the playbook has ended: a child that it has left behind may keep it open.
_DRAIN_SECONDS = 2.0
# Between the request to end and the kill. ansible-playbook ends its workers meanwhile.
_GRACE_SECONDS = 10.0

Ended = Callable[[str, str, str], Awaitable[None]]


class PlaybookRunner:
    """Each playbook is a process in a session of its own, which outlives a kill of this process and is not
    interrupted with it.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], limit: float, ended: Ended
    ) -> None:
        """`command` takes extra variables by `-e`. `limit`: seconds that playbooks may take to end after
        `drain` was called. `ended` is called with the id and the claim of a request whose playbook has ended,
        and why the try has failed if there is no result by now.
        """
        self._command = tuple(command)
        self._environment = dict(environment)
        self._limit = limit
        self._ended = ended
        self._tries: set[asyncio.Task[None]] = set()
        self._processes: set[asyncio.subprocess.Process] = set()
        self._hurry = asyncio.Event()
        self._giving_up = False

    @property
    def running(self) -> int:
        return len(self._tries)

    async def put(self, event: Mapping[str, Any]) -> None:
        """Start the playbook for an event of one try."""
        one = asyncio.ensure_future(self._try(event))
        self._tries.add(one)
        one.add_done_callback(self._tries.discard)

    def hurry(self) -> None:
        """Wait no longer for playbooks to end."""
        self._hurry.set()

    async def drain(self) -> None:
        """Wait for the playbooks that run, and end those that take longer than the limit."""
        if not self._tries:
            return
        log.warning("waiting at most %g s for %d playbooks to end", self._limit, self.running)
        ending = asyncio.ensure_future(asyncio.wait(self._tries))
        hurry = asyncio.ensure_future(self._hurry.wait())
        both: set[asyncio.Future[Any]] = {ending, hurry}
        await asyncio.wait(both, timeout=self._limit, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not ending.done():
            self._giving_up = True
            log.warning("ending %d playbooks; their requests are handed over", self.running)
            self._signal(signal.SIGTERM)
            await asyncio.wait({ending}, timeout=_GRACE_SECONDS)
            self._signal(signal.SIGKILL)
        await ending

    def _signal(self, number: int) -> None:
        for process in self._processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    async def _try(self, event: Mapping[str, Any]) -> None:
        (request,) = event.values()
        name, claim = str(request["id"]), str(request["claim"])
        # As ansible-rulebook passes it, so that a playbook for one is a playbook for the other.
        variables = json.dumps({"ansible_eda": {"event": event}})
        try:
            why = await self._run([*self._command, "-e", variables], name)
        except OSError as error:
            why = f"{self._command[0]} could not be started: {error.strerror or error}"
            log.error("request %s: %s", name, why)
        if not self._giving_up:
            await self._ended(name, claim, why)

    async def _run(self, command: Sequence[str], name: str) -> str:
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=self._environment,
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._processes.add(process)
        lines = asyncio.ensure_future(_log_lines(reading, name))
        try:
            code = await process.wait()
            await asyncio.wait({lines}, timeout=_DRAIN_SECONDS)
        finally:
            self._processes.discard(process)
            lines.cancel()
        log.info("request %s: the playbook ended with exit code %d", name, code)
        return f"The playbook ended with exit code {code} and reported no result"


async def _log_lines(reading: int, name: str) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=_CHUNK)
    transport, _protocol = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    rest = b""
    try:
        while data := await stream.read(_CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _MAX_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                _log_line(line, name)
    finally:
        _log_line(rest, name)
        transport.close()


def _log_line(line: bytes, name: str) -> None:
    text = line.decode(errors="replace").rstrip()
    if text:
        log.info("request %s: %s", name, text)
