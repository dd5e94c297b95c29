# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why each migration is in the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..._model.plan import ClusterState, MigrationKind, Violation
from ..model.choices import CHOICE
from ..model.problem import Problem
from ..schedule.moves import Move
from .consolidate import why_consolidated
from .relieve import why_relieved


class Reasons:
    """Says in one sentence with numbers why a migration is in the plan from one state to another."""

    def __init__(
        self, problem: Problem, before: ClusterState, after: ClusterState, moves: Iterable[Move]
    ) -> None:
        self.problem, self.before, self.after = problem, before, after
        moves = [move for move in moves if not move.parking]
        self.leave = Counter(problem.home[move.guest] for move in moves)
        self.enter = Counter(move.target for move in moves)
        self.still = {violation.rule for violation in after.violations}
        detail = {violation.rule: violation for violation in before.violations}
        self.broken: dict[str, list[Violation]] = {}
        for rule in problem.rules:
            for guest in rule.guests if rule.name in detail else ():
                self.broken.setdefault(guest, []).append(detail[rule.name])
        self.middle = {}
        for name in problem.metrics.names:
            values = [value for state in before.hosts.values() if (value := state.used[name]) is not None]
            self.middle[name] = (max(values) + min(values)) / 2

    def of(self, kind: MigrationKind, guest: int, source: int, target: int) -> str:
        leaves, enters = self.problem.hosts[source].name, self.problem.hosts[target].name
        if kind == "parking":
            return f"moved to {enters} temporarily until its target has room; frees capacity on {leaves}"
        if kind == "evacuate":
            home = self.problem.home[guest]
            if not self.problem.roles.leaving[home]:
                return f"makes room on {leaves} for guests of hosts that are to be emptied"
            ends = _use(self.after, self.problem.hosts[target].id)
            empties = self.problem.traits.names_hosts
            first = self.problem.hosts[home].name
            cause = f"empties {first}" if empties else f"{first} is in maintenance"
            return f"{cause}; {enters} ends at {ends}"
        if kind == "manual":
            return self._chosen(guest)
        if kind == "relieve":
            return why_relieved(self.problem, self.before, self.after, source, target)
        if kind == "consolidate":
            return why_consolidated(self.problem, self.after, source, target)
        text = self._rule(guest, leaves) or self._partner(guest, leaves) if kind == "rule" else ""
        if not text and self.problem.traits.chooses_hosts:
            return f"keeps its rules on the hosts that stay on; moved to {enters}"
        text = text or self._main_change(source, target)
        if not text and self.enter[source]:
            return f"frees capacity on {leaves} that other migrations need"
        return text or f"moves load from {leaves} to {enters}"

    def _chosen(self, guest: int) -> str:
        """Of a guest that moves by choice, or with a partner that does."""
        problem = self.problem
        pinned = {one for rule in problem.rules if rule.source == CHOICE for one in rule.guests}
        unit = problem.unit_of.get(guest)
        for other in () if unit is None else problem.members[unit]:
            if problem.guests[guest].id not in pinned and problem.guests[other].id in pinned:
                return f"moves with {problem.guests[other].name}, which is pinned by choice"
        return "pinned by choice"

    def _rule(self, guest: int, source: str) -> str:
        # Of several broken rules the one that the plan restores is the reason.
        broken = sorted(
            self.broken.get(self.problem.guests[guest].id, ()),
            key=lambda violation: (violation.rule in self.still, source not in violation.detail),
        )
        if not broken:
            return ""
        verb = "reduces the violation of" if broken[0].rule in self.still else "restores"
        noun = "rule" if broken[0].strict else "soft rule"
        return f"{verb} {noun} {broken[0].rule}: {broken[0].detail}"

    def _partner(self, guest: int, source: str) -> str:
        """Of a guest that is under no broken rule: the partner that is, and which it moves with."""
        problem = self.problem
        unit = problem.unit_of.get(guest)
        for other in () if unit is None else problem.members[unit]:
            text = self._rule(other, source)
            if text:
                return f"moves with {problem.guests[other].name}, which {text}"
        return ""

    def _main_change(self, source: int, target: int) -> str:
        """The metric in which one of the two hosts comes nearest to the others."""
        best, text = 0.0, ""
        for name, middle in self.middle.items():
            for host, verb in ((source, "takes"), (target, "brings")):
                id_ = self.problem.hosts[host].id
                was, will = self.before.hosts[id_].used[name], self.after.hosts[id_].used[name]
                if was is None or will is None:
                    continue
                gain = abs(was - middle) - abs(will - middle)
                if gain > best and (will < was) == (host == source):
                    best = gain
                    change = f"from {was:.0f} % to {will:.0f} % {label(name)}"
                    others = (self.leave if host == source else self.enter)[host] - 1
                    text = f"{verb} {self.problem.hosts[host].name} {change}{_with(others)}"
        return text


def _with(others: int) -> str:
    return f", with {others} other{'s' * (others > 1)}" if others > 0 else ""


def label(metric: str) -> str:
    return metric.replace("_io", " I/O").replace("_", " ")


def _use(state: ClusterState, host: str) -> str:
    parts = [
        f"{value:.0f} % {label(name)}" for name, value in state.hosts[host].used.items() if value is not None
    ]
    return " and ".join(parts) or f"{state.hosts[host].guests} guests"
