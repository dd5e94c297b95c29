# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster has left: which hosts may fail, and what else fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from .codec import Bounds, decode, demand_schema, encode
from .snapshot import Bytes, ClusterRef, Id, Moment

HEADROOM_SCHEMA: Final = "evenkeel.cluster/headroom/1"

Count = Annotated[int, Bounds(least=0)]
Cores = Annotated[float, Bounds(least=0)]
Cause = Literal["tied", "nowhere", "no_room_left"]
Verdict = Literal["enough", "not_enough", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostGuest:
    """A guest that has no place when its host fails."""

    id: Id
    name: Id
    cause: Annotated[
        Cause,
        "tied: what it needs is on the failed host only; nowhere: no other host could take it, even if it "
        "were the first; no_room_left: none could once the others are restarted",
    ]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFailure:
    """What would become of the running guests of one host if it failed.

    `enough`: each guest that is not tied to the host was given a place on the others; `not_enough`: it is
    proven that these do not all have one; `undecided`: no way was found, and none is ruled out.
    """

    host: Id
    name: Id
    guests: Annotated[Count, "running guests that would have to be restarted"]
    verdict: Verdict
    tied: Annotated[tuple[LostGuest, ...], "those that can be started on no other host at all"] = ()
    lost: Annotated[
        tuple[LostGuest, ...], "those of the others that have no place in the best way that was found"
    ] = ()
    look_at: Annotated[
        tuple[str, ...], "what may keep guests from being started that count as restarted, and which"
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """A size of guests, and how many more of it fit without a migration."""

    cpu: Annotated[Cores, "cores that a guest of this size is given"]
    memory: Annotated[Bytes, "memory that it is given"]
    guests: Annotated[Count, "running guests of this size"]
    fit: Annotated[Count, "how many more fit if each uses all that it is given"]
    fit_with_spare: Annotated[
        Count, "the same if the others are to have as much free as any one host's guests take, in sum"
    ]
    fit_as_used: Annotated[
        Count | None,
        "how many more fit if each uses what guests of this size use on average; null when that is not known",
    ] = None
    fit_on_datastores: Annotated[
        Count | None,
        "how many more have room for their disks within the limits of storage, if each has as much as guests "
        "of this size have on average; no other number is larger. Null when the policy says nothing about "
        "datastores, or when the sizes of disks are not known",
    ] = field(default=None, metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestGuest:
    """The largest memory that one more guest with this many cores could be given, and where."""

    cpu: Cores
    memory: Annotated[Bytes | None, "null when no host has that many cores left within its limits"]
    host: Id | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What a cluster has left at one moment, within the limits, rules and exclusions of a policy."""

    schema: Literal["evenkeel.cluster/headroom/1"] = HEADROOM_SCHEMA
    cluster: ClusterRef
    taken_at: Moment
    failures: Annotated[tuple[HostFailure, ...], "the hosts that are online, in the order of the snapshot"]
    sizes: Annotated[tuple[SizeClass, ...], "sizes that occur, the most frequent first"]
    largest: Annotated[tuple[LargestGuest, ...], "by cores"]
    says: Annotated[tuple[str, ...], "the answer in lines"] = ()
    notes: Annotated[tuple[str, ...], "what could not be made sense of, and was left out"] = field(
        default=(), metadata={"omit": True}
    )

    @property
    def survives(self) -> bool | None:
        """Whether any one host may fail, guests apart that are tied to theirs; None where that is not
        decided for all.
        """
        verdicts = {failure.verdict for failure in self.failures}
        if "not_enough" in verdicts:
            return False
        return None if "undecided" in verdicts else True

    @classmethod
    def from_json(cls, value: object) -> Headroom:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        demand_schema(value, HEADROOM_SCHEMA, "headroom")
        return decode(cls, value, "headroom")

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result
