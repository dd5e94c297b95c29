# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot and a policy as a problem: the datastores, the units of disks and where each may go, the rules.

Each decision has a file: places (how full a datastore is and may be), staying (why a disk may not move),
units (what moves together), targets (where to), rules and membership.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..._model.disk_moves import with_estimated_io
from ..._model.policy.choices import DisksLeftOut
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot
from ..errors import PlanningError
from ..model.cooldown import PauseAfterFailure
from ..model.refusals import refused_datastores
from .barred import allowed_by_placement, barred_by
from .disk_index import DiskIndex
from .membership import Membership, in_broken_rules
from .notices import disk_notices, refusal_notices
from .places import make_places
from .problem import Problem
from .rules import resolve_storage_rules
from .selectors import unmatched_selectors
from .sizes import DiskSizes
from .staying import Staying
from .storage_policies import without_storage_policies
from .targets import Targets
from .units import UnitMaker


def build_problem(
    snapshot: Snapshot,
    storage: StoragePolicy,
    seed: int = 1,
    *,
    effort: int = 40,
    strict: bool = False,
    left_out: Sequence[DisksLeftOut] = (),
    pause: PauseAfterFailure | None = None,
    retry_refused_after: float = 0,
) -> Problem:
    """Raises PlanningError for a datastore that the policy names and that does not exist. strict: also for a
    selector that matches nothing. left_out: moves that are left out by choice, all by id. pause: which failed
    moves are not tried again yet. retry_refused_after: as in Policy.
    """
    if not storage.platform_rules:
        snapshot = without_storage_policies(snapshot)
    if storage.latency is not None:
        snapshot = with_estimated_io(snapshot)
    index = DiskIndex(snapshot)
    unmatched = unmatched_selectors(storage, index.datastores, index.guests)
    if unmatched and strict:
        field, text = unmatched[0]
        raise PlanningError(text, where=field, hint="Correct or remove it, or set strict_selectors to false")
    refused = refused_datastores(snapshot, retry_refused_after)
    barred = replace(
        barred_by(storage, index.datastores, index.guests, left_out),
        refused=refused,
        retry_refused_after=retry_refused_after,
    )
    allowed = allowed_by_placement(storage, index.datastores, index.guests)
    sizes = DiskSizes(storage.growth, index.estimated_shares())
    places, alone = make_places(index, storage, barred, sizes)
    rules, unresolved = resolve_storage_rules(snapshot, storage)
    staying = Staying(index, storage, barred, pause)
    maker = UnitMaker(index, places, allowed, staying, sizes)
    units = maker.units(rules, keep_together=storage.keep_together)
    membership = Membership(units, index.guests)
    members = [membership.of(rule) for rule in rules]
    broken = in_broken_rules(members, units)
    rules_of: dict[int, list[int]] = {}
    for number, rule in enumerate(members):
        for unit in rule.units:
            rules_of.setdefault(unit, []).append(number)
    targets = Targets(storage, places, index.guests, barred, allowed)
    return Problem(
        snapshot=snapshot,
        policy=storage,
        seed=seed,
        effort=effort,
        places=places,
        guests=index.guests,
        units=[targets.of(unit, in_broken_rule=number in broken) for number, unit in enumerate(units)],
        rules=members,
        rules_of=rules_of,
        allowed=allowed,
        unresolved=unresolved,
        notices=[
            *(f"{field}: {text}" for field, text in unmatched),
            *alone,
            *disk_notices(index, places),
            *refusal_notices(index, refused),
        ],
        barred=barred,
    )
