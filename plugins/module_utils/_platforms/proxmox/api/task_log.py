# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that only a task's log has: a migration's target, the disk of a move, why it failed, whether a
person stopped it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ...errors import PlatformError
from ...values import Row
from .session import Session
from .values import Upid, rows

# The end of a migration is in these last lines, with all that is cleaned up after it.
LAST_LINES = 30
_STOPPED = re.compile(r"interrupted by signal|received interrupt(?! - delayed)")
_VERDICT = re.compile(r"TASK (?:(?P<good>OK|WARNINGS: \d+)|ERROR: (?P<bad>.*))")
_TARGET = re.compile(r"to node '(?P<node>[^']+)'")
_DRIVE = re.compile(r"full clone of drive (?P<disk>\S+) ")
_ERROR = re.compile(r"(?:^|\s)ERROR: (?P<text>.+)")
# What is the same for every failure: the reason is in another line.
_ABORTED = re.compile(r"migration aborted \(duration [\d:]+\): (?P<why>.+)")
_GENERAL = re.compile(r"migration (?:finished with problems|aborted)|received interrupt - delayed")
# The first lines name the target; a machine that is migrated writes one a second from then on.
_HEAD_LINES = 20


def read_log(session: Session, upid: str, *, start: int = 0, limit: int = 0) -> list[str]:
    """Lines from `start` on, all of them without a limit. Raises PlatformError."""
    path = f"nodes/{Upid.parse(upid).node}/tasks/{upid}/log"
    return [str(line.get("t")) for line in rows(session.get(path, start=start, limit=limit), path)]


def last_lines(session: Session, upid: str, *, start: int = 0) -> Sequence[str]:
    """The end of the log, from `start` on; nothing where it can't be read."""
    return whole_log(session, upid, start=start)[-LAST_LINES:]


def whole_log(session: Session, upid: str, *, start: int = 0) -> Sequence[str]:
    """All lines from `start` on; nothing where they can't be read."""
    try:
        return read_log(session, upid, start=start)
    except PlatformError:
        return ()


def was_cancelled(exitstatus: object, log: Iterable[str]) -> bool:
    """Whether somebody stopped a task that ended so; `log` are its last lines. The end of a migration that
    was stopped is that of one that failed.
    """
    return any(_STOPPED.search(text) for text in (str(exitstatus), *log))


def verdict(log: Sequence[str]) -> str | None:
    """How the task ended, from the last line of its log; None where there is no end yet."""
    found = _VERDICT.fullmatch(log[-1].strip()) if log else None
    return None if found is None else found["good"] or found["bad"]


def reason(log: Iterable[str]) -> str | None:
    """The first error that says more than that the migration failed."""
    for line in log:
        found = _ERROR.search(line)
        if found is None or line.startswith("TASK "):
            continue
        text = found["text"].strip()
        aborted = _ABORTED.search(text)
        if aborted is not None:
            return aborted["why"].strip()
        if not _GENERAL.search(text):
            return text
    return None


def target_of(log: Iterable[str]) -> str | None:
    """Where a migration goes, from the first lines of its log."""
    return next((found["node"] for line in log if (found := _TARGET.search(line))), None)


def disk_of(log: Iterable[str]) -> str | None:
    """The disk that a move to another storage is about; None where the log does not say it, as with those of
    containers.
    """
    return next((found["disk"] for line in log if (found := _DRIVE.search(line))), None)


class Targets:
    """Where migrations under way go. Each log is read until it says so."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, str] = {}

    def of(self, tasks: Mapping[str, str]) -> dict[str, str]:
        """The target node by guest; `tasks` are the tasks that migrate, by guest."""
        found: dict[str, str] = {}
        for guest, upid in tasks.items():
            if upid not in self._known:
                try:
                    target = target_of(read_log(self._session, upid, limit=_HEAD_LINES))
                except PlatformError:
                    target = None
                if target is not None:
                    self._known[upid] = target
            if upid in self._known:
                found[guest] = self._known[upid]
        return found


_BACKUP = re.compile(r"starting new backup job: vzdump (?P<words>.*)")
_BACKED_UP = re.compile(r"(?:Finished Backup of VM|Backup of VM) (?P<guest>\d+)(?= \(| failed)")


class Backups:
    """Which guests running backups hold: a backup that comes to a guest that has left its node fails."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._logs: dict[str, list[str]] = {}

    def held(self, tasks: Iterable[str], guests: Iterable[Row]) -> set[str]:
        """Ids of the guests that these backups are to save, or are saving now."""
        running = set(tasks)
        for ended in self._logs.keys() - running:
            del self._logs[ended]
        result: set[str] = set()
        present = list(guests) if running else []
        for upid in sorted(running):
            here = [guest for guest in present if guest.get("node") == Upid.parse(upid).node]
            result |= self._named(upid, here)
        return result

    def _named(self, upid: str, here: Iterable[Row]) -> set[str]:
        lines = self._logs.setdefault(upid, [])
        try:
            new = read_log(self._session, upid, start=len(lines), limit=500)
        except PlatformError:
            new = []
        lines += [line for line in new if line != "no content"]
        job = next((found for line in lines[:_HEAD_LINES] if (found := _BACKUP.search(line))), None)
        if job is None:
            return set()
        done = {found["guest"] for line in lines if (found := _BACKED_UP.search(line))}
        return _of_job(job["words"], here) - done


def _of_job(text: str, here: Iterable[Row]) -> set[str]:
    """The guests on its node that a command line such as "100 101 --mode snapshot" is about."""
    words = text.split()
    first = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    ids = {word for word in words[:first] if word.isdigit()}
    options = dict(zip(words[first:], [*words[first + 1 :], ""], strict=False))
    excluded = set(options.get("--exclude", "").split(","))
    if options.get("--all") == "1":
        return {str(guest.get("vmid")) for guest in here} - excluded
    if "--pool" in options:
        return {str(guest.get("vmid")) for guest in here if guest.get("pool") == options["--pool"]} - excluded
    return {guest for guest in ids if any(str(entry.get("vmid")) == guest for entry in here)}
