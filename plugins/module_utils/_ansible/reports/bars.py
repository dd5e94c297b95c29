# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal: bars below the output, in lines that do not scroll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..._model.text.wording import readable
from .plan import table
from .progress import BADLY, GIB, duration, of_disks

_BAR = 24
# At most this number of the terminal's lines, because the output goes on above them.
_SHARE = 3


def bars(clusters: Mapping[str, Mapping[str, Any]], width: int, height: int, now: datetime) -> list[str]:
    """The lines: each cluster by name with its progress and the expected end, and a bar for each migration
    under way. What has no place in the height is counted in the last line.
    """
    lines: list[str] = []
    for name, seen in clusters.items():
        progress = of_disks(seen) if seen.get("disks") else seen
        lines.append(_cluster(name, progress, now))
        lines += table([_migration(entry) for entry in progress["moving"]]) if progress["moving"] else []
    if len(lines) > height:
        hidden = len(lines) - max(height - 1, 0)
        lines = [*lines[: max(height - 1, 0)], f"  and {hidden} more lines"]
    return [readable(line)[: max(width - 1, 1)] for line in lines[:height]]


def _cluster(name: str, progress: Mapping[str, Any], now: datetime) -> str:
    ended: Mapping[str, int] = progress["ended"]
    done = sum(ended.values())
    left = progress["left"] + len(progress["moving"])
    parts = [f"{done} done", f"{len(progress['moving'])} under way", f"{progress['left']} left"]
    parts += [f"{ended[bad]} {bad}" for bad in BADLY if ended.get(bad)]
    if progress["memory_moved"]:
        parts.append(f"{progress['memory_moved'] / GIB:.1f} GiB moved")
    seconds = progress["seconds_left"]
    if progress.get("paused"):
        parts.append(f"paused: {progress['paused']}")
    elif seconds and left:
        end = now + timedelta(seconds=seconds)
        parts.append(f"about {duration(seconds)} left, until {end:%H:%M}")
    return f"{name}  {_bar(100 * done / (done + left) if done + left else 100)}  {', '.join(parts)}"


def _migration(entry: Mapping[str, Any]) -> list[str]:
    percent = entry["percent"]
    shown = f"{duration(entry['seconds'])} so far"
    if percent is not None:
        shown = f"{_bar(percent)} {percent:3.0f} %"
    return [entry["guest"], f"{entry['source']} → {entry['target']}", shown]


def _bar(percent: float) -> str:
    full = round(_BAR * min(max(percent, 0), 100) / 100)
    return f"[{'#' * full}{'-' * (_BAR - full)}]"


class Footer:
    """Lines at the bottom of a terminal, below the region in which the output scrolls. `write` sends a text
    at once, so that other output never comes in between; `size` is the present number of columns and lines.
    """

    def __init__(self, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write = write
        self._size = size
        # Reserved lines, and those of the terminal at that time.
        self._reserved = (0, 0)

    @property
    def room(self) -> tuple[int, int]:
        """The columns of the terminal, and the lines that may be taken."""
        columns, rows = self._size()
        return columns, rows // _SHARE

    def show(self, lines: list[str]) -> None:
        """Replaces the lines."""
        _columns, rows = self._size()
        height, known = self._reserved
        if len(lines) > height or rows != known:
            self.clear()
            height = len(lines)
            self._reserved = (height, rows)
            # Up by as many lines as the region loses, or the output would go on below it.
            free = "\n" * height + f"\x1b[{height}A"
            self._write(f"{free}\x1b7\x1b[1;{rows - height}r\x1b8")
        top = rows - height + 1
        rest = [""] * (height - len(lines))
        shown = "".join(f"\x1b[{top + index};1H\x1b[2K{line}" for index, line in enumerate([*lines, *rest]))
        self._write(f"\x1b7{shown}\x1b8")

    def clear(self) -> None:
        """Releases the lines at the bottom of the terminal."""
        height, rows = self._reserved
        if height:
            wiped = "".join(f"\x1b[{rows - index};1H\x1b[2K" for index in range(height))
            self._write(f"\x1b7\x1b[r{wiped}\x1b8")
            self._reserved = (0, 0)
