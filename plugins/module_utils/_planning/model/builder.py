# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a snapshot and a policy into a problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..._model.loads import is_unmeasured
from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.snapshot import Rule, Snapshot
from .capacity import MEMORY, ResourceNeeds, host_roles, require_hosts, resource_needs
from .choices import CHOICE
from .eligibility import (
    OTHERS_EMPTIED,
    HostRequirements,
    immovable_reason,
    left_out_reason,
    pinned_with_partners,
)
from .goal_traits import traits_of
from .metrics import build_metrics
from .minimal_conflicts import HostSharing, NoFeasibleHost, excludes_every_host, minimal_conflict
from .move_units import group_into_units, without_abandoned
from .problem import Group, Problem, Vector
from .rule_counters import pairs
from .rules import PINS, resolve_rules
from .snapshot_index import Mask, SnapshotIndex, bits, mask_of
from .stayers import has_to_leave, stayers_of


def build_problem(
    snapshot: Snapshot,
    policy: Policy,
    *,
    makes_room: bool = False,
    loosened: frozenset[str] = frozenset(),
    hosts_to_empty: frozenset[int] = frozenset(),
    idle_hosts: frozenset[str] = frozenset(),
) -> Problem:
    """loosened: names of rules that are broken and bind nobody who breaks them, so that a search may choose
    which of them to restore. makes_room, hosts_to_empty, idle_hosts: as in Problem; the snapshot has these
    hosts closed already. Raises PlanningError when there is nothing to plan with.
    """
    require_hosts(snapshot)
    problem = _Builder(snapshot, policy, makes_room, loosened, idle_hosts).build()
    return replace(problem, hosts_to_empty=hosts_to_empty) if hosts_to_empty else problem


