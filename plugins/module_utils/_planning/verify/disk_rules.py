# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether rules for disks are kept, at the end and on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..._model.snapshot import StorageRule
from .disk_replay import DiskReplay


def breaches(
    replay: DiskReplay,
    rule: StorageRule,
    where: Mapping[tuple[str, int], str | None],
    only: str | None = None,
) -> int:
    """Pairs on one datastore, or members that are not where the most are."""
    at: dict[str, set[str]] = {}
    for name, number, who in _members(replay, rule):
        place = where[name, number]
        if place is not None and only in (None, place):
            at.setdefault(place, set()).add(who)
    if rule.kind == "affinity":
        counts = [len(owners) for owners in at.values()]
        return sum(counts) - max(counts, default=0)
    return sum(len(owners) * (len(owners) - 1) // 2 for owners in at.values())


def rule_defects(replay: DiskReplay, rule: StorageRule) -> Iterator[str]:
    """What is wrong with a strict rule, in sentences."""
    if not rule.strict:
        return
    before, after = breaches(replay, rule, replay.home), breaches(replay, rule, replay.ends)
    if after > before or (rule.kind == "affinity" and after and not before):
        yield f"rule {rule.name}: it is broken more than before"
    if rule.kind == "affinity" or before:
        return
    stays: dict[str, list[tuple[str, int | None, int | None]]] = {}
    for name, number, who in _members(replay, rule):
        place, came = replay.home[name, number], None
        for index in replay.ways.get((name, number), ()):
            if place is not None:
                stays.setdefault(place, []).append((who, came, index))
            place, came = replay.moves[index].target, index
        if place is not None:
            stays.setdefault(place, []).append((who, came, None))
    for place, visits in stays.items():
        for number, (one, came, left) in enumerate(visits):
            for other, other_came, other_left in visits[:number]:
                if (
                    one != other
                    and not replay.is_before(left, other_came)
                    and not replay.is_before(other_left, came)
                ):
                    yield f"rule {rule.name}: {one} and {other} can meet on {place}"


def _members(replay: DiskReplay, rule: StorageRule) -> Iterator[tuple[str, int, str]]:
    """Guest, number of the disk, and to whom it counts: to its guest, or to itself in a rule about the
    disks of one guest.
    """
    own = len(rule.guests) == 1
    for name in rule.guests:
        for number, disk in enumerate(replay.guests[name].disks):
            if "cdrom" in disk.blockers:
                continue
            if not own:
                yield name, number, name
            elif disk.id in rule.disks if rule.disks else disk.id != "home":
                yield name, number, disk.id or ""
