# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common parts of the comparisons with other balancers: a row for each case, its verdict, and the tables.

docs/peers.md has a marked section for each comparison; `write` replaces the text between the marks.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "peers.md"

Verdict = Literal["same", "as good", "better", "different", "worse", "not comparable"]


@dataclass(frozen=True, slots=True)
class Row:
    """One case: the action or expectation of the other balancer, the result of Even Keel, and why they
    differ.
    """

    case: str
    verdict: Verdict
    theirs: str
    ours: str
    reason: str = ""


class Unreadable(ValueError):
    """A file of the checkout is not what this converter reads."""


def options(description: str | None, what: str) -> argparse.Namespace:
    """Returns the command line that the comparisons share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, metavar="CHECKOUT", help=what)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--markdown", action="store_true", help=f"replace the table in docs/{PAGE.name}")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write each snapshot and policy to DIR")
    return parser.parse_args()


def summary(rows: Sequence[Row]) -> str:
    """Returns the number of cases for each verdict, the best first."""
    counts = Counter(row.verdict for row in rows)
    parts = [f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict]]
    return f"{len(rows)} cases: {', '.join(parts)}"


def show(rows: Sequence[Row]) -> None:
    """Prints the rows that are not the same, and the summary."""
    for row in rows:
        if row.verdict != "same":
            print(f"{row.verdict}: {row.case}\n    theirs: {row.theirs}\n    ours:   {row.ours}")
            if row.reason:
                print(f"    why:    {row.reason}")
    print(summary(rows))


def markdown(rows: Sequence[Row]) -> str:
    """Returns the summary, a list of the cases that are the same, and a table of the others with their
    reasons.
    """
    same = [row.case for row in rows if row.verdict == "same"]
    lines = [f"{summary(rows)}.", ""]
    if same:
        lines += [f"The same: {', '.join(f'`{case}`' for case in same)}.", ""]
    others = [row for row in rows if row.verdict != "same"]
    if others:
        lines += ["| case | verdict | theirs | ours | reason |", "|---|---|---|---|---|"]
        lines += [
            " | ".join(("| `" + row.case + "`", row.verdict, *map(_cell, (row.theirs, row.ours, row.reason))))
            + " |"
            for row in others
        ]
    return "\n".join(lines).rstrip() + "\n"


def write(section: str, text: str, page: Path = PAGE) -> None:
    """Replaces the text between the marks of the section. Raises Unreadable if the page has none."""
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    whole = page.read_text()
    if begin not in whole or end not in whole:
        raise Unreadable(f"{page} has no section {section}: add {begin} and {end}")
    head, rest = whole.split(begin, 1)
    _old, tail = rest.split(end, 1)
    page.write_text(f"{head}{begin}\n{text}{end}{tail}")


def unexplained(rows: Sequence[Row]) -> list[str]:
    """Returns the cases in which Even Keel is worse, or different without a reason."""
    return [
        row.case
        for row in rows
        if row.verdict == "worse" or (row.verdict not in ("same", "better") and not row.reason)
    ]


def finish(rows: Sequence[Row], section: str, replace_table: bool, more: str = "") -> int:
    """Prints, writes the page if requested (with another table above), and returns the exit code: 1 if a
    difference has no reason.
    """
    show(rows)
    if replace_table:
        write(section, f"{more}\n{markdown(rows)}" if more else markdown(rows))
    missing = unexplained(rows)
    if missing:
        print(f"Without a reason: {', '.join(missing)}")
    return 1 if missing else 0


def migrations(count: int) -> str:
    return f"{count} migration" if count == 1 else f"{count} migrations"


def points(spread: Mapping[str, float | None]) -> str:
    """Returns the points of spread of the widest metric."""
    return f"{widest(spread):.0f}"


def widest(spread: Mapping[str, float | None]) -> float:
    return max((value or 0.0 for value in spread.values()), default=0.0)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
