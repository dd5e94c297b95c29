# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""High availability: its rules (9.x) or groups (8.x), and the nodes that it has in maintenance.

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..._model.snapshot import Rule, RuleKind
from .answers import Row, flag, names, row, rows, whole
from .session import Session

# States in which a guest is in HA's hands, and takes no request of ours.
BUSY = frozenset({"migrate", "relocate", "request_start", "request_start_balance", "request_stop", "freeze"})
BROKEN = frozenset({"error", "fence", "recovery"})
_KINDS: Mapping[str, RuleKind] = {"positive": "affinity", "negative": "anti_affinity"}


@dataclass(frozen=True, slots=True)
class HighAvailability:
    """What /cluster/ha tells, as it is: 9.x has rules, 8.x and a 9.x that is still on its way have groups."""

    resources: tuple[Row, ...]
    rules: tuple[Row, ...]
    groups: tuple[Row, ...]

    @classmethod
    def read(cls, session: Session) -> HighAvailability:
        resources = rows(session.get("cluster/ha/resources"), "cluster/ha/resources")
        rules: list[Row] = []
        if session.major >= 9:
            rules = rows(session.get("cluster/ha/rules"), "cluster/ha/rules")
        groups: list[Row] = []
        # Once groups were turned into rules, asking for them is an error; no resource names one then.
        if any(resource.get("group") for resource in resources):
            groups = rows(session.get("cluster/ha/groups"), "cluster/ha/groups")
        return cls(tuple(resources), tuple(rules), tuple(groups))

    def as_rules(self, active: Collection[str]) -> Iterator[Rule]:
        """Those in force; `active` are the nodes that may receive guests."""
        members: dict[str, list[Row]] = {}
        by_sid = {str(resource.get("sid")): resource for resource in self.resources}
        for entry in self.rules:
            if flag(entry.get("disable")) or entry.get("errors"):
                continue
            sids = names(entry.get("resources"))
            source = f"ha-rule:{entry.get('rule')}"
            if entry.get("type") == "node-affinity":
                failback = all(flag(by_sid.get(sid, {}).get("failback", 1)) for sid in sids)
                strict = flag(entry.get("strict"))
                yield _pin(str(entry.get("rule")), source, sids, entry, strict, failback, active)
            elif entry.get("affinity") in _KINDS:
                yield Rule(
                    name=str(entry.get("rule")),
                    kind=_KINDS[str(entry["affinity"])],
                    guests=_guests(sids),
                    strict=True,
                    source=source,
                )
        for resource in self.resources:
            members.setdefault(str(resource.get("group") or ""), []).append(resource)
        for group in self.groups:
            name = str(group.get("group"))
            sids = tuple(str(resource.get("sid")) for resource in members.get(name, []))
            if sids:
                failback = not flag(group.get("nofailback"))
                strict = flag(group.get("restricted"))
                yield _pin(name, f"ha-group:{name}", sids, group, strict, failback, active)


def _pin(
    name: str,
    source: str,
    sids: Collection[str],
    entry: Row,
    strict: bool,
    failback: bool,
    active: Collection[str],
) -> Rule:
    """Guests to nodes such as "pve1:2,pve2".

    With failback HA itself takes a guest back to the nodes of highest priority that are up, from all others,
    also where the rule is not strict: a plan that moves it elsewhere would be undone at once.
    """
    priorities = {
        node: whole(priority) or 0
        for node, _colon, priority in (text.partition(":") for text in names(entry.get("nodes")))
    }
    up = [priority for node, priority in priorities.items() if node in active]
    hosts = tuple(priorities)
    if failback and up:
        hosts = tuple(node for node, priority in priorities.items() if priority >= max(up))
    return Rule(
        name=name,
        kind="host_affinity",
        guests=_guests(sids),
        hosts=hosts,
        strict=strict or (failback and bool(up)),
        source=source,
    )


def _guests(sids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sid.partition(":")[2] or sid for sid in sids)


@dataclass(frozen=True, slots=True)
class NodeStates:
    """What the HA manager thinks of the nodes; empty where HA was never used."""

    states: Mapping[str, str] = field(default_factory=dict)
    requested: frozenset[str] = frozenset()

    @classmethod
    def read(cls, session: Session) -> NodeStates:
        path = "cluster/ha/status/manager_status"
        manager = row(session.get(path), path).get("manager_status")
        if not isinstance(manager, Mapping):
            return cls()
        states, requests = manager.get("node_status"), manager.get("node_request")
        return cls(
            {node: str(state) for node, state in states.items()} if isinstance(states, Mapping) else {},
            frozenset(
                node
                for node, request in (requests.items() if isinstance(requests, Mapping) else ())
                if isinstance(request, Mapping) and flag(request.get("maintenance"))
            ),
        )

    def in_maintenance(self, node: str) -> bool:
        return self.states.get(node) == "maintenance" or node in self.requested

    def usable(self, node: str) -> bool:
        """Not being fenced, nor lost: HA would not let a guest go there."""
        return self.states.get(node) not in ("unknown", "fence", "gone")
