# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history for people: what happened by day, which guests moved most and why, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..._model.text.wording import readable
from .plan import GIB, table

_MAX_LINES = 31
_MAX_GUESTS = 10
_MAX_DISK_MOVES = 10
_DIGEST = 19


def history_report(found: Mapping[str, Any], guest: str | None) -> list[str]:
    """The lines of the report, from the result of the module; `guest` is whom it is about."""
    lines = [_headline(found, guest)]
    if guest is None:
        lines += _section("clusters", _clusters(found["clusters"]))
        lines += _section("by day", _days(found["days"]))
        lines += _section("guests that moved most", _guests(found["guests"]))
    else:
        lines += _section("migrations", _migrations(found["migrations"]))
    lines += _section("moves of disks", _disk_moves(found["disk_moves"]))
    lines += _section("failures", _failures(found["failures"]))
    return [readable(line) for line in lines]


def _headline(found: Mapping[str, Any], guest: str | None) -> str:
    numbers = found["summary"]
    about = f"guest {guest}" if guest is not None else _counted(len(found["clusters"]), "cluster")
    return (
        f"{about} from {found['since']} to {found['until']}: {_counted(numbers['runs'], 'run')},"
        f" {_counted(numbers['migrations'], 'migration')}, {_counted(numbers['failures'], 'failure')},"
        f" {numbers['memory_bytes'] / GIB:.1f} GiB of memory{_disks(numbers)}"
    )


def _disks(numbers: Mapping[str, Any]) -> str:
    """Of the moves of disks; nothing where there were none."""
    if not numbers["disk_moves"] and not numbers["disk_failures"]:
        return ""
    copied = f"{numbers['bytes_copied'] / GIB:.1f} GiB copied"
    parts = [_counted(numbers["disk_moves"], "disk move"), f"{numbers['disk_failures']} failed", copied]
    if numbers["left_behind"]:
        parts.append(f"{numbers['left_behind']} left behind")
    return f"; {', '.join(parts)}"


def _disk_moves(moves: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The newest of them, and each that left something behind."""
    shown = [one for number, one in enumerate(moves) if number < _MAX_DISK_MOVES or one["left_behind"]]
    return [
        (
            one["ended_at"],
            f"{one['guest']['name']} ({one['guest']['id']})",
            ", ".join(one["disks"]),
            f"{one['from']} → {one['to']}",
            one["result"],
            "; ".join(
                text
                for text in (
                    one["why"] or one["reason"] or "",
                    f"left behind: {', '.join(one['left_behind'])}" if one["left_behind"] else "",
                )
                if text
            ),
        )
        for one in shown
    ]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _clusters(clusters: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    return [
        (
            one["name"],
            one["platform"],
            _counted(one["runs"], "run"),
            f"the last {one['last_status']} at {one['last_run']}"
            if one["last_run"]
            else "before version 1.1",
        )
        for one in clusters
    ]


def _days(days: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    metrics = list(dict.fromkeys(metric for day in days for metric in day["spread"]))
    counts = {"runs": "runs", "failed_runs": "failed", "migrations": "migrations", "failures": "failures"}
    if any(day["disk_moves"] or day["disk_failures"] for day in days):
        counts |= {"disk_moves": "disk moves", "disk_failures": "failures of them"}
    rows: list[Sequence[str]] = [("day", *counts.values(), *(f"spread of {metric}" for metric in metrics))]
    for day in days:
        numbers = [str(day[name]) for name in counts]
        rows.append((day["day"], *numbers, *(_range(day["spread"].get(metric)) for metric in metrics)))
    return rows if days else []


def _range(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    return f"{spread['min']:.1f} to {spread['max']:.1f}, last {spread['last']:.1f}"


def _guests(guests: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    return [
        (
            f"{one['guest']['name']} ({one['guest']['id']})",
            _counted(one["migrations"], "migration"),
            f"last at {one['last']}",
        )
        for one in guests[:_MAX_GUESTS]
        if one["migrations"]
    ]


def _migrations(migrations: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    return [
        (
            one["ended_at"],
            f"{one['guest']['name']} ({one['guest']['id']})",
            f"{one['from']['name']} → {one['to']['name']}",
            one["result"],
            "; ".join(part for part in (_reason(one), one["why"], _by(one)) if part),
        )
        for one in migrations
    ]


def _reason(one: Mapping[str, Any]) -> str:
    if one["kind"] is None:
        return one["reason"] or "no reason is recorded"
    return f"{one['kind']}: {one['reason']}"


def _by(one: Mapping[str, Any]) -> str:
    """The run, its plan and who started it."""
    if one["run"] is None:
        return ""
    who = one["who"]
    parts = [f"run {one['run'][:8]}"]
    if one["plan_digest"]:
        parts.append(f"plan {one['plan_digest'][:_DIGEST]}")
    if who.get("job"):
        by = who.get("awx_user") or who.get("schedule")
        template = f" of {who['template']}" if who.get("template") else ""
        parts.append(f"AWX job {who['job']}{template}" + (f" by {by}" if by else ""))
    elif who.get("user"):
        parts.append(f"{who['user']} on {who.get('controller', '?')}")
    return ", ".join(parts)


def _failures(failures: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    return [
        (
            f"{one['count']} {one['result']}{' (disks)' if one['of'] == 'disk_moves' else ''}",
            f"last at {one['last']}",
            f"{one['why']}: {', '.join(one['guests'][:5])}",
        )
        for one in failures[:_MAX_GUESTS]
    ]


def _section(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """A table below a title; what is too long is cut, and says so."""
    if not rows:
        return []
    more = len(rows) - _MAX_LINES
    left = [f"  and {more} more"] if more > 0 else []
    return ["", title, *table(rows[:_MAX_LINES]), *left]
