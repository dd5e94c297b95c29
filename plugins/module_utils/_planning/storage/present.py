# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The datastores as they are, by a policy: what is in use, what is out of order, and which disks stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..._model.plan import StorageState, Unresolved
from ..._model.policy.policy import Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot, StorageRule
from ..._model.text.wording import counted
from ..model.cooldown import pause_after_failure
from .builder import build_problem
from .problem import NO_LIMIT, Place
from .report import storage_state
from .state import State
from .unresolved import uneven


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentStorage:
    """`limits`: percent that may be in use, by id of a datastore; `staying`: why a disk can't be moved, by
    guest and id of the disk. `wrong`: what the policy wants and the datastores do not meet; nothing where the
    policy says nothing about datastores.
    """

    state: StorageState
    rules: Sequence[StorageRule]
    limits: Mapping[str, float]
    alone: Mapping[str, str]
    """By id, why a datastore takes no part."""
    staying: Mapping[tuple[str, str], str]
    wrong: Sequence[Unresolved]
    notices: Sequence[str]


def present_storage(snapshot: Snapshot, policy: Policy) -> PresentStorage:
    """Raises PlanningError as planning does."""
    storage = policy.storage
    problem = build_problem(
        snapshot,
        storage or StoragePolicy(),
        policy.seed,
        strict=policy.strict_selectors and bool(storage),
        pause=pause_after_failure(snapshot, policy),
        retry_refused_after=policy.retry_refused_after,
    )
    state = State(problem)
    found = storage_state(state)
    return PresentStorage(
        state=found,
        rules=tuple(members.rule for members in problem.rules),
        limits={
            place.datastore.id: 100.0 * place.limit / place.capacity
            for place in problem.places
            if storage is not None and place.judged and place.limit < NO_LIMIT
        },
        alone={place.datastore.id: place.alone for place in problem.places if place.alone},
        staying={
            (problem.guests[part.guest].id, disk): unit.fixed
            for unit in problem.units
            if unit.fixed
            for part in unit.parts
            for disk in part.disks
        },
        wrong=(*problem.unresolved, *_wrong(state, found)) if storage is not None else (),
        notices=tuple(problem.notices) if storage is not None else (),
    )


def _wrong(state: State, found: StorageState) -> Iterator[Unresolved]:
    for violation in found.violations:
        if violation.strict:
            yield Unresolved(
                what=f"rule {violation.rule}",
                why=violation.detail,
                code="rule_broken",
                subject=violation.rule,
            )
    for number, place in enumerate(state.problem.places):
        yield from _wrong_with(state, number, place)
    yield from uneven(state)


def _wrong_with(state: State, number: int, place: Place) -> Iterator[Unresolved]:
    store, most = place.datastore, state.problem.policy.latency
    if place.judged and state.load[number] > place.limit:
        yield Unresolved(
            what=f"space of datastore {store.name}",
            why=f"it is at {100 * state.load[number] / place.capacity:.1f} % and its limit is "
            f"{100 * place.limit / place.capacity:.1f} %",
            code="datastore_full",
            subject=store.id,
        )
    if place.leaves and state.at[number]:
        disks = sum(len(part.disks) for unit in state.at[number] for part in state.problem.units[unit].parts)
        yield Unresolved(
            what=f"datastore {store.name} is not empty",
            why=f"{counted(disks, 'disk')} {'is' if disks == 1 else 'are'} on it: {place.leaves}",
            code="datastore_not_empty",
            subject=store.id,
        )
    if most is not None and store.latency is not None and store.latency > most and place.judged:
        yield Unresolved(
            what=f"latency of datastore {store.name}",
            why=f"it is {store.latency:g} ms and its limit is {most:g} ms",
            code="latency_exceeded",
            subject=store.id,
        )
