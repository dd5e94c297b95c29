# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The datastores that a policy's selectors mean, and the selectors that mean nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from ..._model.policy.storage import DatastoreSelector, StoragePolicy
from ..._model.selector import Selector
from ..._model.snapshot import Datastore, Guest
from ..._model.text.regexes import compiled
from ..._model.where import DATASTORE, true_of
from ..errors import PlanningError
from ..model.selectors import WILDCARDS, select_guests


def select_datastores(
    datastores: Sequence[Datastore], selector: DatastoreSelector, field: str
) -> frozenset[str]:
    """Ids of the datastores that match any part. Raises PlanningError for an exact name that no datastore
    has, since a typing error there would open one that was meant to stay closed, and InputError for an
    expression that does not work for a datastore.
    """
    known = {name for place in datastores for name in (place.id, place.name)}
    for name in selector.names:
        if not WILDCARDS & set(name) and name not in known:
            some = ", ".join(sorted(place.id for place in datastores)[:10])
            raise PlanningError(
                f"no datastore has the name or id {name!r}",
                where=f"{field}.names",
                hint=f"Datastores of this cluster: {some}",
            )
    answers = {place.id for place in true_of(datastores, selector.where, f"{field}.where", DATASTORE)}
    return frozenset(place.id for place in datastores if place.id in answers or _matches(place, selector))


def _matches(place: Datastore, selector: DatastoreSelector) -> bool:
    if selector.regex is not None and compiled(selector.regex).match(place.name):
        return True
    words: Iterable[tuple[Iterable[str | None], Iterable[str]]] = (
        ((place.id, place.name), selector.names),
        (place.tags, selector.tags),
        ((place.type,), selector.types),
        ((place.kind,), selector.classes),
        ((place.cluster,), selector.clusters),
    )
    return any(_any_like(values, patterns) for values, patterns in words)


def _any_like(values: Iterable[str | None], patterns: Iterable[str]) -> bool:
    texts = [value for value in values if value is not None]
    return any(pattern == text or fnmatchcase(text, pattern) for pattern in patterns for text in texts)


def unmatched_selectors(
    storage: StoragePolicy, datastores: Sequence[Datastore], guests: Sequence[Guest]
) -> list[tuple[str, str]]:
    """The selectors that match nothing, each with its field, in sentences."""
    found = [
        (field, "it matches no datastore")
        for field, selector in datastore_selectors(storage)
        if selector != DatastoreSelector() and not select_datastores(datastores, selector, field)
    ]
    found += [
        (field, "it matches no guest")
        for field, selector in _guest_selectors(storage)
        if selector != Selector() and not select_guests(guests, selector, field)
    ]
    return found


def datastore_selectors(storage: StoragePolicy) -> Iterator[tuple[str, DatastoreSelector]]:
    """The selectors of datastores, with the field that each is in."""
    if storage.evacuate is not None:
        yield "policy.storage.evacuate", storage.evacuate
    yield "policy.storage.exclude.sources", storage.exclude.sources
    yield "policy.storage.exclude.targets", storage.exclude.targets
    for index, entry in enumerate(storage.placement):
        yield f"policy.storage.placement[{index}].datastores", entry.datastores


def _guest_selectors(storage: StoragePolicy) -> Iterator[tuple[str, Selector]]:
    yield "policy.storage.exclude.guests", storage.exclude.guests
    for index, entry in enumerate(storage.placement):
        yield f"policy.storage.placement[{index}].guests", entry.guests
    for index, rule in enumerate(storage.rules):
        if rule.guests is not None:
            yield f"policy.storage.rules[{index}].guests", rule.guests
