# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has begun, kept on disk so that a killed run can be finished. Private to the collection.

JSON lines. The start of a migration is on disk before the platform is asked; its task and its end follow. The
journal only helps: where it and the live cluster disagree, the cluster is right.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from .._model.codec import decode, encode
from .._model.errors import InputError
from .._model.outcome import MigrationOutcome, MovedAlong
from .errors import JournalError


@dataclass(frozen=True, slots=True)
class Past:
    """What an unfinished run left: when steps were begun, the tasks of those that were started, the ends of
    those that ended, and whether it was undoing what it had done. `told` are all ends in the journal, those
    of another plan too: perhaps nobody has heard of them. `along` are those that steps took along.
    """

    begun: Mapping[int, str] = field(default_factory=dict)
    tasks: Mapping[int, str] = field(default_factory=dict)
    ended: Mapping[int, MigrationOutcome] = field(default_factory=dict)
    going_home: bool = False
    told: tuple[MigrationOutcome, ...] = ()
    along: Mapping[int, tuple[MovedAlong, ...]] = field(default_factory=dict)


class Journal:
    """The journal of one run of one plan; without a path nothing is kept."""

    def __init__(self, path: str | None, plan: str) -> None:
        self._plan = plan
        self._path = Path(path).expanduser() if path else None
        self.broken: str | None = None
        self.past = self._read()
        self._stream: TextIOWrapper | None = self._open()

    def begin(self, step: int, at: str, along: Sequence[MovedAlong] = ()) -> None:
        """A migration is about to be started, and takes others along. On disk when this returns."""
        record: dict[str, object] = {"event": "begin", "step": step, "at": at}
        if along:
            record["along"] = [encode(moved) for moved in along]
        self._write(record, durable=True)

    def started(self, step: int, task: str) -> None:
        self._note({"event": "started", "step": step, "task": task})

    def ended(self, outcome: MigrationOutcome) -> None:
        self._note({"event": "ended", "outcome": encode(outcome)})

    def goes_home(self) -> None:
        """From here on the run undoes what it has done."""
        self._write({"event": "home"}, durable=True)

    def finish(self) -> None:
        """The run is over, nothing is left to be taken up: the next run begins a new journal."""
        if self._stream is not None and self._path is not None:
            self._stream.close()
            self._stream = None
            self._path.unlink(missing_ok=True)

    def _note(self, record: Mapping[str, object]) -> None:
        """Write what has happened already: it can't be undone by raising, but nothing new may start then."""
        try:
            self._write(record)
        except JournalError as error:
            self.broken = str(error)

    def _read(self) -> Past:
        """The past of an unfinished run of the same plan; a line that a kill has cut off is left out."""
        if self._path is None or not self._path.exists():
            return Past()
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise self._trouble("read", error) from None
        begun: dict[int, str] = {}
        tasks: dict[int, str] = {}
        ended: dict[int, MigrationOutcome] = {}
        along: dict[int, tuple[MovedAlong, ...]] = {}
        told: list[MigrationOutcome] = []
        same_plan = going_home = False
        for line in lines:
            try:
                record = json.loads(line)
                if record["event"] == "plan":
                    same_plan = record["plan"] == self._plan
                elif record["event"] == "ended":
                    told.append(decode(MigrationOutcome, record["outcome"], "outcome"))
                    if same_plan:
                        ended[told[-1].step] = told[-1]
                elif not same_plan:
                    continue
                elif record["event"] == "home":
                    going_home = True
                elif record["event"] == "begin":
                    begun[record["step"]] = record["at"]
                    along.update(_along(record))
                elif record["event"] == "started":
                    tasks[record["step"]] = record["task"]
            except (ValueError, KeyError, TypeError, InputError):
                continue
        return Past(begun, tasks, ended, going_home, tuple(told), along)

    def _open(self) -> TextIOWrapper | None:
        if self._path is None:
            return None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A journal of another plan is of no use any more; one of this plan is continued.
            continued = bool(self.past.begun or self.past.ended)
            stream = self._path.open("a", encoding="utf-8")
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not continued:
                stream.truncate(0)
        except BlockingIOError:
            raise JournalError(
                f"another run holds {self._path}", where="journal_path", hint="Let it end, or end it, first"
            ) from None
        except OSError as error:
            raise self._trouble("written", error) from None
        self._stream = stream
        # A kill may have cut the last line off: the next record starts on a line of its own.
        stream.write("\n" if continued else "")
        self._write({"event": "plan", "plan": self._plan}, durable=True)
        return stream

    def _write(self, record: Mapping[str, object], *, durable: bool = False) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(record, separators=(",", ":")) + "\n")
            self._stream.flush()
            if durable:
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._trouble("written", error) from None

    def _trouble(self, what: str, error: OSError) -> JournalError:
        return JournalError(f"{self._path} can't be {what}: {error.strerror}", where="journal_path")


def _along(record: Mapping[str, Any]) -> dict[int, tuple[MovedAlong, ...]]:
    """Those that a step that was begun takes along, by the step."""
    moved = [decode(MovedAlong, item, "along") for item in record.get("along", ())]
    return {record["step"]: tuple(moved)} if moved else {}
