# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be planned about datastores, in numbers: places, units of disks that move together, and rules.

All amounts are whole bytes, so that sums are exact and the same in every order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..._model.plan import Unresolved
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Guest, Snapshot, StorageRule
from ..model.refusals import RefusedDisks

# What a limit is where there is none.
NO_LIMIT = 1 << 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A datastore. `load` is what is in use, what copies of other runs are to take, and the growth that
    counts as such; `limit` is how much that may be; `capacity` is 0 where it is not known. `gives`: disks may
    leave it; `takes`: disks may come to it; `leaves`: why all disks have to leave it, or an empty text;
    `alone`: why it is left alone, or an empty text. `group` numbers the datastores that are levelled among
    each other, -1 for none. `io_limit`: the I/O that keeps its latency, estimated.
    """

    datastore: Datastore
    load: int
    limit: int
    capacity: int
    gives: bool
    takes: bool
    leaves: str = ""
    alone: str = ""
    group: int = -1
    io: int = 0
    io_limit: int = NO_LIMIT
    estimated: float | None = None

    @property
    def judged(self) -> bool:
        """Whether its use counts in the plan: it is known, and not left alone."""
        return self.capacity > 0 and not self.alone

    def percent(self, load: int) -> float | None:
        """Percent of its capacity, to three digits."""
        return round(100.0 * load / self.capacity, 3) if self.capacity else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Disks of one guest on one datastore, which move in one step. `weight` is what they count for where they
    are, `frees` what is certain to be free there once they have left; `room_thin` and `room_full` are what
    they may take on a target, by whether it stores only what was written.
    """

    guest: int
    disks: tuple[str, ...]
    bytes: int
    weight: int
    frees: int
    room_thin: int
    room_full: int
    io: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Parts that go to one datastore together. `fixed`: why it can't move, or an empty text. `complying`: ids
    of the only datastores that comply with the storage policies of its disks, None for any. `misplaced`:
    placement does not allow it where it is; `violated`: the storage policies that it violates there, in
    words, or an empty text. `must_leave`: where it is it may not stay. `restoring`: it breaks a rule, or has
    to leave, so that no minimum difference applies to it. `later` are datastores that would be targets if the
    difference were large enough, as it may be once others have moved.
    """

    home: int
    parts: tuple[Part, ...]
    targets: tuple[int, ...] = ()
    later: tuple[int, ...] = ()
    fixed: str = ""
    complying: frozenset[str] | None = None
    misplaced: bool = False
    violated: str = ""
    must_leave: bool = False
    restoring: bool = False

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def in_breach(self) -> bool:
        """Whether it may not be where it is, whatever else is there."""
        return self.misplaced or bool(self.violated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The members of a rule: by unit, who of them. Two members of one owner are never in each other's way."""

    rule: StorageRule
    units: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Ids that the policy's exclusions name, and the datastores that are left alone. `kept`: disks whose
    move is left out by choice, by guest and id; `kept_from`: those that do not go to one datastore, its id
    last; `refused`: likewise those that the platform refused to move there within `retry_refused_after`.
    """

    sources: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    guests: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    kept: frozenset[tuple[str, str]] = frozenset()
    kept_from: frozenset[tuple[str, str, str]] = frozenset()
    refused: RefusedDisks = field(default_factory=dict)
    retry_refused_after: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything that planning of datastores needs."""

    snapshot: Snapshot
    policy: StoragePolicy
    seed: int
    effort: int
    places: Sequence[Place]
    guests: Sequence[Guest]
    units: Sequence[Unit]
    rules: Sequence[Members]
    rules_of: Mapping[int, Sequence[int]]
    """By unit, the rules that it is a member of."""
    allowed: Mapping[str, frozenset[str]]
    """By id of a guest, the ids of the datastores where its disks may lie; only of those that have any."""
    unresolved: Sequence[Unresolved] = ()
    notices: Sequence[str] = ()
    barred: Barred = field(default_factory=Barred)
