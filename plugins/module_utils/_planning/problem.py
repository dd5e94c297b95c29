# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot and a policy as flat lists of numbers, made once and never changed. Private to the collection.

Hosts, guests, metrics, needs and rules are indices here. A unit is what moves as one: a guest, or the guests
of a
strict affinity rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .._model.plan import Unresolved
from .._model.policy import Policy
from .._model.snapshot import Guest, Host, Rule, Snapshot
from .errors import PlanningError
from .guests import reachable, shape, stays_because
from .hosts import Needs, Roles, needs, roles
from .loads import (
    PRESSURES,
    guest_demand,
    guest_used,
    host_capacity,
    host_used,
    local_storage,
    pressure_shares,
)
from .rules import resolve
from .units import group

Vector = tuple[float, ...]
# The limit of a metric that is not levelled as long as no host has enough of it in use.
ANY_SPREAD = 1e6


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
    only) or
    pinned (soft only; hosts that do not please)."""

    name: str
    kind: str
    guests: tuple[int, ...]
    strict: bool
    skew: int = 1
    weight: float = 1.0
    domain: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything that the search needs, by index.

    Loads are points: percent of a host's capacity. Hosts of one kind have the same capacities, so unit_points
    is by kind and unit. crowded: units that stand where a broken rule wants fewer. makes_room: with goal
    evacuate, whether guests of other hosts may move as well; no more than it takes then.
    """

    snapshot: Snapshot
    policy: Policy
    hosts: tuple[Host, ...]
    guests: tuple[Guest, ...]
    home: tuple[int, ...]
    roles: Roles
    rules: tuple[Rule, ...]
    metrics: Metrics
    needs: Needs
    groups: tuple[Group, ...]
    stays: tuple[str | None, ...]
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

    def capacity(self, host: int, metric: int) -> float | None:
        """In the units of the loads; None where the host does not tell how much it is using or has."""
        name = self.metrics.names[metric]
        return None if host_used(self.hosts[host], name) is None else host_capacity(self.hosts[host], name)

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
    def contradictions(self) -> bool:
        """Whether a strict rule can't hold, whatever moves: found while the problem was built, or by
        counting."""
        hosts = sum(self.roles.receives)
        return any(
            item.what.startswith("rule ") and "it counts for the rest" not in item.why
            for item in self.unresolved
        ) or any(
            group.strict and group.kind == "apart" and len(group.guests) > hosts for group in self.groups
        )

    @property
    def size(self) -> tuple[int, int]:
        return len(self.hosts), len(self.members)


def build(snapshot: Snapshot, policy: Policy, *, makes_room: bool = False) -> Problem:
    """Raises PlanningError when there is nothing to plan with."""
    if not snapshot.hosts:
        raise PlanningError(
            "the cluster has no hosts",
            where=f"cluster {snapshot.cluster.name}",
            hint="Is the account allowed to see them?",
        )
    unresolved: list[Unresolved] = []
    rules, unknown = resolve(snapshot, policy)
    unresolved += unknown
    return _Builder(snapshot, policy, rules, unresolved, makes_room=makes_room).problem()


