# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of datastores, and what may be done to reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..codec import Bounds
from ..errors import InputError
from ..quantities import PERCENT, RATE, SIZE
from ..selector import Selector
from ..snapshot import Id
from ..text.regexes import check_regex
from ..where import DATASTORE, GUEST, check_selector, check_where

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
        "reports it. How much I/O a datastore can take is estimated by those of its type and class. Latency "
        "does not count when it is left out.",
    ] = None
    min_difference: Annotated[
        Percent,
        "Minimum difference in use between the source and the target of a move, in percentage points. Moves "
        "for rules, and off a datastore that is emptied, need none, nor do those that make room for them.",
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
        "Whether all disks of a guest that lie on one datastore move together, unless their storage policies "
        "allow them no datastore in common. With V(false) each moves by itself.",
    ] = True
    evacuate: Annotated[
        DatastoreSelector | None,
        "Datastores that all disks leave and that receive none. Those in maintenance mode are emptied in "
        "any case.",
    ] = None
    rules: Annotated[tuple[DatastoreRule, ...], "Which guests or disks are on different datastores."] = ()
    platform_rules: Annotated[
        bool, "Whether the rules of the platform for datastores apply, its storage policies among them."
    ] = True
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
    relocate: Annotated[
        bool,
        "Whether a guest may be migrated to another host together with its disks, where no datastore of its "
        "own host can take them. This is done for disks that must leave a datastore, because it is to be "
        "emptied, is above O(storage.utilisation) or leaves less than O(storage.reserve), or because a rule "
        "or O(storage.placement) does not hold; never to level.\n"
        "By default no guest is migrated for its disks, because its memory is copied as well and it ends up "
        "on another host.\n"
        "A disk that only its host has is then copied even when O(allow_blockers) has no V(local_disk). "
        "Proxmox VE takes no disk along that is on a shared storage.",
    ] = False
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


def check_storage(storage: StoragePolicy, path: str) -> None:
    """Raises InputError with the path of the first field that contradicts another."""
    nothing, nobody = DatastoreSelector(), Selector()
    if storage.evacuate == nothing:
        raise InputError.required(
            f"{path}.evacuate", expected="at least one of its parts", hint="Use names, such as names: [nfs1]"
        )
    if storage.evacuate is not None:
        _check_datastores(storage.evacuate, f"{path}.evacuate")
        for name in storage.evacuate.names:
            if name in storage.exclude.sources.names:
                raise InputError(
                    f"{path}.evacuate.names",
                    name,
                    "a datastore that disks may leave",
                    hint="Remove it from one of them",
                    statement=f": {name!r} is in exclude.sources, too, which lets no disk leave it",
                )
    if storage.max_spread is not None and storage.min_difference > storage.max_spread:
        by_default = ", the default" if storage.min_difference == StoragePolicy().min_difference else ""
        raise InputError.exceeds(
            f"{path}.min_difference",
            f"{storage.min_difference:g}{by_default}",
            "max_spread",
            f"{storage.max_spread:g}",
            hint="Set a smaller min_difference, because datastores could not be levelled otherwise",
        )
    _check_datastores(storage.exclude.sources, f"{path}.exclude.sources")
    _check_datastores(storage.exclude.targets, f"{path}.exclude.targets")
    check_selector(storage.exclude.guests, f"{path}.exclude.guests", GUEST)
    for index, entry in enumerate(storage.placement):
        here = f"{path}.placement[{index}]"
        if entry.guests == nobody:
            raise InputError.required(
                f"{here}.guests", expected="at least one of its parts", hint="Use names: ['*'] for all"
            )
        if entry.datastores == nothing:
            raise InputError.required(f"{here}.datastores", expected="at least one of its parts")
        check_selector(entry.guests, f"{here}.guests", GUEST)
        _check_datastores(entry.datastores, f"{here}.datastores")
    for index, rule in enumerate(storage.rules):
        _check_rule(rule, f"{path}.rules[{index}]")


def _check_rule(rule: DatastoreRule, path: str) -> None:
    if rule.by == "regex":
        if not rule.pattern:
            raise InputError.required(
                f"{path}.pattern", when="by is regex", hint="Set it to a regular expression"
            )
        check_regex(rule.pattern, f"{path}.pattern")
    elif rule.pattern is not None and rule.by not in ("tag", "pool"):
        raise InputError.unsupported(f"{path}.pattern", "", f"by: {rule.by}", hint="Use by: regex")
    if rule.by in ("guests", "disks"):
        if rule.guests is None or rule.guests == Selector():
            raise InputError.required(
                f"{path}.guests", when=f"by is {rule.by}", hint="Use names: ['*'] for all"
            )
        check_selector(rule.guests, f"{path}.guests", GUEST)
    elif rule.guests is not None:
        raise InputError.unsupported(f"{path}.guests", "", f"by: {rule.by}", hint="Use by: guests")


def _check_datastores(selector: DatastoreSelector, path: str) -> None:
    check_regex(selector.regex, f"{path}.regex")
    if selector.where is not None:
        check_where(selector.where, f"{path}.where", DATASTORE)
