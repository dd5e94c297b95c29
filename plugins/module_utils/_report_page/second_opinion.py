# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The independent check of a plan, made once more for the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .._model.plan import Migration, Plan
from .._model.policy.policy import Policy
from .._model.policy.storage import StoragePolicy
from .._model.snapshot import Snapshot
from .._planning.model.builder import build_problem as build_hosts
from .._planning.model.capacity import with_hosts_closed
from .._planning.model.problem import Problem as Hosts
from .._planning.planner import plan_defects
from .._planning.storage.builder import build_problem
from .._planning.storage.exclusions import exclusions_of
from .._planning.storage.planner import storage_defects
from .._planning.storage.problem import Problem
from .._planning.storage.relocations.choice import without_disks
from .._planning.storage.relocations.cluster import Relocation
from .._planning.storage.report import storage_state
from .._planning.storage.state import State
from .._planning.verify.relocations import relocation_defects


def relocations(plan: Plan | None) -> Mapping[str, Migration]:
    """By guest, the migrations that take disks to other datastores for the sake of the datastores."""
    return {step.guest.id: step for step in plan.migrations if step.kind == "storage"} if plan else {}


def host_defects(
    problem: Hosts, known: Snapshot, policy: Policy, plan: Plan, shelters: frozenset[str]
) -> tuple[str, ...]:
    """What is wrong with the migrations, for the hosts. known: the snapshot of the problem, before hosts were
    closed.
    """
    along = relocations(plan)
    if along:
        # What goes along is a matter of the datastores.
        guests = {guest.id: guest for guest in known.guests}
        chosen = [
            Relocation(
                guest=guests[name],
                host=step.target,
                storage=step.storage,
                arrivals={},
                bytes=step.cost.disks,
                why=step.why,
            )
            for name, step in along.items()
            if name in guests
        ]
        judged = replace(policy, goal="rules") if policy.goal == "storage" else policy
        problem = build_hosts(with_hosts_closed(without_disks(known, chosen), judged), judged)
    closed = {host.id for host in problem.snapshot.hosts if not host.active}
    return plan_defects(problem, plan, shelters & closed)


def disk_defects(
    given: Snapshot, after: Snapshot, problem: Problem, policy: StoragePolicy, plan: Plan
) -> tuple[str, ...]:
    """What is wrong with what is done to disks. given, after: the snapshot before and after all migrations;
    problem: that of the latter.
    """
    if plan.storage is None:
        return ()
    moves = plan.storage
    found: list[str] = []
    if relocations(plan):
        # The plan tells of the datastores before the migrations, and the moves come after them.
        moves = replace(moves, before=storage_state(State(problem)))
        first = build_problem(
            given, policy, plan.policy.seed, retry_refused_after=plan.policy.retry_refused_after
        )
        rules = [members.rule for members in first.rules]
        found += relocation_defects(given, policy, rules, plan.migrations, exclusions_of(first))
    found += storage_defects(after, policy, problem, moves)
    return tuple(found)