class _Builder:
    """Reads a snapshot step by step; each step needs what the ones before it found."""

    def __init__(
        self,
        snapshot: Snapshot,
        policy: Policy,
        rules: Sequence[Rule],
        unresolved: list[Unresolved],
        *,
        makes_room: bool,
    ) -> None:
        self.makes_room = makes_room
        self.snapshot, self.policy, self.rules, self.unresolved = snapshot, policy, tuple(rules), unresolved
        self.hosts, self.guests = snapshot.hosts, snapshot.guests
        self.host_index = {host.id: index for index, host in enumerate(self.hosts)}
        self.guest_index = {guest.id: index for index, guest in enumerate(self.guests)}
        self.home = [self.host_index[guest.host] for guest in self.guests]
        self.roles = roles(snapshot, policy, unresolved)
        self.needs = needs(snapshot, policy)
        self.stays = stays_because(snapshot, policy, self.roles, self.rules, others_stay=not makes_room)
        self.metrics = _metrics(snapshot, policy, self.roles, self.home, unresolved)
        self.mask = self._masks()
        self.groups = self._groups()

    def _masks(self) -> list[int]:
        """Where each guest may be, host rules included; 0 for one that has no place but the one it has."""
        cache: dict[tuple[object, ...], int] = {}
        masks = []
        for guest, home in zip(self.guests, self.home, strict=True):
            least = self.hosts[home].version if self.policy.target_version == "not_older" else None
            key = shape(guest, self.hosts[home], least)
            if key not in cache:
                cache[key] = reachable(guest, self.hosts[home], self.hosts, self.roles, least)
            masks.append(cache[key] | (0 if self.roles.leaving[home] else 1 << home))
        for rule in sorted(self.rules, key=lambda rule: (self._host_rule_broken(rule), rule.name)):
            if rule.strict and rule.kind in ("host_affinity", "host_anti_affinity"):
                self._apply_host_rule(rule, masks)
        return masks

    def _host_rule_broken(self, rule: Rule) -> bool:
        if rule.kind not in ("host_affinity", "host_anti_affinity"):
            return False
        inside = rule.kind == "host_affinity"
        return any((self.guests[self.guest_index[g]].host in rule.hosts) != inside for g in rule.guests)

    def _apply_host_rule(self, rule: Rule, masks: list[int]) -> None:
        wanted = sum(1 << self.host_index[host] for host in rule.hosts)
        if rule.kind == "host_anti_affinity":
            wanted = ((1 << len(self.hosts)) - 1) & ~wanted
        stuck = []
        for name in rule.guests:
            guest = self.guest_index[name]
            here = 1 << self.home[guest]
            if masks[guest] & wanted:
                masks[guest] &= wanted
            elif wanted & here:
                # The rule holds, and the only host that keeps it so is the one that the guest should leave.
                masks[guest] = here
            else:
                masks[guest] = here
                stuck.append(guest)
        if stuck:
            names = ", ".join(self.guests[guest].name for guest in stuck[:10])
            hosts = ", ".join(self.hosts[self.host_index[host]].name for host in rule.hosts[:10]) or "no host"
            verb = "wants" if rule.kind == "host_affinity" else "forbids"
            self.unresolved.append(
                Unresolved(
                    what=f"rule {rule.name}",
                    why=f"it {verb} {hosts} for {names}, and once the other host rules are kept no host is"
                    " left that could run " + ("them" if len(stuck) > 1 else "it"),
                )
            )

    def _groups(self) -> list[Group]:
        kinds = {"anti_affinity": "apart", "even_spread": "even"}
        groups = []
        for rule in self.rules:
            guests = tuple(self.guest_index[guest] for guest in rule.guests)
            if rule.kind in kinds and len(guests) > 1:
                groups.append(
                    Group(
                        name=rule.name,
                        kind=kinds[rule.kind],
                        guests=guests,
                        strict=rule.strict,
                        skew=rule.max_skew,
                        weight=rule.weight,
                        domain=self._domain(guests) if rule.kind == "even_spread" else frozenset(),
                    )
                )
            elif not rule.strict and guests and (rule.kind != "affinity" or len(guests) > 1):
                groups.append(self._soft(rule, guests))
        return groups

    def _domain(self, guests: Sequence[int]) -> frozenset[int]:
        """The hosts that an even spread is over: those that take part and could have one of the guests."""
        mask = 0
        for guest in guests:
            mask |= self.mask[guest] if self.stays[guest] is None else 0
            mask |= 1 << self.home[guest]
        return frozenset(
            index for index in range(len(self.hosts)) if mask >> index & 1 and self.hosts[index].active
        )

    def _soft(self, rule: Rule, guests: tuple[int, ...]) -> Group:
        listed = frozenset(self.host_index[host] for host in rule.hosts)
        everywhere = frozenset(range(len(self.hosts)))
        return Group(
            name=rule.name,
            kind="together" if rule.kind == "affinity" else "pinned",
            guests=guests,
            strict=False,
            weight=rule.weight,
            domain=everywhere - listed if rule.kind == "host_affinity" else listed,
        )

    def _conflict(self, members: Sequence[int]) -> str | None:
        """Why these guests can't share a host, in the smallest terms found; None when some host would do."""
        names = [self.guests[member].name for member in members]
        together = set(members)
        for group_ in self.groups:
            pair = [guest for guest in group_.guests if guest in together]
            if group_.kind == "apart" and group_.strict and len(pair) > 1:
                first, second = (self.guests[guest].name for guest in pair[:2])
                return f"rule {group_.name} keeps {first} and {second} apart, which this one wants together"
        fixed = {self.home[member]: member for member in members if self.stays[member] is not None}
        if len(fixed) > 1:
            texts = [
                f"{self.guests[member].name} stays on {self.hosts[home].name} ({self.stays[member]})"
                for home, member in sorted(fixed.items())[:2]
            ]
            return " and ".join(texts)
        mask = -1
        for member in members:
            mask &= self.mask[member] if self.stays[member] is None else 1 << self.home[member]
        if not mask:
            return f"no host may run all of {', '.join(names[:10])}"
        total = [sum(parts) for parts in zip(*(self.needs.guest[member] for member in members), strict=True)]
        for index in range(len(self.hosts)):
            if mask >> index & 1 and self._could_hold(index, members, total):
                return None
        memory = self.needs.names.index("memory")
        size = f"{total[memory] / 2**30:.1f} GiB of memory"
        return f"no host has room for {', '.join(names[:10])} together ({size})"

    def _could_hold(self, host: int, members: Sequence[int], total: Sequence[float]) -> bool:
        """Whether they fit on the host with every other guest that may leave it gone."""
        free = list(self.needs.used[host])
        for guest, home in enumerate(self.home):
            if home == host and self.stays[guest] is None:
                free = [a - b for a, b in zip(free, self.needs.guest[guest], strict=True)]
        fixed_here = [m for m in members if self.home[m] == host and self.stays[m] is not None]
        for guest in fixed_here:
            free = [a - b for a, b in zip(free, self.needs.guest[guest], strict=True)]
        tops = self.needs.ceiling_for_rules[host]
        return all(a + b <= top for a, b, top in zip(free, total, tops, strict=True))

    def problem(self) -> Problem:
        grouping = group(
            len(self.guests), self.rules, self.guest_index, self.home, self._conflict, self.unresolved
        )
        held = self._held_by_broken_affinity(grouping.given_up)
        members, masks = [], []
        for guests in grouping.groups:
            moving = tuple(guest for guest in guests if self.stays[guest] is None)
            mask = -1
            for guest in guests:
                mask &= self.mask[guest] if self.stays[guest] is None else 1 << self.home[guest]
            together = len({self.home[guest] for guest in guests}) == 1
            why = next((held[guest] for guest in guests if guest in held), None)
            if why is None and together and mask & ~(1 << self.home[guests[0]]) == 0:
                why = "its rules, datastores, networks or version leave it no other host"
            if why is not None:
                for guest in moving:
                    self.stays[guest] = why
            elif moving:
                members.append(moving)
                masks.append(mask)
        return self._assemble(members, masks)

    def _held_by_broken_affinity(self, given_up: frozenset[str]) -> dict[int, str]:
        """Guests that have at least one partner beside them, of a rule that can't bring all partners
        together.
        """
        held = {}
        for rule in self.rules:
            if rule.name in given_up:
                homes = [self.home[self.guest_index[guest]] for guest in rule.guests]
                for name, home in zip(rule.guests, homes, strict=True):
                    if homes.count(home) > 1:
                        held[self.guest_index[name]] = (
                            f"rule {rule.name} can't be kept, and moving it could make that worse"
                        )
        return held

    def _crowded(self, group_: Group) -> list[int]:
        """Guests of a strict rule that stand where the rule wants fewer."""
        if not group_.strict:
            return []
        counts = Counter(self.home[guest] for guest in group_.guests)
        if group_.kind == "apart":
            most = 1
        else:
            most = min((counts[host] for host in group_.domain), default=0) + group_.skew
        return [guest for guest in group_.guests if counts[self.home[guest]] > most]

    def _assemble(self, members: list[tuple[int, ...]], masks: list[int]) -> Problem:
        loads, wants = self.metrics.guest, self.needs.guest
        unit_load = [_sum([loads[guest] for guest in guests], len(self.metrics.names)) for guests in members]
        unit_need = [_sum([wants[guest] for guest in guests], len(self.needs.names)) for guests in members]
        fixed_load = [list(vector) for vector in self.metrics.host]
        fixed_need = [list(vector) for vector in self.needs.used]
        unit_of: dict[int, int] = {}
        for unit, guests in enumerate(members):
            for guest in guests:
                unit_of[guest] = unit
                home = self.home[guest]
                fixed_load[home] = [a - b for a, b in zip(fixed_load[home], loads[guest], strict=True)]
                fixed_need[home] = [a - b for a, b in zip(fixed_need[home], wants[guest], strict=True)]
        unit_groups: list[dict[int, int]] = [{} for _member in members]
        fixed_groups: list[dict[int, int]] = [{} for _group in self.groups]
        for number, group_ in enumerate(self.groups):
            for guest in group_.guests:
                if guest in unit_of:
                    counts = unit_groups[unit_of[guest]]
                    counts[number] = counts.get(number, 0) + 1
                else:
                    counts = fixed_groups[number]
                    counts[self.home[guest]] = counts.get(self.home[guest], 0) + 1
        memory = self.needs.names.index("memory")
        kinds: dict[Vector, int] = {}
        for scale in self.metrics.scale:
            kinds.setdefault(scale, len(kinds))
        crowded = {guest for group_ in self.groups for guest in self._crowded(group_)}
        return Problem(
            snapshot=self.snapshot,
            policy=self.policy,
            hosts=self.hosts,
            guests=self.guests,
            home=tuple(self.home),
            roles=self.roles,
            rules=self.rules,
            metrics=self.metrics,
            needs=self.needs,
            groups=tuple(self.groups),
            stays=tuple(self.stays),
            members=tuple(members),
            unit_home=tuple(
                self.home[guests[0]] if len({self.home[guest] for guest in guests}) == 1 else -1
                for guests in members
            ),
            unit_mask=tuple(masks),
            host_kind=tuple(kinds[scale] for scale in self.metrics.scale),
            unit_points=tuple(
                tuple(tuple(a * b for a, b in zip(load, scale, strict=True)) for load in unit_load)
                for scale in kinds
            ),
            unit_need=tuple(unit_need),
            unit_bytes=tuple(int(need[memory]) for need in unit_need),
            unit_groups=tuple(tuple(counts.items()) for counts in unit_groups),
            fixed_points=tuple(
                tuple(a * b for a, b in zip(load, scale, strict=True))
                for load, scale in zip(fixed_load, self.metrics.scale, strict=True)
            ),
            fixed_need=tuple(tuple(vector) for vector in fixed_need),
            fixed_groups=tuple(fixed_groups),
            crowded=frozenset(
                unit for unit, guests in enumerate(members) if any(guest in crowded for guest in guests)
            ),
            unresolved=tuple(self.unresolved),
            makes_room=self.makes_room,
        )


