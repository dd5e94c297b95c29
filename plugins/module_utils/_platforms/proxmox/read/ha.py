# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""High availability: its rules (9.x) or groups (8.x), and the nodes that it has in maintenance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...._model.snapshot import Rule, RuleKind
from ...values import Row
from ..api.session import Session
from ..api.values import amount, flag, names, row, rows, whole

# States in which a guest is in HA's hands, and takes no request of ours.
BUSY = frozenset({"migrate", "relocate", "request_start", "request_start_balance", "request_stop", "freeze"})
BROKEN = frozenset({"error", "fence", "recovery"})
# Of a node that HA sends no guest to, besides one in maintenance.
LOST = frozenset({"unknown", "fence", "gone"})
# How long the manager's state of the nodes is good: it writes a new one every ten seconds.
FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HighAvailability:
    """The content of /cluster/ha: 9.x has rules, 8.x has groups."""

    resources: tuple[Row, ...]
    rules: tuple[Row, ...]
    groups: tuple[Row, ...]

    @classmethod
    def read(cls, session: Session) -> HighAvailability:
        resources = rows(session.get("cluster/ha/resources"), "cluster/ha/resources")
        rules: list[Row] = []
        groups: list[Row] = []
        if session.major >= 9:
            # Groups that were not yet turned into rules are shown as rules too.
            rules = rows(session.get("cluster/ha/rules"), "cluster/ha/rules")
        elif any(resource.get("group") for resource in resources):
            groups = rows(session.get("cluster/ha/groups"), "cluster/ha/groups")
        return cls(tuple(resources), tuple(rules), tuple(groups))

    def as_rules(self, active: Collection[str]) -> Iterator[Rule]:
        """Those in force, as HA itself takes them; `active` are the nodes that may receive guests. No rule
        binds what HA does not manage, or is set to ignore.
        """
        managed = {
            str(resource.get("sid")): resource
            for resource in self.resources
            if resource.get("state") != "ignored"
        }
        in_force = [
            (entry, [sid for sid in names(entry.get("resources")) if sid in managed])
            for entry in self.rules
            if not flag(entry.get("disable")) and not entry.get("errors")
        ]
        together = _together(in_force)
        for entry, sids in in_force:
            name = str(entry.get("rule"))
            if entry.get("type") == "node-affinity":
                yield from _pins(name, sids, entry, managed, active)
            elif entry.get("affinity") == "negative" and len(sids) > 1:
                yield _bound(name, "anti_affinity", sids)
            elif name in together:
                yield together[name]
        for group in self.groups:
            name = str(group.get("group"))
            sids = [sid for sid, resource in managed.items() if resource.get("group") == name]
            if sids:
                failback = not flag(group.get("nofailback"))
                strict = flag(group.get("restricted"))
                yield _pin(name, f"ha-group:{name}", sids, group, strict, failback, active)


def _together(rules: Iterable[tuple[Row, Sequence[str]]]) -> dict[str, Rule]:
    """By the name of the first: HA makes one of the positive rules that share a resource."""
    merged: list[list[tuple[str, Sequence[str]]]] = []
    for entry, sids in rules:
        if entry.get("affinity") != "positive" or not sids:
            continue
        joined = [each for each in merged if any(set(theirs) & set(sids) for _name, theirs in each)]
        merged = [each for each in merged if each not in joined]
        merged.append([*(part for each in joined for part in each), (str(entry.get("rule")), sids)])
    result = {}
    for parts in merged:
        members = dict.fromkeys(sid for _name, theirs in parts for sid in theirs)
        if len(members) > 1:
            result[parts[0][0]] = _bound("+".join(name for name, _theirs in parts), "affinity", members)
    return result


def _bound(name: str, kind: RuleKind, sids: Iterable[str]) -> Rule:
    return Rule(
        name=name,
        kind=kind,
        guests=_guests(sids),
        strict=True,
        source=f"ha-rule:{name}",
        # HA takes the partners of a positive rule along.
        co_migrates=kind == "affinity",
        enforced=True,
    )


def _pins(
    name: str, sids: Collection[str], entry: Row, managed: Mapping[str, Row], active: Collection[str]
) -> Iterator[Rule]:
    """Failback is each resource's own: those with it are bound otherwise than those without."""
    back = [sid for sid in sids if flag(managed[sid].get("failback", 1))]
    stay = [sid for sid in sids if sid not in back]
    source, strict = f"ha-rule:{name}", flag(entry.get("strict"))
    if back:
        yield _pin(name, source, back, entry, strict, True, active)
    if stay:
        own = f"{name} (without failback)" if back else name
        yield _pin(own, source, stay, entry, strict, False, active)


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
    binding = strict or (failback and bool(up))
    return Rule(
        name=name,
        kind="host_affinity",
        guests=_guests(sids),
        hosts=hosts,
        strict=binding,
        source=source,
        enforced=binding,
    )


def _guests(sids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sid.partition(":")[2] or sid for sid in sids)


@dataclass(frozen=True, slots=True)
class NodeStates:
    """The states of the nodes by the HA manager; empty where HA was never used.

    The manager writes it every ten seconds while it looks after anything. An idle one leaves what it thought
    last: after `FRESH_SECONDS` without a new one it says nothing of now. `disarmed` is the mode in which HA
    does nothing at all: freeze (guests are held) or ignore (they are as if HA did not manage them).
    """

    states: Mapping[str, str] = field(default_factory=dict)
    requested: frozenset[str] = frozenset()
    fresh: bool = True
    disarmed: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, session: Session, now: float | None = None) -> NodeStates:
        """`now` is the present moment by the platform's clock; without it the session's is taken."""
        path = "cluster/ha/status/manager_status"
        return cls.of(row(session.get(path), path), session.platform_time if now is None else now)

    @classmethod
    def of(cls, answer: Row, now: float | None) -> NodeStates:
        """From the answer of the API."""
        manager = answer.get("manager_status")
        if not isinstance(manager, Mapping):
            return cls()
        states, requests = _mapping(manager.get("node_status")), _mapping(manager.get("node_request"))
        disarm = _mapping(manager.get("disarm"))
        at = amount(manager.get("timestamp"))
        return cls(
            states={node: str(state) for node, state in states.items()},
            requested=frozenset(
                node for node, request in requests.items() if flag(_mapping(request).get("maintenance"))
            ),
            fresh=at is None or now is None or now - at <= FRESH_SECONDS,
            disarmed=str(disarm.get("mode") or "freeze") if disarm else None,
            targets={
                sid.partition(":")[2]: str(service["target"])
                for sid, service in _mapping(manager.get("service_status")).items()
                if isinstance(service, Mapping)
                and service.get("target")
                and service.get("state") in ("migrate", "relocate")
            },
        )

    def in_maintenance(self, node: str) -> bool:
        """A request is taken up also by an idle manager, and what it did last is what is there."""
        return self.states.get(node) == "maintenance" or node in self.requested

    def usable(self, node: str) -> bool:
        """Not being fenced, nor lost: HA would not let a guest go there. To be asked of nodes that are
        online, for which an idle manager's old opinion does not count.
        """
        return not self.fresh or self.states.get(node) not in LOST


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
