# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record on disk of the migrations and moves of disks that a run has started, so that a killed run can be
finished.

JSON lines. The start of a migration is on disk before the platform is asked; its task and its end follow. The
journal only helps: where it and the live cluster disagree, the cluster is right.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from .._model.codec import decode, encode
from .._model.errors import InputError
from .._model.outcome import CoMigrated, DiskMoveOutcome, MigrationOutcome
from .._model.plan import DiskMove
from .._model.text.wording import is_storable, parsed_json
from .errors import JournalError


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The record of an unfinished run: by step, when it was begun, its task and its end, and whether the run
    was rolling back. `outcomes` are all ends in the journal, also of another plan, because they may not have
    been recorded elsewhere. `along` are, by step, the guests that the platform moved along. Of disk moves:
    their ends, whether they were being undone, by step the volumes that the guest did not use before, and
    the `copies` that runs of other plans have begun and not seen the end of.
    """

    begun: Mapping[int, str] = field(default_factory=dict)
    tasks: Mapping[int, str] = field(default_factory=dict)
    ended: Mapping[int, MigrationOutcome] = field(default_factory=dict)
    rolling_back: bool = False
    outcomes: tuple[MigrationOutcome, ...] = ()
    along: Mapping[int, tuple[CoMigrated, ...]] = field(default_factory=dict)
    disks_ended: Mapping[int, DiskMoveOutcome] = field(default_factory=dict)
    moving_disks_back: bool = False
    disk_outcomes: tuple[DiskMoveOutcome, ...] = ()
    unused: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    copies: tuple[DiskMove, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A line, as far as it is one."""

    event: str
    plan: str | None = None
    step: int | None = None
    at: str | None = None
    task: str | None = None
    along: tuple[CoMigrated, ...] = ()
    outcome: MigrationOutcome | None = None
    disks: DiskMoveOutcome | None = None
    unused: tuple[str, ...] = ()
    move: DiskMove | None = None


class _Reader:
    """Makes a past of the records in a journal; `plan` is the one that is asked about."""

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._same_plan = self._rolling_back = False
        self._begun: dict[int, str] = {}
        self._tasks: dict[int, str] = {}
        self._ended: dict[int, MigrationOutcome] = {}
        self._along: dict[int, tuple[CoMigrated, ...]] = {}
        self._outcomes: list[MigrationOutcome] = []
        self._disks_ended: dict[int, DiskMoveOutcome] = {}
        self._disk_outcomes: list[DiskMoveOutcome] = []
        self._moving_disks_back = False
        self._unused: dict[int, tuple[str, ...]] = {}
        self._copies: dict[tuple[str | None, int], DiskMove] = {}
        self._of: str | None = None

    def read(self, record: _Record) -> None:
        if record.event == "plan":
            self._same_plan, self._of = record.plan == self._plan, record.plan
        elif record.event == "ended" and record.outcome is not None:
            self._outcomes.append(record.outcome)
            if self._same_plan:
                self._ended[record.outcome.step] = record.outcome
        elif record.event == "ended" and record.disks is not None:
            self._disk_outcomes.append(record.disks)
            self._copies.pop((self._of, record.disks.step), None)
            if self._same_plan:
                self._disks_ended[record.disks.step] = record.disks
        elif self._same_plan:
            self._read_own(record)
        elif record.event == "begin" and record.move is not None:
            self._copies[self._of, record.move.step] = record.move

    def _read_own(self, record: _Record) -> None:
        if record.event == "home":
            self._rolling_back = True
        elif record.event == "disks_home":
            self._moving_disks_back = True
        elif record.event == "begin" and record.step is not None and record.at is not None:
            if record.unused and record.step not in self._begun:
                # What was there before the first try counts.
                self._unused[record.step] = record.unused
            self._begun[record.step] = record.at
            if record.along:
                self._along[record.step] = record.along
        elif record.event == "started" and record.step is not None and record.task is not None:
            self._tasks[record.step] = record.task

    def past(self) -> EarlierRun:
        return EarlierRun(
            self._begun,
            self._tasks,
            self._ended,
            self._rolling_back,
            tuple(self._outcomes),
            self._along,
            self._disks_ended,
            self._moving_disks_back,
            tuple(self._disk_outcomes),
            self._unused,
            tuple(self._copies.values()),
        )


