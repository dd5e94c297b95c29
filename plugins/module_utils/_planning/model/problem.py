# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot and a policy as flat lists of numbers, made once and never changed.

Hosts, guests, metrics, needs and rules are indices here. A unit is what moves as one: a guest, or the guests
of a strict affinity rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..._model.loads import host_capacity, host_used
from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Rule, Snapshot
from .capacity import HostRoles, ResourceNeeds
from .goal_traits import GoalTraits, traits_of
from .snapshot_index import SnapshotIndex

Vector = tuple[float, ...]
# More guests than any cluster has.
UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Loads of the metrics that are levelled. scale: points of percent a unit of load makes on a host, 0
    where the
    host does not count in that metric; counted: the hosts that do."""

    names: tuple[str, ...]
    limits: Vector
    scale: tuple[Vector, ...]
    counted: tuple[tuple[int, ...], ...]
    host: tuple[Vector, ...]
    guest: tuple[Vector, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A rule over several guests: apart (at most one on a host), even (counts within skew), together (soft
    only) or pinned (soft only; hosts that do not please). torn: guests that are to be apart and are more than
    their hosts, so that they are spread evenly instead; never with more pairs of them on one host than the
    max_pairs that there are at first. enforced: the platform lets a guest go to another one only from a host
    with more of them. first: how many guests each host has at first."""

    name: str
    kind: str
    guests: tuple[int, ...]
    strict: bool
    skew: int = 1
    torn: bool = False
    max_pairs: int = 0
    enforced: bool = False
    first: Mapping[int, int] = field(default_factory=dict)
    weight: float = 1.0
    domain: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything that the search needs, by index.

    Loads are points: percent of a host's capacity. Hosts of one kind have the same capacities, so unit_points
    is by kind and unit. crowded: units that stand where a broken rule wants fewer. makes_room: with goal
    evacuate, whether guests of other hosts may move as well; no more than it takes then. shelters: by guest,
    a bit mask of hosts where it may wait on its way, among them some that are to be empty in the end.
    occupies: by guest, whether its host is not empty as long as it is there. hosts_to_empty: hosts that goal
    consolidate has chosen to become empty. idle_hosts: ids of those that it keeps empty. chosen: units that
    are pinned to another host by choice.
    """

    index: SnapshotIndex
    policy: Policy
    hosts: tuple[Host, ...]
    guests: tuple[Guest, ...]
    home: tuple[int, ...]
    roles: HostRoles
    rules: tuple[Rule, ...]
    metrics: Metrics
    needs: ResourceNeeds
    groups: tuple[Group, ...]
    stays: tuple[str | None, ...]
    occupies: tuple[bool, ...]
    members: tuple[tuple[int, ...], ...]
    unit_home: tuple[int, ...]
    unit_mask: tuple[int, ...]
    host_kind: tuple[int, ...]
    unit_points: tuple[tuple[Vector, ...], ...]
    unit_need: tuple[Vector, ...]
    unit_bytes: tuple[int, ...]
    unit_groups: tuple[tuple[tuple[int, int], ...], ...]
    fixed_points: tuple[Vector, ...]
    fixed_need: tuple[Vector, ...]
    fixed_groups: tuple[dict[int, int], ...]
    crowded: frozenset[int]
    unresolved: tuple[Unresolved, ...]
    makes_room: bool
    runs_on: tuple[int, ...]
    against_pins: frozenset[int]
    chosen: frozenset[int]
    loosened: frozenset[str]
    hosts_to_empty: frozenset[int] = frozenset()
    idle_hosts: frozenset[str] = frozenset()
    shelters: Mapping[int, int] = field(default_factory=dict)

    def capacity(self, host: int, metric: int) -> float | None:
        """In the units of the loads; None where the host does not tell how much it is using or has."""
        name = self.metrics.names[metric]
        return None if host_used(self.hosts[host], name) is None else host_capacity(self.hosts[host], name)

    @property
    def snapshot(self) -> Snapshot:
        return self.index.snapshot

    @property
    def traits(self) -> GoalTraits:
        return traits_of(self.policy)

    @cached_property
    def unit_of(self) -> dict[int, int]:
        """By guest that may move, its unit."""
        return {guest: unit for unit, guests in enumerate(self.members) for guest in guests}

    @cached_property
    def mean_points(self) -> Vector:
        """By metric, the use of all counted hosts as if they were one: no migration between them changes
        it."""
        metrics = self.metrics
        return tuple(
            sum(metrics.host[host][index] for host in counted)
            / sum(1.0 / metrics.scale[host][index] for host in counted)
            for index, counted in enumerate(metrics.counted)
        )

    @property
    def budget(self) -> int:
        """The most guests that may move."""
        most = self.policy.max_migrations
        return UNLIMITED if most is None else most

    @property
    def size(self) -> tuple[int, int]:
        return len(self.hosts), len(self.members)
