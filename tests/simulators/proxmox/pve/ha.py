# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""High availability: its resources, groups (8.x) and rules (9.x), and what they forbid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World


Wanted = Callable[[str], "set[str] | None"]


@dataclass(slots=True)
class HaResource:
    """A guest that the cluster resource manager (CRM) looks after."""

    sid: str
    vmid: int
    state: str
    """The state that is asked for: started, stopped, ..."""
    crm_state: str
    """The state that the CRM has brought it to."""
    group: str | None = None
    target: str | None = None


@dataclass(slots=True)
class HaGroup:
    """8.x: where resources run. `restricted`: nowhere else."""

    name: str
    nodes: dict[str, int]
    restricted: bool


@dataclass(slots=True)
class HaRule:
    """9.x: node-affinity (nodes, strict) or resource-affinity (affinity positive or negative)."""

    name: str
    type: str
    sids: list[str]
    nodes: dict[str, int] = field(default_factory=dict)
    strict: bool = False
    affinity: str | None = None
    disabled: bool = False
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def in_force(self) -> bool:
        return not self.disabled and not self.errors


@dataclass(slots=True)
class HaState:
    """All of it. `log` is what the CRM would write to its journal: refusals are seen nowhere else."""

    resources: dict[str, HaResource] = field(default_factory=dict)
    groups: dict[str, HaGroup] = field(default_factory=dict)
    rules: dict[str, HaRule] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def rules_of(self, sid: str, affinity: str | None = None) -> Iterator[HaRule]:
        """The rules in force on a resource: of this affinity, or where it is None the node-affinity ones."""
        for rule in self.rules.values():
            if rule.in_force and rule.affinity == affinity and sid in rule.sids:
                yield rule

    def together_with(self, sid: str) -> list[str]:
        """The resources that positive affinity moves along."""
        found = {sid}
        waiting = [sid]
        while waiting:
            for rule in self.rules_of(waiting.pop(), "positive"):
                fresh = [other for other in rule.sids if other not in found]
                found.update(fresh)
                waiting.extend(fresh)
        return sorted(found - {sid})

    def wanted_nodes(self, sid: str, online: Collection[str], *, failback: bool) -> set[str] | None:
        """Where the CRM leaves a resource that is there; None for everywhere. With failback these are the
        nodes of the highest priority that are online, of rules that are not strict too (fact 60).
        """
        lists = [(rule.nodes, rule.strict) for rule in self.rules_of(sid)]
        group = self.groups.get(self.resources[sid].group or "") if sid in self.resources else None
        if group is not None:
            lists.append((group.nodes, group.restricted))
        result: set[str] | None = None
        for nodes, strict in lists:
            up = {name: priority for name, priority in nodes.items() if name in online}
            if failback and up:
                wanted = {name for name, priority in up.items() if priority == max(up.values())}
            elif strict:
                wanted = set(nodes)
            else:
                continue
            result = wanted if result is None else result & wanted
        return result

    def blocking(
        self, sid: str, target: str, places: dict[str, str], wanted: Wanted | None = None
    ) -> list[dict[str, str]]:
        """What keeps a resource and those that move along off a node; `places` is where each resource is.
        `wanted` are the nodes where a resource is left: asked only by the newer generation (fact 49).
        """
        along = [sid, *self.together_with(sid)]
        found: dict[tuple[str, str], None] = {}
        for mover in along:
            allowed = wanted(mover) if wanted is not None else None
            if allowed is not None and target not in allowed:
                found[(mover, "node-affinity")] = None
            for rule in self.rules_of(mover, "negative"):
                for other in rule.sids:
                    if other != mover and (other in along or places.get(other) == target):
                        found[(other, "resource-affinity")] = None
        return [{"sid": other, "cause": cause} for other, cause in found]


def check_rules(rules: Mapping[str, HaRule], node_count: int) -> None:
    """Note what Proxmox VE finds wrong with the rules; such rules are shown but not followed."""
    active = [rule for rule in rules.values() if not rule.disabled]
    for rule in rules.values():
        rule.errors = {}
    placed = [rule for rule in active if rule.type == "node-affinity"]
    for rule in placed:
        others = {sid for other in placed if other is not rule for sid in other.sids}
        for sid in sorted(others & set(rule.sids)):
            _blame(rule, f"resource '{sid}' is already used in another node affinity rule")
    negative = [rule for rule in active if rule.affinity == "negative"]
    positive = [rule for rule in active if rule.affinity == "positive"]
    for rule in (*negative, *positive):
        if len(rule.sids) < 2:
            _blame(rule, "rule must have at least two resources")
    for rule in negative:
        if len(rule.sids) > node_count:
            _blame(rule, "rule defines more resources than available nodes")
        for other in positive:
            if len(set(rule.sids) & set(other.sids)) > 1:
                for each in (rule, other):
                    _blame(each, "rule shares two or more resources with a rule of the opposite affinity")


def _blame(rule: HaRule, text: str) -> None:
    rule.errors.setdefault("resources", []).append(text)


def manager_states(world: World) -> dict[str, str]:
    """What the HA manager thinks of the nodes, also long ago (fact 61); nothing where HA was never used."""
    if world.switches.ha_idle is not None:
        return dict(world.switches.ha_idle["node_status"])
    if not world.ha.resources and not any(node.maintenance for node in world.nodes.values()):
        return {}
    return {
        node.name: "unknown" if not node.online else "maintenance" if node.maintenance else "online"
        for node in world.nodes.values()
    }
