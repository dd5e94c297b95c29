# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy excludes, empties or keeps, by id."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.policy.choices import DisksLeftOut
from ..._model.policy.storage import DatastoreSelector, StoragePolicy
from ..._model.snapshot import Datastore, Guest
from ..model.selectors import select_guests
from .problem import Barred
from .selectors import select_datastores


def barred_by(
    storage: StoragePolicy,
    datastores: Sequence[Datastore],
    guests: Sequence[Guest],
    left_out: Sequence[DisksLeftOut],
) -> Barred:
    """Raises PlanningError for a datastore or a guest that the policy names and that does not exist."""

    def selected(selector: DatastoreSelector, field: str) -> frozenset[str]:
        return select_datastores(datastores, selector, f"policy.storage.{field}")

    exclude = storage.exclude
    return Barred(
        sources=selected(exclude.sources, "exclude.sources"),
        targets=selected(exclude.targets, "exclude.targets"),
        guests=select_guests(guests, exclude.guests, "policy.storage.exclude.guests"),
        emptied=selected(storage.evacuate, "evacuate") if storage.evacuate else frozenset(),
        kept=frozenset((one.guest, disk) for one in left_out if one.datastore is None for disk in one.disks),
        kept_from=frozenset(
            (one.guest, disk, one.datastore)
            for one in left_out
            if one.datastore is not None
            for disk in one.disks
        ),
    )


def allowed_by_placement(
    storage: StoragePolicy, datastores: Sequence[Datastore], guests: Sequence[Guest]
) -> dict[str, frozenset[str]]:
    """As `allowed` of Problem. Raises PlanningError as barred_by does."""
    found: dict[str, frozenset[str]] = {}
    for number, entry in enumerate(storage.placement):
        field = f"policy.storage.placement[{number}]"
        places = select_datastores(datastores, entry.datastores, f"{field}.datastores")
        chosen = select_guests(guests, entry.guests, f"{field}.guests")
        found.update(dict.fromkeys(sorted(chosen), places))
    return found
