# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook of the collection as a process: with the same inventory, variables and vault as the console.

What the role evacuate does, SSH and maintenance mode among it, is done by the role alone. Passwords of the
vault go through named pipes that only this user can read: they are on no command line, and in no file.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

from .arguments import Start

COLLECTION = Path(__file__).absolute().parents[2]
MOST_LINES = 5000
_MOST_LINE = 2000
_PIPE_SECONDS = 0.05


class PlaybookRun:
    """One run of a playbook for one cluster. `changed` is called from its threads.

    `lines` is what it has printed. `code` is there when it has ended.
    """

    def __init__(
        self, start: Start, name: str, cluster: str, variables: Mapping[str, Any], *, check: bool
    ) -> None:
        self.name = name
        self.cluster = cluster
        self.check = check
        self.lines: list[str] = []
        self.code: int | None = None
        self.stop_asked = False
        self.changed: Callable[[], None] = lambda: None
        self._start = start
        self.variables = dict(variables)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._over = threading.Event()

    @property
    def ended(self) -> bool:
        return self.code is not None

    @property
    def paused(self) -> bool:
        return self._folder is not None and not self.ended and (self._folder / "pause").exists()

    def begin(self) -> None:
        """Start it. Raises EvenKeelError when it can't be started."""
        self._folder = Path(tempfile.mkdtemp(prefix="evenkeel-console-"))
        printed = self._folder / "printed"
        try:
            # Into a file: it goes on to its end when the console is closed or killed.
            with printed.open("wb") as stream:
                self._process = subprocess.Popen(
                    self._command(self._folder),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=environment(os.environ),
                    # A Ctrl-C is meant for the console.
                    start_new_session=True,
                )
        except OSError as error:
            self._over.set()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise EvenKeelError(f"the playbook can't be started: {error.strerror}", where=self.name) from None
        work = threading.Thread(target=self._follow, args=(printed,), name=self.name, daemon=True)
        work.start()

    def leave(self) -> None:
        """The console ends. What the playbook has needed until now is not needed any more."""
        if self._folder is not None and not self.ended:
            (self._folder / "pause").unlink(missing_ok=True)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end. Returns whether it has ended."""
        return self._over.wait(seconds)

    def pause(self) -> None:
        """Start no new migrations for the time being."""
        if self._folder is not None and not self.ended:
            (self._folder / "pause").touch()
            self.changed()

    def resume(self) -> None:
        if self._folder is not None:
            (self._folder / "pause").unlink(missing_ok=True)
            self.changed()

    def stop(self) -> None:
        """Start no new migrations any more; the second time end the playbook."""
        if self._folder is None or self._process is None or self.ended:
            return
        if self.stop_asked:
            self._process.send_signal(signal.SIGTERM)
        self.stop_asked = True
        (self._folder / "stop").touch()
        self.changed()

    def _command(self, folder: Path) -> Sequence[str]:
        files = {"balance_stop_file": str(folder / "stop"), "balance_pause_file": str(folder / "pause")}
        given = [*self._start.for_playbook(), "--limit", self.cluster]
        return [
            *(sys.executable, "-m", "ansible", "playbook"),
            str(COLLECTION / "playbooks" / f"{self.name}.yml"),
            *given,
            *self._vault(folder),
            *("-e", json.dumps({**self.variables, **files})),
            *(("--check", "--diff") if self.check else ()),
        ]

    def _vault(self, folder: Path) -> list[str]:
        options = []
        for number, (identity, secret) in enumerate(self._start.vault_secrets):
            pipe = folder / f"vault-{number}"
            os.mkfifo(pipe, 0o600)
            threading.Thread(target=self._hand_over, args=(pipe, secret), daemon=True).start()
            options += ["--vault-id", f"{identity}@{pipe}"]
        return options

    def _hand_over(self, pipe: Path, secret: bytes) -> None:
        """Write a password to whoever opens the pipe, as often as it is opened, as long as the playbook
        runs.
        """
        while not self._over.is_set():
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    return
                # Nobody reads yet.
                time.sleep(_PIPE_SECONDS)
                continue
            try:
                os.write(descriptor, secret + b"\n")
            except BrokenPipeError:
                pass
            finally:
                os.close(descriptor)
            # So that one reader does not get it twice.
            time.sleep(2 * _PIPE_SECONDS)

    def _follow(self, printed: Path) -> None:
        process = self._process
        assert process is not None
        code = None
        try:
            with printed.open("rb") as stream:
                while code is None:
                    code = process.poll()
                    self._read(stream)
                    time.sleep(0 if code is not None else _PIPE_SECONDS)
        finally:
            self.code = -1 if code is None else code
            self._over.set()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self.changed()

    def _read(self, stream: BinaryIO) -> None:
        """Take what has been printed since; a line that has not ended yet is left."""
        while True:
            place = stream.tell()
            line = stream.readline()
            if not line.endswith(b"\n") and (not line or not self._over.is_set()):
                stream.seek(place)
                return
            text = line.decode(errors="replace").rstrip("\n").rpartition("\r")[2]
            self.lines.append(text[:_MOST_LINE])
            if len(self.lines) > MOST_LINES:
                del self.lines[: MOST_LINES // 10]
            self.changed()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of ansible-playbook: this one, without colours, and with the collection where it is."""
    found = {**given, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "PYTHONUNBUFFERED": "1"}
    root = COLLECTION.parents[1]
    if root.name == "ansible_collections":
        paths = [str(root.parent), *filter(None, [given.get("ANSIBLE_COLLECTIONS_PATH")])]
        found["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join(paths)
    return found
