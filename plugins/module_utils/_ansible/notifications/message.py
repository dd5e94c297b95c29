# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The title and the text of a message about one run, or about those of many clusters."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..._model.text.wording import counted, readable
from .events import EVENTS, Event, Run

_MAX_UNRESOLVED = 10
_MAX_TITLE = 120
_GIB = 1024**3
_TEXTS: Mapping[Event, str] = {
    "failed": "failed",
    "unresolved": "not everything can be resolved",
    "out_of_band": "not balanced",
    "lock_taken_over": "the lock of a killed run was taken over",
}
_OF_MANY: Mapping[Event, str] = {
    "failed": "failed",
    "unresolved": "with something unresolved",
    "out_of_band": "not balanced",
    "lock_taken_over": "took over a lock",
    "changed": "changed",
    "would_change": "would change",
}


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent: a line, and lines. The lines of `tables` are aligned in columns."""

    title: str
    lines: Sequence[str]
    tables: Sequence[str] = ()


def message_of(runs: Sequence[tuple[Run, Sequence[Event]]], *, silent: int = 0) -> Message:
    """The message about runs that are worth one, each with its events; `silent` others are only counted."""
    if len(runs) == 1 and not silent:
        [(run, events)] = runs
        return Message(
            title=_clipped(f"{run.cluster}: {_headline(run, events)}"),
            lines=_lines(run, events),
            tables=[readable(line) for line in run.report],
        )
    counts = {event: sum(event in events for _run, events in runs) for event in EVENTS}
    parts = [f"{number} {_OF_MANY[event]}" for event, number in counts.items() if number]
    ordered = sorted(runs, key=lambda item: (EVENTS.index(item[1][0]), item[0].cluster))
    lines = [readable(f"{run.cluster}: {_headline(run, events)}") for run, events in ordered]
    if silent:
        lines.append(f"{counted(silent, 'other cluster')} without anything to report.")
    tables: list[str] = []
    for run, events in ordered:
        details = [*_lines(run, events), *(["", *map(readable, run.report)] if run.report else [])]
        tables += ["", f"=== {readable(run.cluster)}", *details]
    return Message(
        title=_clipped(f"{counted(len(runs) + silent, 'cluster')}: {', '.join(parts)}"),
        lines=lines,
        tables=tables[1:],
    )


def _headline(run: Run, events: Sequence[Event]) -> str:
    parts = []
    for event in events:
        if event == "changed":
            parts += _changes(run)
        elif event == "would_change":
            parts += _plans(run)
        elif event == "unresolved" and run.left_behind and not run.is_left:
            parts.append(f"{_copies(run)} left behind")
        else:
            parts.append(_TEXTS[event])
    return ", ".join(parts)


def _changes(run: Run) -> list[str]:
    """What was moved; guests are named where nothing was."""
    disks = f"{counted(run.disks_moved, 'disk move')} done"
    guests = f"{counted(run.migrated, 'guest')} migrated"
    return [
        *([guests] if run.migrated or not run.disks_moved else []),
        *([disks] if run.disks_moved else []),
    ]


def _plans(run: Run) -> list[str]:
    """What would be moved."""
    disks = f"{counted(run.disks_planned, 'disk move')} would be done"
    guests = f"{counted(run.planned, 'guest')} would be migrated"
    return [
        *([guests] if run.planned or not run.disks_planned else []),
        *([disks] if run.disks_planned else []),
    ]


def _copies(run: Run) -> str:
    return "1 copy of disks" if run.left_behind == 1 else f"{run.left_behind} copies of disks"


def _failures(run: Run) -> str:
    """What failed, where the run says nothing else about it."""
    migrations = counted(run.not_migrated, "migration")
    moves = counted(run.disks_not_moved, "disk move")
    parts = [migrations] if run.not_migrated or not run.disks_not_moved else []
    return " and ".join([*parts, *([moves] if run.disks_not_moved else [])]) + " failed"


def _lines(run: Run, events: Sequence[Event]) -> list[str]:
    lines = []
    if "failed" in events:
        lines.append(f"Failed: {run.error or _failures(run)}")
    if "lock_taken_over" in events:
        lines.append(f"The lock of a run that was killed was taken over: {run.lock_taken_over}")
    if "out_of_band" in events:
        lines.append("The cluster does not satisfy its policy after the run.")
    if "changed" in events:
        copied = f", {run.copied / _GIB:.1f} GiB copied" if run.copied else ""
        lines.append(f"{' and '.join(_changes(run))}{copied}.")
    if "would_change" in events:
        lines.append(f"{' and '.join(_plans(run))}.")
    if run.left_behind and {"failed", "unresolved", "out_of_band", "changed"}.intersection(events):
        lines.append(
            f"{_copies(run)} left behind, which no guest uses any more and no run deletes. The report names"
            " each."
        )
    # Where the failure is that something is unresolved, it says so.
    left = [item for item in run.unresolved if item not in run.error]
    if left and ("unresolved" in events or "out_of_band" in events):
        lines.append("Not resolved:")
        lines += [f"- {item}" for item in left[:_MAX_UNRESOLVED]]
        if len(left) > _MAX_UNRESOLVED:
            lines.append(f"- and {len(left) - _MAX_UNRESOLVED} more")
    if run.page_url:
        lines.append(f"Report: {run.page_url}")
    return [readable(line) for line in lines]


def _clipped(text: str) -> str:
    text = readable(text)
    return text if len(text) <= _MAX_TITLE else f"{text[: _MAX_TITLE - 1]}…"


def as_text(message: Message, most: int = 0) -> str:
    """The body as plain text, cut to a number of characters; 0 for no limit."""
    lines = [*message.lines, *(["", *message.tables] if message.tables else [])]
    return "\n".join(_fitting(lines, most, len))


def as_html(message: Message, most: int = 0) -> str:
    """The body as HTML that also chat services understand: the tables keep their columns."""
    # A line of the text takes as many characters as it has entities.
    head = "<br/>\n".join(html.escape(line, quote=False) for line in message.lines)
    tables = _fitting(
        message.tables, most and max(1, most - len(head) - 40), lambda line: len(_escaped(line))
    )
    return f"{head}\n<pre>{_escaped(chr(10).join(tables))}</pre>" if tables else head


def as_markdown(message: Message, most: int = 0) -> str:
    """The body as Markdown, with the tables in a block of code."""
    head = "\n".join(line if line.startswith("- ") else f"{_plain(line)}  " for line in message.lines)
    tables = _fitting(message.tables, most and max(1, most - len(head) - 20), len)
    # No line of a report may end the block.
    block = "\n".join(line.replace("```", "'''") for line in tables)
    return f"{head}\n\n```\n{block}\n```" if tables else head


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _plain(text: str) -> str:
    """A name such as web_1_a is no emphasis."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>" else char for char in text)


def _fitting(lines: Sequence[str], most: int, size: Callable[[str], int]) -> list[str]:
    """The first of the lines that fit, and how many are left out."""
    sizes = [size(line) + 1 for line in lines]
    if not most or sum(sizes) <= most:
        return list(lines)
    found, used = [], 40
    for line, length in zip(lines, sizes, strict=True):
        if used + length > most:
            break
        found.append(line)
        used += length
    return [*found, f"… {counted(len(lines) - len(found), 'more line')}"]
