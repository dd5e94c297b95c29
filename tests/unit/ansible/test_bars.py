# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bars of migrations under way, below the output of a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.audience import (
    FOLDER_VARIABLE,
    lines_are_read,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.bars import Footer, bars
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import ProgressFolder

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


def moving(guest: str, percent: float | None) -> dict[str, Any]:
    return {
        "step": 1,
        "guest": guest,
        "source": "pve1",
        "target": "pve2",
        "seconds": 61.0,
        "percent": percent,
    }


def run(*under_way: dict[str, Any], **more: Any) -> dict[str, Any]:
    usual = {"ended": {"migrated": 2, "failed": 1}, "left": 1, "memory_moved": 2**31, "seconds_left": 600.0}
    return {**usual, "moving": list(under_way), **more}


class Screen:
    """A terminal of some lines that knows what Footer sends and what a program prints."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines = [""] * rows
        self.row, self.column, self.bottom, self.saved = 1, 1, rows, (1, 1)

    def write(self, text: str) -> None:
        for escape, number, other, letter, char in re.findall(
            r"(\x1b(?:\[(\d*)(?:;(\d+))?([A-Za-z])|[78]))|(.|\n)", text
        ):
            if escape == "\x1b7":
                self.saved = (self.row, self.column)
            elif escape == "\x1b8":
                self.row, self.column = self.saved
            elif letter == "r":
                self.row = self.column = 1
                self.bottom = int(other) if other else self.rows
            elif letter == "H":
                self.row, self.column = int(number), int(other)
            elif letter == "A":
                self.row -= int(number)
            elif letter == "K":
                self.lines[self.row - 1] = ""
            elif char == "\n":
                self._next_line()
            else:
                line = self.lines[self.row - 1].ljust(self.column - 1)
                self.lines[self.row - 1] = line[: self.column - 1] + char + line[self.column :]
                self.column += 1

    def _next_line(self) -> None:
        self.column = 1
        if self.row == self.bottom:
            self.lines.insert(self.bottom, "")
            del self.lines[0]
        else:
            self.row += 1


def test_a_bar_for_each_migration_under_way() -> None:
    shown = bars({"prod": run(moving("web1", 50), moving("database", None))}, 200, 10, NOW)
    assert shown == [
        "prod  [############------------]  3 done, 2 under way, 1 left, 1 failed, 2.0 GiB moved,"
        " about 10 min left, until 22:10",
        "  web1      pve1 → pve2  [############------------]  50 %",
        "  database  pve1 → pve2  61 s so far",
    ]


def test_what_has_no_place_is_counted_and_no_line_is_too_wide() -> None:
    shown = bars({"prod": run(*(moving(f"web{n}\x1b[31m", 10) for n in range(9)))}, 40, 4, NOW)
    assert len(shown) == 4
    assert shown[-1] == "  and 7 more lines"
    assert all(len(line) < 40 and line.isprintable() for line in shown)


def test_output_goes_on_above_the_bars_and_nothing_of_them_stays() -> None:
    screen = Screen(40, 9)
    footer = Footer(screen.write, lambda: (screen.columns, screen.rows))
    screen.write("".join(f"line {n}\n" for n in range(20)))
    footer.show(["a", "b"])
    screen.write("line 20\n")
    footer.show(["c"])
    assert screen.lines == [*(f"line {n}" for n in range(15, 21)), "", "c", ""]
    footer.show(["d", "e", "f"])
    screen.write("line 21\nline 22\n")
    footer.show(["d", "e", "f"])
    assert screen.lines == [*(f"line {n}" for n in range(18, 23)), "", "d", "e", "f"]
    footer.clear()
    screen.write("line 23\n")
    assert screen.lines == [*(f"line {n}" for n in range(18, 24)), "", "", ""]
    assert screen.bottom == 9


def test_a_terminal_that_changes_its_size_gets_new_lines() -> None:
    screen = Screen(40, 9)
    footer = Footer(screen.write, lambda: (screen.columns, screen.rows))
    footer.show(["a"])
    screen.rows, screen.lines = 12, [*screen.lines, "", "", ""]
    footer.show(["b"])
    assert screen.lines[8:] == ["", "", "", "b"]


def test_the_progress_of_every_run_until_its_file_is_gone(tmp_path: Path) -> None:
    folder = ProgressFolder(tmp_path)
    assert folder.read() == {}
    one, other = (ProgressFolder.file_of(tmp_path, name) for name in ("a/b", "prod"))
    one.write_text('{"left": 2}\n{"left": 1}\n{"le')
    other.touch()
    assert folder.read() == {"a/b": {"left": 1}}
    with one.open("a") as stream:
        stream.write('ft": 0}\n')
    assert folder.read() == {"a/b": {"left": 0}}
    one.unlink()
    assert folder.read() == {}
    folder.close()


def test_lines_are_for_people() -> None:
    assert lines_are_read("default", {})
    assert not lines_are_read("default", {FOLDER_VARIABLE: "/tmp/x"})
    assert not lines_are_read("ansible.posix.json", {})
