# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of datastores, and what may be done to reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..codec import Bounds
from ..quantities import PERCENT, RATE, SIZE
from ..selector import Selector
from ..snapshot import Id

Percent = Annotated[float, Bounds(0, 100), PERCENT]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreSelector:
    """Datastores that match any of its parts."""

    names: Annotated[tuple[str, ...], "Ids, names, or shell patterns of names, such as V(ssd*)."] = ()
    regex: Annotated[str | None, "Regular expression that must match a name from its start."] = None
    tags: Annotated[tuple[str, ...], "Shell patterns of tags."] = ()
    types: Annotated[tuple[str, ...], "Types, such as V(VMFS), V(NFS), V(lvmthin) or V(rbd)."] = ()
    classes: Annotated[tuple[str, ...], "Classes, such as V(gold)."] = ()
    clusters: Annotated[tuple[str, ...], "Names or shell patterns of clusters of datastores."] = ()
    where: Annotated[
        str | None,
        "JMESPath expression that is true for the datastore, such as V(shared && type == 'NFS'). "
        "Requires the Python library C(jmespath).",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreRule:
    """Guests whose disks are apart, or disks of one guest that are."""

    by: Annotated[
        Literal["name_prefix", "regex", "tag", "pool", "guests", "disks"],
        "How members are found, as in O(rules[].by).\n"
        "With V(disks) the members are the disks of each guest of O(storage.rules[].guests).",
    ]
    kind: Annotated[
        Literal["anti_affinity", "affinity"],
        "V(anti_affinity) keeps members on different datastores, V(affinity) on one.",
    ] = "anti_affinity"
    pattern: Annotated[
        str | None, "Regular expression for V(regex), shell pattern for V(tag) and V(pool)."
    ] = None
    guests: Annotated[Selector | None, "The guests, for V(guests) and V(disks)."] = None
    name: Annotated[Id | None, "Prefix of the names of the resulting rules."] = None
    min_members: Annotated[int, Bounds(least=1), "Minimum number of members of a rule."] = 2
    strict: Annotated[bool, "Whether the rule must hold. With V(false) it is a preference."] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """Where the disks of some guests may lie."""

    guests: Annotated[Selector, "The guests."]
    datastores: Annotated[DatastoreSelector, "The datastores where their disks may lie."]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageExclusions:
    """What takes no part."""

    sources: Annotated[DatastoreSelector, "Datastores that no disk leaves."] = field(
        default_factory=DatastoreSelector
    )
    targets: Annotated[DatastoreSelector, "Datastores that receive no disk."] = field(
        default_factory=DatastoreSelector
    )
    guests: Annotated[Selector, "Guests whose disks are not moved."] = field(default_factory=Selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePolicy:
    """How full and how busy datastores may be, and which disks may be moved for that.

    The defaults are those of VMware Storage DRS.
    """

    utilisation: Annotated[
        Percent, "Percentage of a datastore's capacity in use above which disks are moved off it."
    ] = 80
    max_spread: Annotated[
        Percent | None,
        "Maximum difference between the fullest and the emptiest datastore, in percentage points, among "
        "those that can take each other's disks. Space is not levelled when it is left out.",
    ] = None
    latency: Annotated[
        Annotated[float, Bounds(least=0)] | None,
        "Latency of a datastore in milliseconds above which disks are moved off it, where the platform "
        "reports it. Latency does not count when it is left out.",
    ] = None
    min_difference: Annotated[
        Percent,
        "Minimum difference in use between the source and the target of a move, in percentage points. Moves "
        "for rules, and off a datastore that is emptied, need none.",
    ] = 5
    reserve: Annotated[
        int, Bounds(least=0), SIZE, "Space that is kept free on every datastore, such as V(50G)."
    ] = 0
    growth: Annotated[
        Percent,
        "Percentage of the space that thin disks have not taken yet which counts as in use.",
    ] = 0
    keep_together: Annotated[
        bool,
        "Whether all disks of a guest that lie on one datastore move together. With V(false) each moves "
        "by itself.",
    ] = True
    evacuate: Annotated[
        DatastoreSelector | None,
        "Datastores that all disks leave and that receive none. Those in maintenance mode are emptied in "
        "any case.",
    ] = None
    rules: Annotated[tuple[DatastoreRule, ...], "Which guests or disks are on different datastores."] = ()
    platform_rules: Annotated[bool, "Whether the rules of the platform for datastores apply."] = True
    placement: Annotated[
        tuple[StorageClass, ...],
        "Where the disks of some guests may lie. The last entry that selects a guest applies.",
    ] = ()
    exclude: Annotated[StorageExclusions, "Datastores and guests that take no part."] = field(
        default_factory=StorageExclusions
    )
    allow_blockers: Annotated[
        tuple[str, ...], "Blockers of disks that are ignored, such as V(snapshot_chain)."
    ] = ()
    max_moves: Annotated[
        Annotated[int, Bounds(least=0)] | None, "Maximum number of moves. No limit when it is left out."
    ] = None
    max_bytes: Annotated[
        Annotated[int, Bounds(least=0)] | None, SIZE, "Maximum sum of bytes that are copied, such as V(2T)."
    ] = None
    max_per_datastore: Annotated[
        int, Bounds(least=1), "Maximum concurrent moves per datastore, off it and onto it together."
    ] = 2
    bandwidth: Annotated[
        float, Bounds(least=1), RATE, "Bytes per second that one move copies. Only estimates depend on it."
    ] = 200_000_000.0
    other_balancers: Annotated[
        Literal["respect", "ignore"],
        "What to do with datastores on which something else moves disks by itself, such as Storage DRS. "
        "V(respect) leaves them alone and names them.",
    ] = "respect"
