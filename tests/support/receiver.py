# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who is called back: an HTTP server in a process of its own, which writes down what it gets.

    receiver.py FOLDER

Until the file FOLDER/mode says `hang` or a status, it answers 204.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


@dataclass(frozen=True)
class Got:
    """One call: its headers by small letters, and its body as it came."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def request(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["request"]
        return found


@dataclass(frozen=True)
class Receiver:
    """One that runs."""

    folder: Path
    url: str

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def got(self, request: str | None = None) -> list[Got]:
        """Everything so far, or all of one request."""
        file = self.folder / "got.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        calls = [Got(**json.loads(line)) for line in lines]
        return [call for call in calls if request is None or call.request["id"] == request]


@contextmanager
def running(folder: Path) -> Iterator[Receiver]:
    """A receiver with its files in the folder, ended at the end."""
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, __file__, str(folder)])
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (folder / "url").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the receiver does not start")
            time.sleep(0.02)
        yield Receiver(folder, (folder / "url").read_text())
    finally:
        process.kill()
        process.wait()


async def _serve(folder: Path) -> None:
    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = (await request.read()).decode()
        with (folder / "got.jsonl").open("a") as file:
            file.write(json.dumps({"path": request.path, "headers": headers, "body": body}) + "\n")
        mode = folder / "mode"
        word = mode.read_text() if mode.exists() else "204"
        if word == "hang":
            await asyncio.sleep(3600)
        if word.startswith("3"):
            return web.Response(status=int(word), headers={"Location": "/elsewhere"})
        return web.Response(status=int(word))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / "url.new").write_text(f"http://127.0.0.1:{runner.addresses[0][1]}/hooks")
    (folder / "url.new").rename(folder / "url")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
