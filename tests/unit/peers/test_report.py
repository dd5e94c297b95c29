# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the comparisons with peers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.peers import report
from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Row

ROWS = (
    Row("one", "same", "", ""),
    Row("two", "as good", "a|b", "c", "why"),
    Row("three", "different", "a", "b"),
)


def test_a_difference_without_a_reason_is_a_failure_and_so_is_a_worse_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report.finish(ROWS[:2], "none", replace_table=False) == 0
    assert report.finish(ROWS, "none", replace_table=False) == 1
    assert "Without a reason: three" in capsys.readouterr().out
    assert report.unexplained([Row("four", "worse", "", "", "a reason")]) == ["four"]


def test_the_table_names_what_is_the_same_and_explains_the_rest() -> None:
    text = report.markdown(ROWS)
    assert text.startswith("3 cases: 1 same, 1 as good, 1 different.\n\nThe same: `one`.\n")
    assert "| `two` | as good | a\\|b | c | why |" in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin x -->\nold\n<!-- end x -->\nafter\n")
    report.write("x", "new\n", page)
    assert page.read_text() == "before\n<!-- begin x -->\nnew\n<!-- end x -->\nafter\n"
    with pytest.raises(report.Unreadable, match="has no section y"):
        report.write("y", "new\n", page)