class Journal:
    """The journal of one run of one plan; without a path nothing is kept."""

    def __init__(self, path: str | None, plan: str) -> None:
        self._plan = plan
        self._path = _path(path)
        self.broken: str | None = None
        self.past = self._read()
        self.copies: tuple[DiskMove, ...] = ()
        """Those that are still under way though their run has ended: the next run is to know of them."""
        self._torn = False
        self._stream: FileIO | None = None
        self._stream = self._open()

    def begin(self, step: int, at: str, along: Sequence[CoMigrated] = ()) -> None:
        """A migration is about to be started, and takes others along. On disk when this returns."""
        record: dict[str, object] = {"event": "begin", "step": step, "at": at}
        if along:
            record["along"] = [encode(moved) for moved in along]
        self._write(record, durable=True)

    def started(self, step: int, task: str) -> None:
        self._append({"event": "started", "step": step, "task": task})

    def ended(self, outcome: MigrationOutcome) -> None:
        self._append({"event": "ended", "outcome": encode(outcome)})

    def begin_disks(self, move: DiskMove, at: str, unused: Sequence[str]) -> None:
        """A move of disks is about to be started; `unused` are the volumes that the guest does not use. On
        disk when this returns.
        """
        record: dict[str, object] = {"event": "begin", "step": move.step, "at": at, "move": encode(move)}
        if unused:
            record["unused"] = list(unused)
        self._write(record, durable=True)

    def disks_ended(self, outcome: DiskMoveOutcome) -> None:
        self._append({"event": "ended", "disks": encode(outcome)})

    def moving_disks_back(self) -> None:
        """From here on the run undoes its moves of disks."""
        self._write({"event": "disks_home"}, durable=True)

    def rolling_back(self) -> None:
        """From here on the run undoes what it has done."""
        self._write({"event": "home"}, durable=True)

    def finish(self) -> None:
        """The run is over, nothing is left to be taken up: the next run begins a new journal. Never raises:
        what stays behind is compared with the cluster by the next run.
        """
        if self._stream is not None and self._path is not None:
            with suppress(OSError, JournalError):
                if self.copies:
                    self._stream.truncate(0)
                    self._write_copies(self.copies)
                else:
                    self._path.unlink(missing_ok=True)
            stream, self._stream = self._stream, None
            with suppress(OSError):
                stream.close()

    def _append(self, record: Mapping[str, object]) -> None:
        """Write what has happened already: it can't be undone by raising, but nothing new may start then."""
        try:
            self._write(record)
        except JournalError as error:
            self.broken = str(error)

    def _read(self) -> EarlierRun:
        """The past of an unfinished run of the same plan; a line that a kill has cut off is left out."""
        reader = _Reader(self._plan)
        for line in self._lines():
            with suppress(InputError):
                reader.read(decode(_Record, parsed_json(line, "journal"), "journal"))
        return reader.past()

    def _lines(self) -> Sequence[str]:
        if self._path is None:
            return ()
        try:
            if not self._path.exists():
                return ()
            if not self._path.is_file():
                raise JournalError(
                    f"{self._path} is not a regular file", where="journal_path", hint="Set another path"
                )
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise self._trouble("read", error) from None

    def _open(self) -> FileIO | None:
        if self._path is None:
            return None
        # A journal of another plan is of no use any more; one of this plan is continued.
        continued = bool(self.past.begun or self.past.ended or self.past.disks_ended)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            stream = FileIO(self._path, "a", opener=lambda path, flags: os.open(path, flags, 0o600))
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(stream.fileno(), 0o600)
            if not continued:
                stream.truncate(0)
        except BlockingIOError:
            raise JournalError(
                f"{self._path} is locked by another run",
                where="journal_path",
                hint="Wait for that run, or stop it",
            ) from None
        except OSError as error:
            raise self._trouble("written", error) from None
        self._stream = stream
        # A kill may have cut the last line off: the next record starts on a line of its own.
        self._torn = continued
        if not continued:
            self._write_copies(self.past.copies)
        self._write({"event": "plan", "plan": self._plan}, durable=True)
        return stream

    def _write_copies(self, copies: Sequence[DiskMove]) -> None:
        for number, move in enumerate(copies):
            # Of several plans, perhaps, with the same steps.
            self._write({"event": "plan", "plan": f"earlier {number}"})
            self._write({"event": "begin", "step": move.step, "move": encode(move)})

    def _write(self, record: Mapping[str, object], *, durable: bool = False) -> None:
        if self._stream is None:
            return
        line = json.dumps(record, separators=(",", ":")) + "\n"
        left = (f"\n{line}" if self._torn else line).encode()
        self._torn = True
        try:
            # What is not written here waits nowhere to be written, and to fail, again.
            while left:
                left = left[self._stream.write(left) :]
            if durable:
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._trouble("written", error) from None
        self._torn = False

    def _trouble(self, what: str, error: OSError) -> JournalError:
        return JournalError(
            f"{self._path} can't be {what}: {error.strerror}",
            where="journal_path",
            hint="Free space there, or set another path",
        )


def _path(text: str | None) -> Path | None:
    if text and not is_storable(text):
        raise JournalError(f"{text!r} is not a path", where="journal_path")
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:
        raise JournalError(f"{text} can't be found: that user does not exist", where="journal_path") from None
