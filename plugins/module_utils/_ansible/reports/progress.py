# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines for a person who watches a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ..._model.text.wording import listed, readable

# A line of progress for each change would flood the log of a long run.
SECONDS_BETWEEN_LINES = 10.0
NAMED = 4
BADLY = ("failed", "cancelled", "refused", "skipped")
GIB = 1024**3


def line_of(progress: Mapping[str, Any]) -> str:
    """One line: what is done, what is under way with its percent, what is left, when the end is expected."""
    if progress.get("disks"):
        return f"disks: {line_of(of_disks(progress))}"
    ended: Mapping[str, int] = progress["ended"]
    moving = progress["moving"]
    total = sum(ended.values()) + len(moving) + progress["left"]
    parts = [f"{sum(ended.values())} of {total} done"]
    if progress["memory_moved"]:
        parts[0] += f", {progress['memory_moved'] / GIB:.1f} GiB moved"
    parts += [f"{ended[bad]} {bad}" for bad in BADLY if ended.get(bad)]
    if moving:
        parts.append(f"under way: {listed(map(_moving, moving), NAMED)}")
    if progress.get("paused"):
        parts.append(f"paused: {progress['paused']}")
    elif progress["seconds_left"] and (moving or progress["left"]):
        parts.append(f"about {duration(progress['seconds_left'])} left")
    return readable("; ".join(parts))


def of_disks(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """The moves of disks in the shape of migrations: bytes that were copied stand for memory."""
    disks: Mapping[str, Any] = progress["disks"]
    moving = [
        {**entry, "guest": f"{', '.join(entry['disks'])} of {entry['guest']}"} for entry in disks["moving"]
    ]
    return {
        "moving": moving,
        "ended": disks["ended"],
        "left": disks["left"],
        "memory_moved": disks["bytes_copied"],
        "seconds_left": disks["seconds_left"],
        "paused": progress.get("paused", ""),
    }


def _moving(entry: Mapping[str, Any]) -> str:
    percent = "" if entry["percent"] is None else f" {entry['percent']:.0f} %"
    return f"{entry['guest']} to {entry['target']}{percent}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class ProgressDisplay:
    """Shows the lines of a progress file, in a thread of its own, until it is left."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        shown = ""
        with self._path.open(encoding="utf-8") as stream:
            while not self._over.wait(SECONDS_BETWEEN_LINES):
                found = newest(stream)
                line = shown if found is None else line_of(found)
                if line != shown:
                    shown = line
                    self._show(line)


def newest(stream: TextIOWrapper) -> Mapping[str, Any] | None:
    """The progress in the newest whole line that has come since the last call."""
    found = None
    while True:
        place = stream.tell()
        text = stream.readline()
        if not text.endswith("\n"):
            stream.seek(place)
            return None if found is None else _parsed(found)
        found = text


def _parsed(text: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(text)
    return parsed


class ProgressFolder:
    """The newest progress of every run that writes a file into a folder, by the name of its cluster. The file
    of a run that has ended is gone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[Path, TextIOWrapper] = {}
        self._progress: dict[Path, Mapping[str, Any]] = {}

    @staticmethod
    def file_of(folder: Path, cluster: str) -> Path:
        return folder / quote(cluster, safe="")

    def read(self) -> Mapping[str, Mapping[str, Any]]:
        present = sorted(self._folder.iterdir())
        for path in [path for path in self._streams if path not in present]:
            self._streams.pop(path).close()
            self._progress.pop(path, None)
        for path in present:
            if path not in self._streams:
                try:
                    self._streams[path] = path.open(encoding="utf-8")
                except OSError:
                    # It has ended meanwhile.
                    continue
            found = newest(self._streams[path])
            if found is not None:
                self._progress[path] = found
        return {unquote(path.name): progress for path, progress in self._progress.items()}

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
