# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left: which hosts may fail, how many more guests fit, and the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from .._model.errors import EvenKeelError
from .._model.headroom import Headroom, HostFailure, LargestGuest, SizeClass
from .._model.policy.policy import Policy
from .._model.reservation import Reservation, with_reservations
from .._model.snapshot import Snapshot
from .._planning.headroom.headroom import headroom as reckoned
from .._planning.snapshots.after_migrations import snapshot_after
from .given import Given
from .section import Section
from .storage import snapshot_after_plan, snapshot_after_run
from .texts import count, listed, size

Moment = Literal["now", "planned", "run", "placed"]
MAX_LOST: Final = 200
WORDS: Final[Mapping[str, str]] = {
    "enough": "may fail",
    "not_enough": "may not fail",
    "undecided": "not decided",
}
_WHEN: Final[Mapping[Moment, str]] = {
    "now": "as the cluster is",
    "planned": "after this plan",
    "run": "after this run",
    "placed": "once the new guests are there",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The headroom at one moment, with the words for that."""

    moment: Moment
    when: str
    found: Headroom


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureTile:
    """One host in the picture. before: its verdict before the migrations, empty where it is the same."""

    name: str
    verdict: str
    words: str
    says: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRow:
    """One size of guests. The bars are in percent of the longest one."""

    name: str
    guests: int
    fit: int
    spare: int
    used: str
    disks: str
    fit_bar: float
    spare_bar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomData:
    """What the section shows."""

    when: str
    compared: str
    lead: str
    others: tuple[str, ...]
    tiles: tuple[FailureTile, ...]
    verdicts: tuple[tuple[str, str], ...]
    failure_rows: tuple[tuple[str, ...], ...]
    lost: tuple[tuple[str, ...], ...]
    more_lost: int
    sizes: tuple[SizeRow, ...]
    counts_disks: bool
    largest: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def headroom_of(given: Given) -> tuple[Room, Room | None] | None:
    """What is left at the end of what the page shows, and at its beginning where that was different; None
    without a snapshot, or where it can't be worked out.
    """
    return given.once("headroom", _rooms)


def _rooms(given: Given) -> tuple[Room, Room | None] | None:
    if given.snapshot is None:
        return None
    plan = given.plan or (given.placement.plan if given.placement else None)
    policy = plan.policy if plan is not None else Policy()
    try:
        now = Room(moment="now", when=_WHEN["now"], found=reckoned(given.snapshot, policy))
        moment, later = _later(given, given.snapshot)
        if moment == "now":
            return now, None
        return Room(moment=moment, when=_WHEN[moment], found=reckoned(later, policy)), now
    except EvenKeelError:
        # A cluster of which nothing can be planned, such as one without hosts, has none to show.
        return None


def _later(given: Given, snapshot: Snapshot) -> tuple[Moment, Snapshot]:
    """The cluster at the end of what the page is about."""
    if given.placement is not None:
        if given.placement.plan is not None:
            snapshot = snapshot_after(snapshot, given.placement.plan)
        places = [
            Reservation(
                guest=one.guest,
                host=one.host,
                cpu=one.cpu,
                memory=one.memory,
                disks=one.disks,
                networks=one.networks,
                tags=one.tags,
            )
            for one in given.placement.promises
        ]
        return ("placed", with_reservations(snapshot, places)) if places else ("now", snapshot)
    if given.outcome is not None and given.outcome.status != "planned":
        ended = {one.result for one in given.outcome.migrations}
        ended |= {one.result for one in given.outcome.disk_moves}
        if "migrated" in ended:
            return "run", snapshot_after_run(snapshot, given.plan, given.outcome)
        return "now", snapshot
    if given.plan is not None and (
        given.plan.migrations or (given.plan.storage and given.plan.storage.moves)
    ):
        return "planned", snapshot_after_plan(snapshot, given.plan)
    return "now", snapshot


def headroom(given: Given) -> Section | None:
    rooms = headroom_of(given)
    if rooms is None:
        return None
    room, before = rooms
    return Section(
        id="headroom", title="Headroom", template="headroom.j2",
        data=_data(room, before),
    )  # fmt: skip


def _data(room: Room, before: Room | None) -> HeadroomData:
    found = room.found
    earlier = {one.host: one.verdict for one in before.found.failures} if before else {}
    lost = [_lost_row(one, guest_why) for one in found.failures for guest_why in _without_place(one)]
    return HeadroomData(
        when=room.when,
        compared=_compared(found, before.found) if before else "",
        lead=_sentence(found.says[0]) if found.says else "",
        others=tuple(map(_sentence, found.says[1:])),
        tiles=tuple(_tile(one, earlier.get(one.host, one.verdict)) for one in found.failures),
        verdicts=tuple(
            (verdict, words)
            for verdict, words in WORDS.items()
            if any(one.verdict == verdict for one in found.failures)
        ),
        failure_rows=tuple(_failure_row(one) for one in found.failures),
        lost=tuple(lost[:MAX_LOST]),
        more_lost=max(0, len(lost) - MAX_LOST),
        sizes=tuple(_sizes(found.sizes)),
        counts_disks=any(one.fit_on_datastores is not None for one in found.sizes),
        largest=tuple(_largest(found.largest)),
        notes=(*found.notes, *_look_at(found.failures)),
    )


def _sentence(text: str) -> str:
    return (
        f"{text[:1].upper()}{text[1:]}."
        if text.startswith(("any", "if", "not", "no ", "of", "the"))
        else f"{text}."
    )


def _compared(now: Headroom, before: Headroom) -> str:
    """How many hosts could fail before."""
    one, two = (sum(f.verdict == "enough" for f in found.failures) for found in (before, now))
    if one == two:
        return ""
    return f"Before, {one} of {count(len(before.failures), 'host')} could."


def _tile(one: HostFailure, before: str) -> FailureTile:
    parts = [f"{count(one.guests, 'guest')} to restart"]
    if one.lost:
        parts.append(f"{len(one.lost)} without a place")
    if one.tied:
        parts.append(f"{len(one.tied)} tied to it")
    return FailureTile(
        name=one.name,
        verdict=one.verdict,
        words=WORDS[one.verdict],
        says=", ".join(parts),
        before=WORDS[before] if before != one.verdict else "",
    )


def _failure_row(one: HostFailure) -> tuple[str, ...]:
    return (one.name, WORDS[one.verdict], str(one.guests), str(len(one.lost)), str(len(one.tied)))


def _without_place(one: HostFailure) -> list[tuple[str, str]]:
    return [(guest.name, guest.why) for guest in (*one.lost, *one.tied)]


def _lost_row(one: HostFailure, guest: tuple[str, str]) -> tuple[str, ...]:
    return (guest[0], one.name, guest[1])


def _sizes(sizes: Sequence[SizeClass]) -> list[SizeRow]:
    most = max((one.fit for one in sizes), default=0) or 1
    return [
        SizeRow(
            name=f"{count_of_cores(one.cpu)}, {size(one.memory)}",
            guests=one.guests,
            fit=one.fit,
            spare=one.fit_with_spare,
            used="unknown" if one.fit_as_used is None else str(one.fit_as_used),
            disks="" if one.fit_on_datastores is None else str(one.fit_on_datastores),
            fit_bar=round(100 * one.fit / most, 1),
            spare_bar=round(100 * one.fit_with_spare / most, 1),
        )
        for one in sizes
    ]


def count_of_cores(cores: float) -> str:
    return f"{cores:g} core{'' if cores == 1 else 's'}"


def _largest(found: Sequence[LargestGuest]) -> list[tuple[str, str, str]]:
    """One row for the core counts that the same host has the same memory for."""
    rows = []
    for (memory, name), group in groupby(found, key=lambda one: (one.memory, one.name)):
        cores = [one.cpu for one in group]
        text = count_of_cores(cores[0])
        if len(cores) > 1:
            text = f"{cores[0]:g} to {count_of_cores(cores[-1])}"
        rows.append((text, "none fits" if memory is None else size(memory), name or ""))
    return rows


def _look_at(failures: Sequence[HostFailure]) -> list[str]:
    """What may keep guests from being started, once for all hosts."""
    hosts: dict[str, list[str]] = {}
    for one in failures:
        for text in one.look_at:
            hosts.setdefault(text, []).append(one.name)
    return [f"If {listed(names)} fails: {text}" for text, names in hosts.items()]