def _sum(vectors: Sequence[Vector], length: int) -> Vector:
    return tuple(sum(vector[index] for vector in vectors) for index in range(length))


def _metrics(
    snapshot: Snapshot, policy: Policy, roles_: Roles, home: Sequence[int], unresolved: list[Unresolved]
) -> Metrics:
    names, scales, counted, limits, host_columns, guest_columns = [], [], [], [], [], []
    for metric in policy.metrics:
        capacity = [host_capacity(host, metric) for host in snapshot.hosts]
        used = [host_used(host, metric) for host in snapshot.hosts]
        known = [
            index
            for index, counts in enumerate(roles_.counts)
            if counts and capacity[index] is not None and used[index] is not None
        ]
        missing = [
            host.name
            for index, host in enumerate(snapshot.hosts)
            if roles_.counts[index] and index not in set(known)
        ]
        if missing and any(roles_.counts):
            unresolved.append(
                Unresolved(
                    what=f"metric {metric}",
                    why="no host reports it, so it can't be levelled"
                    if not known
                    else f"it is not known of {', '.join(missing[:10])}, which it therefore leaves out",
                )
            )
        if not known:
            continue
        weights = _weights(snapshot, policy, metric, home)
        totals = [value or 0.0 for value in used]
        if metric == "vcpu" or (policy.demand != "used" and metric in ("cpu", "memory")):
            for guest, host, weight in zip(snapshot.guests, home, weights, strict=True):
                if guest.power == "running":
                    totals[host] += weight - (guest_used(guest, metric) or 0.0)
        names.append(metric)
        inside = set(known)
        scales.append([100.0 / (capacity[i] or 1.0) if i in inside else 0.0 for i in range(len(capacity))])
        fullest = max(scales[-1][host] * totals[host] for host in known)
        counts = fullest + 1e-9 >= policy.levelled_from(metric)
        limits.append(policy.spread_limit(metric) if counts else ANY_SPREAD)
        counted.append(tuple(known))
        host_columns.append(totals)
        guest_columns.append(weights)
    return Metrics(
        names=tuple(names),
        limits=tuple(limits),
        scale=tuple(zip(*scales, strict=True)) if scales else tuple(() for _host in snapshot.hosts),
        counted=tuple(counted),
        host=tuple(zip(*host_columns, strict=True))
        if host_columns
        else tuple(() for _host in snapshot.hosts),
        guest=tuple(zip(*guest_columns, strict=True))
        if guest_columns
        else tuple(() for _guest in snapshot.guests),
    )


def _weights(snapshot: Snapshot, policy: Policy, metric: str, home: Sequence[int]) -> list[float]:
    hosts = snapshot.hosts
    if metric == "storage":
        return [
            float(sum(size or 0 for size in local_storage(guest, hosts[host]).values()))
            for guest, host in zip(snapshot.guests, home, strict=True)
        ]
    if metric not in PRESSURES:
        return [guest_demand(guest, metric, policy.demand) or 0.0 for guest in snapshot.guests]
    weights = [0.0] * len(home)
    by_host: dict[int, list[int]] = {}
    for guest, host in enumerate(home):
        by_host.setdefault(host, []).append(guest)
    for host, members in by_host.items():
        shares = pressure_shares(hosts[host], [snapshot.guests[guest] for guest in members], metric)
        for guest, share in zip(members, shares, strict=True):
            weights[guest] = share or 0.0
    return weights