class _Builder:
    """Reads a snapshot step by step; each step needs what the ones before it found."""

    def __init__(
        self,
        snapshot: Snapshot,
        policy: Policy,
        makes_room: bool,
        loosened: frozenset[str],
        idle_hosts: frozenset[str],
    ) -> None:
        self.makes_room, self.loosened, self.idle_hosts = makes_room, loosened, idle_hosts
        self.policy, self.index = policy, SnapshotIndex(snapshot)
        self.hosts, self.guests, self.home = snapshot.hosts, snapshot.guests, self.index.home
        self.rules, unknown = resolve_rules(snapshot, policy)
        self.unresolved = list(unknown)
        self.roles = host_roles(snapshot, policy, self.unresolved, idle_hosts)
        self.needs = resource_needs(self.index, policy)
        self.stays = immovable_reason(self.index, policy, self.roles, self.rules, others_stay=not makes_room)
        self.metrics = build_metrics(self.index, policy, self.roles, self.unresolved)
        self.requirements = HostRequirements(self.index, policy, self.roles)
        self.nowhere = NoFeasibleHost(self.requirements, self.roles)
        self.along = pinned_with_partners(self.rules)
        self.runs_on: list[Mask] = []
        self.mask = self._masks()
        # What is chosen changes no rule: not what it is about, and not whether it holds.
        self.groups = self._groups()
        self._apply_choices()

    def _masks(self) -> list[Mask]:
        """By guest the hosts where it may be, host rules included; 0 for one that has none but its own."""
        masks: list[Mask] = []
        for guest, home in enumerate(self.home):
            self.runs_on.append(self.requirements.reachable_hosts(guest))
            masks.append(self.runs_on[guest] | (0 if self.roles.leaving[home] else 1 << home))
        self.places = places = tuple(masks)
        self.pinned = [-1] * len(masks)
        for rule in sorted(self.rules, key=lambda rule: (self._is_broken_pin(rule), rule.name)):
            if rule.source != CHOICE and rule.strict and rule.kind in PINS:
                self._apply_host_rule(rule, masks, places)
            if rule.enforced and rule.kind in PINS:
                allowed = self.index.allowed_hosts(rule)
                for guest in self.index.members(rule):
                    self.runs_on[guest] &= allowed
        self._keep_away_from_leavers(masks)
        return masks

    def _apply_choices(self) -> None:
        """What is left out, and where guests are pinned, as far as requirements and rules let them."""
        for guest, why in enumerate(left_out_reason(self.index, self.policy)):
            self.stays[guest] = self.stays[guest] or why
            allowed = self.requirements.not_left_out(guest)
            self.runs_on[guest] &= allowed
            self.mask[guest] &= allowed | 1 << self.home[guest]
        for rule in self.rules:
            if rule.source == CHOICE:
                self._apply_host_rule(rule, self.mask, self.places)

    def _is_broken_pin(self, rule: Rule) -> bool:
        return rule.kind in PINS and self.index.broken_pin(rule)

    def _keep_away_from_leavers(self, masks: list[int]) -> None:
        """A guest that is being migrated is on the host that it leaves until that ends: who must not meet it
        does not go there.
        """
        leaves = {self.index.guest_at[guest.id]: source for guest, source, _target in self.index.arriving}
        for rule in self.rules if leaves else ():
            if rule.strict and rule.kind == "anti_affinity":
                guests = self.index.members(rule)
                for leaver in leaves.keys() & set(guests):
                    for guest in guests:
                        if guest != leaver and self.home[guest] != leaves[leaver]:
                            masks[guest] &= ~(1 << leaves[leaver])

    def _apply_host_rule(self, rule: Rule, masks: list[int], places: Sequence[int]) -> None:
        """places: where each guest may be for all that host rules say."""
        stuck = []
        wanted = self.index.allowed_hosts(rule)
        for guest in self.index.members(rule):
            here = 1 << self.home[guest]
            if rule.name in self.loosened and not wanted & here:
                if not masks[guest] & wanted:
                    stuck.append(guest)
            elif masks[guest] & wanted:
                masks[guest] &= wanted
                self.pinned[guest] &= wanted
            elif wanted & here:
                # The rule holds, and the only host that keeps it so is the one that the guest should leave.
                masks[guest] = here
            else:
                # Wherever it went, it would go against one of them: it goes only for the sake of another one.
                if self._stays_broken(rule, guest):
                    masks[guest] = here
                stuck.append(guest)
        if stuck:
            names = ", ".join(self.guests[guest].name for guest in stuck[:10])
            hosts = ", ".join(map(self.index.host_name, rule.hosts[:10]))
            verb = "wants" if rule.kind == "host_affinity" else "forbids"
            why = f"it names no host of this cluster, so there is none for {names}"
            if hosts:
                why = f"it {verb} {hosts} for {names}, and " + self._against(rule, stuck[0], places[stuck[0]])
            self.unresolved.append(
                Unresolved(what=f"rule {rule.name}", why=why, code="rule_impossible", subject=rule.name)
            )

    def _stays_broken(self, rule: Rule, guest: int) -> bool:
        """Whether a guest that can't follow a host rule stays where it is."""
        home = self.home[guest]
        if rule.source == CHOICE:
            # With goal evacuate nobody moves to restore another rule instead.
            held = self.pinned[guest] >> home & 1 or traits_of(self.policy).names_hosts
            return bool(held) and not self.roles.leaving[home]
        return bool(self.pinned[guest] >> home & 1 or rule.enforced)

    def _against(self, rule: Rule, guest: int, places: int) -> str:
        """The restrictions that leave this guest of the rule no host."""
        wanted = {rule.name: self.index.allowed_hosts(rule)}
        for other in sorted(self.rules, key=lambda other: other.name):
            concerns = other.strict and other.kind in PINS
            if concerns and other.name != rule.name and self.guests[guest].id in other.guests:
                wanted[other.name] = self.index.allowed_hosts(other)
        others = [other for other in minimal_conflict(places, wanted) if other != rule.name]
        if not others:
            return self.nowhere.such_host(guest, self.index.allowed_hosts(rule))
        return excludes_every_host([f"rule {other}" for other in others], self.guests[guest].name)

    def _groups(self) -> list[Group]:
        kinds = {"anti_affinity": "apart", "even_spread": "even"}
        ruled = self._ruled()
        groups = []
        for rule in self.rules:
            guests = self.index.members(rule)
            if rule.kind in kinds and len(guests) > 1:
                domain = self._spread_domain(guests, ruled)
                torn = rule.kind == "anti_affinity" and rule.strict and self._too_many(guests, domain)
                first = Counter(self.home[guest] for guest in guests)
                even = torn or rule.kind == "even_spread"
                groups.append(
                    Group(
                        name=rule.name,
                        kind="even" if torn else kinds[rule.kind],
                        guests=guests,
                        strict=rule.strict,
                        skew=1 if torn else rule.max_skew,
                        torn=torn,
                        max_pairs=pairs(first.values()),
                        enforced=rule.enforced,
                        first=first,
                        weight=rule.weight,
                        domain=domain if even else frozenset(),
                    )
                )
            elif not rule.strict and guests and (rule.kind != "affinity" or len(guests) > 1):
                groups.append(self._soft(rule, guests))
        return groups

    def _ruled(self) -> list[Mask]:
        """By guest the hosts that its strict host rules allow."""
        ruled = [self.index.everywhere] * len(self.guests)
        for rule in self.rules:
            if rule.strict and rule.kind in PINS and rule.source != CHOICE:
                allowed = self.index.allowed_hosts(rule)
                for guest in self.index.members(rule):
                    ruled[guest] &= allowed
        return ruled

    def _spread_domain(self, guests: Sequence[int], ruled: Sequence[Mask]) -> frozenset[int]:
        """Hosts that take part and could have one of the guests, or have one, unless strict host rules keep
        every one of the guests away from there.

        A host that one guest has to leave counts as long as another may be there by the rules, even if that
        one can't go there now: what was evenly spread is not to end up on fewer hosts.
        """
        domain = allowed = 0
        for guest in guests:
            domain |= 1 << self.home[guest]
            domain |= self.mask[guest] if self.stays[guest] is None else 0
            allowed |= ruled[guest]
        return frozenset(bits(domain & allowed & mask_of(host.active for host in self.hosts)))

    def _too_many(self, guests: Sequence[int], domain: frozenset[int]) -> bool:
        """Whether these guests are not apart, and have fewer hosts among them than they are."""
        places = {self.home[guest] for guest in guests}
        # As long as a guest has not left a host that is to be emptied, that is a place, too. Were one of the
        # others shut to them, more of them would meet.
        shut = any(place not in domain and not self.roles.leaving[place] for place in places)
        return len(places) < len(guests) > len(domain | places) and not shut

    def _soft(self, rule: Rule, guests: tuple[int, ...]) -> Group:
        # Of a host rule those that do not please; of an affinity rule none.
        domain = 0 if rule.kind == "affinity" else self.index.everywhere & ~self.index.allowed_hosts(rule)
        return Group(
            name=rule.name,
            kind="together" if rule.kind == "affinity" else "pinned",
            guests=guests,
            strict=False,
            weight=rule.weight,
            domain=frozenset(bits(domain)),
        )

    def build(self) -> Problem:
        sharing = HostSharing(self.index, self.mask, self.stays, self.needs, self.groups)
        binding = [rule for rule in self.rules if rule.name not in self.loosened]
        grouping = group_into_units(
            len(self.guests), binding, self.index.guest_at, self.home, sharing.conflict, self.unresolved
        )
        held = self._held_by_broken_affinity(grouping.given_up)
        pins = {
            rule.name: (frozenset(self.index.members(rule)), self.index.allowed_hosts(rule))
            for rule in self.rules
            if rule.strict and rule.kind in PINS
        }
        members, masks = [], []
        for guests in grouping.groups:
            moving = tuple(guest for guest in guests if self.stays[guest] is None)
            mask = -1
            for guest in guests:
                mask &= self.mask[guest] if self.stays[guest] is None else 1 << self.home[guest]
            together = len({self.home[guest] for guest in guests}) == 1
            why = next((held[guest] for guest in guests if guest in held), None)
            why = why or self._moves_without_choice(guests, mask)
            if moving and why is None and together and mask & ~(1 << self.home[guests[0]]) == 0:
                why = self.nowhere.other_host(guests, self.stays, pins)
            if why is not None:
                for guest in moving:
                    self.stays[guest] = why
            elif moving:
                members.append(moving)
                masks.append(mask)
        return self._assemble(members, masks)

    def _moves_without_choice(self, guests: Sequence[int], mask: Mask) -> str | None:
        """Why guests that a rule keeps beside a pinned one stay all the same: they do not move with it, or it
        can't go where it is pinned. mask: the hosts where all of them may be.
        """
        ids = {self.guests[guest].id for guest in guests}
        if self.makes_room or not traits_of(self.policy).names_hosts or not ids & self.along:
            return None
        pinned = any(
            ids & set(rule.guests) and self.index.broken_pin(rule) and mask & self.index.allowed_hosts(rule)
            for rule in self.rules
            if rule.source == CHOICE
        )
        leaves = any(self.roles.leaving[self.home[guest]] for guest in guests)
        return None if pinned or leaves else OTHERS_EMPTIED

    def _held_by_broken_affinity(self, given_up: frozenset[str]) -> dict[int, str]:
        """Guests that have at least one partner beside them, of a rule that can't bring all partners
        together; and all that the platform would move along.
        """
        alone = without_abandoned(self.rules, given_up)
        held = {self.index.guest_at[guest]: why for guest, why in alone.items()}
        for rule in self.rules:
            if rule.name in given_up:
                guests = self.index.members(rule)
                homes = [self.home[guest] for guest in guests]
                for guest, home in zip(guests, homes, strict=True):
                    if homes.count(home) > 1:
                        held.setdefault(
                            guest, f"rule {rule.name} can't be kept, and moving it could make that worse"
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

    def _with_unmeasured(self, members: Sequence[tuple[int, ...]]) -> ResourceNeeds:
        """The needs with guests that are not measured yet added to the use of their host, so that their
        departure frees nothing.
        """
        moving = [guest for guests in members for guest in guests if self.guests[guest].sources]
        if not moving:
            return self.needs
        used = [list(vector) for vector in self.needs.used]
        for guest in moving:
            for number, resource in enumerate(self.needs.resources[:2]):
                if is_unmeasured(self.guests[guest], resource.name):
                    used[self.home[guest]][number] += self.needs.guest[guest][number]
        return replace(self.needs, used=tuple(tuple(vector) for vector in used))

    def _assemble(self, members: list[tuple[int, ...]], masks: list[int]) -> Problem:
        loads, wants = self.metrics.guest, self.needs.guest
        unit_load = [_sum([loads[guest] for guest in guests], len(self.metrics.names)) for guests in members]
        unit_need = [
            _sum([wants[guest] for guest in guests], len(self.needs.resources)) for guests in members
        ]
        fixed_load = [list(vector) for vector in self.metrics.host]
        self.needs = self._with_unmeasured(members)
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
        memory = self.needs.resources.index(MEMORY)
        kinds: dict[Vector, int] = {}
        for scale in self.metrics.scale:
            kinds.setdefault(scale, len(kinds))
        stay = stayers_of(self.index.snapshot, self.policy)
        crowded = {guest for group_ in self.groups for guest in self._crowded(group_)}
        return Problem(
            index=self.index,
            policy=self.policy,
            hosts=self.hosts,
            guests=self.guests,
            home=self.home,
            roles=self.roles,
            rules=self.rules,
            metrics=self.metrics,
            needs=self.needs,
            groups=tuple(self.groups),
            stays=tuple(self.stays),
            occupies=tuple(has_to_leave(guest, stay) for guest in self.guests),
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
            runs_on=tuple(self.runs_on),
            against_pins=self._against_pins(unit_of),
            chosen=self._chosen(unit_of, masks),
            loosened=self.loosened,
            idle_hosts=self.idle_hosts,
        )

    def _chosen(self, unit_of: Mapping[int, int], masks: Sequence[Mask]) -> frozenset[int]:
        """Units with a guest that is pinned to another host by choice, and may go there."""
        found = set()
        for rule in self.rules:
            if rule.source == CHOICE and self.index.broken_pin(rule):
                allowed = self.index.allowed_hosts(rule)
                found |= {
                    unit_of[guest]
                    for guest in self.index.members(rule)
                    if guest in unit_of and masks[unit_of[guest]] & allowed
                }
        return frozenset(found)

    def _against_pins(self, unit_of: Mapping[int, int]) -> frozenset[int]:
        """Units with a guest that a strict host rule does not want where it is."""
        found = set()
        for rule in self.rules:
            if rule.strict and rule.kind in PINS:
                allowed = self.index.allowed_hosts(rule)
                for guest in self.index.members(rule):
                    if guest in unit_of and not allowed >> self.home[guest] & 1:
                        found.add(unit_of[guest])
        return frozenset(found)


def _sum(vectors: Sequence[Vector], length: int) -> Vector:
    return tuple(sum(vector[index] for vector in vectors) for index in range(length))
