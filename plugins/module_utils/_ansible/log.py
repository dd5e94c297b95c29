# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of decisions and migrations: one line each, in a file or for syslog, which journald reads too.

A log that can't be opened is refused before anything is started. One that fails later fails nothing; how many
lines are missing is a warning of the module.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import SysLogHandler
from typing import Any, Literal

from .._model.errors import EvenKeelError, printable
from .errors import FileError
from .options.variables import SECRETS, STATE_VARIABLE, VARIABLES

Level = Literal["debug", "info", "warning", "error"]

SYSLOG = "/dev/log"
_LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Shorter ones would hide half of each line.
_SHORTEST_SECRET = 4
_HIDDEN = "********"


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Where decisions and migrations are logged, how, and from which level on."""

    log: str | None = None
    log_format: Literal["json", "logfmt"] = "json"
    log_level: Level = "info"


class Log:
    """Writes events. `fields` are part of each line that follows."""

    def __init__(self, handler: logging.Handler | None, secrets: Collection[str] = ()) -> None:
        # Not in the tree of loggers, so that nobody else's settings apply to it.
        self._logger = logging.Logger("evenkeel")
        self._handler = handler
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._fields: dict[str, object] = {}
        if handler is not None:
            self._logger.setLevel(handler.level)
            self._logger.addHandler(handler)

    def bind(self, **fields: object) -> None:
        self._fields |= fields

    def write(self, level: Level, event: str, **fields: object) -> None:
        """One line. What has no value is left out."""
        if self._handler is None or not self._logger.isEnabledFor(_LEVELS[level]):
            return
        given = {"event": event, **self._fields, **fields}
        shown = {name: self._without_secrets(value) for name, value in given.items() if value is not None}
        self._logger.log(_LEVELS[level], event, extra={"fields": shown})

    @contextmanager
    def failures(self, event: str) -> Iterator[None]:
        """Writes why something failed."""
        try:
            yield
        except EvenKeelError as error:
            self.write("error", event, error=type(error).__name__, why=str(error))
            raise

    def problems(self) -> list[str]:
        """Lines that are missing, with the reason."""
        lost = getattr(self._handler, "lost", 0)
        if not lost:
            return []
        return [f"The log misses {lost} line{'s' if lost > 1 else ''}: {getattr(self._handler, 'why', '')}"]

    def _without_secrets(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {str(key): self._without_secrets(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._without_secrets(item) for item in value]
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, _HIDDEN)
        return value


class _Lines(logging.Formatter):
    """Time, level and fields, as JSON or as logfmt."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **getattr(record, "fields", {}),
        }
        if self._kind == "json":
            return printable(json.dumps(fields, ensure_ascii=False, separators=(",", ":")))
        return printable(" ".join(f"{name}={_logfmt(value)}" for name, value in fields.items()))


def _logfmt(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    else:
        text = value
    plain = text.isprintable() and text and not any(one in ' "=\\' for one in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


class _Counting(logging.Handler):
    """Counts the lines that it could not write."""

    lost = 0
    why = ""

    def lose(self, error: OSError) -> None:
        self.lost += 1
        self.why = error.strerror or str(error)


class _File(_Counting):
    """Appends each line by one call, so that lines of runs at the same time do not mix. The file is opened
    for each line: logrotate may have moved it.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        try:
            descriptor = _opened(self._path)
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.lose(error)


class _Syslog(SysLogHandler, _Counting):
    """Lines for syslog, or for journald."""

    ident = "evenkeel: "

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        self.lose(OSError(errno.EIO, f"{SYSLOG} does not take it"))


@contextmanager
def open_log(
    options: LogOptions, params: Mapping[str, Any], environment: Mapping[str, str], *, check_mode: bool
) -> Iterator[Log]:
    """The log of the options. Raises FileError where it can't be written. In check mode nothing is written,
    and only whether it could be is checked.
    """
    if not options.log:
        yield Log(None)
        return
    handler: logging.Handler
    if options.log == "syslog":
        try:
            _require_socket(SYSLOG)
            handler = _Syslog(SYSLOG)
        except OSError as error:
            raise FileError(
                f"syslog can't be reached at {SYSLOG}: {error.strerror or error}",
                where="log",
                hint="Start systemd-journald or a syslog server, or name a file",
            ) from None
    else:
        path = os.path.abspath(os.path.expanduser(options.log))
        _require_appendable(path, create=not check_mode)
        handler = _File(path)
    handler.setFormatter(_Lines(options.log_format))
    handler.setLevel(_LEVELS[options.log_level])
    try:
        yield Log(None if check_mode else handler, _secrets(params, environment))
    finally:
        handler.close()


def _require_socket(path: str) -> None:
    """Raises OSError where nobody listens: the handler of the standard library keeps that to itself."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as probe:
            try:
                probe.connect(path)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE or kind == socket.SOCK_STREAM:
                    raise
            else:
                return


def _require_appendable(path: str, *, create: bool) -> None:
    try:
        if create:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(_opened(path))
            return
        if os.path.exists(path):
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
            return
        folder = os.path.dirname(path)
        while not os.path.exists(folder):
            folder = os.path.dirname(folder)
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (FileExistsError, NotADirectoryError):
        raise FileError(f"{path} can't be written: a folder of its path is a file", where="log") from None
    except OSError as error:
        raise FileError(f"{path} can't be written: {error.strerror}", where="log") from None


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _secrets(params: Mapping[str, Any], environment: Mapping[str, str]) -> set[str]:
    """Values that no line may have, whatever an error says."""
    found = [params.get(name) for name in (*SECRETS, "state_url")]
    found.append(environment.get(STATE_VARIABLE))
    for variables in VARIABLES.values():
        found += [environment.get(variable) for option, variable in variables.items() if option in SECRETS]
    return {value for value in found if isinstance(value, str) and len(value) >= _SHORTEST_SECRET}
