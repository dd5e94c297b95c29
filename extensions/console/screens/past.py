# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Past runs, migrations and moves of disks in words, from what history_info returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB

from ..widgets.text import UNKNOWN

_DIGEST = 19


def who_started(who: Mapping[str, Any]) -> str:
    """Who started a run, and with which program."""
    if who.get("job"):
        by = who.get("awx_user") or who.get("schedule")
        template = f" of {who['template']}" if who.get("template") else ""
        return f"AWX job {who['job']}{template}" + (f" by {by}" if by else "")
    if not who.get("user"):
        return UNKNOWN
    program = f" by {who['program']}" if who.get("program") else ""
    return f"{who['user']} on {who.get('controller', '?')}{program}"


def moment(text: str | None) -> str:
    """A moment as short as a column wants it, in UTC."""
    return UNKNOWN if not text else text[:16].replace("T", " ")


def reason_of(one: Mapping[str, Any]) -> str:
    """Why a migration was planned, and why it did not succeed."""
    planned = one["reason"] or "no reason is recorded"
    planned = planned if one["kind"] is None else f"{one['kind']}: {planned}"
    return f"{planned}; {one['why']}" if one["why"] else planned


def disk_move_entries(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A move of disks, for a list of names and values."""
    size = "" if one["bytes"] is None else f", {one['bytes'] / GIB:.1f} GiB"
    seconds = "" if one["seconds"] is None else f" in {one['seconds']:.0f} s"
    disks = ", ".join(one["disks"])
    return [
        (
            moment(one["ended_at"]),
            f"{disks}: {one['from']} → {one['to']}: {one['result']}{seconds}{size}",
        ),
        ("  why", reason_of(one)),
        *([("  left behind", ", ".join(one["left_behind"]))] if one["left_behind"] else []),
        *([("  started by", who_started(one["who"]))] if one.get("who") else []),
        ("  run", (one["run"] or UNKNOWN)[:8]),
        ("", ""),
    ]


def migration_entries(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A migration, for a list of names and values."""
    memory = "" if one["memory_bytes"] is None else f", {one['memory_bytes'] / GIB:.1f} GiB"
    seconds = "" if one["seconds"] is None else f" in {one['seconds']:.0f} s"
    return [
        (
            moment(one["ended_at"]),
            f"{one['from']['name']} → {one['to']['name']}: {one['result']}{seconds}{memory}",
        ),
        ("  why", reason_of(one)),
        ("  started by", who_started(one["who"])),
        ("  run", f"{(one['run'] or UNKNOWN)[:8]}, plan {(one['plan_digest'] or UNKNOWN)[:_DIGEST]}"),
        ("", ""),
    ]
