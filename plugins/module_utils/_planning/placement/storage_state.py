# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy says of datastores, as new disks meet it: closed ones, and the room within its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.policy.policy import Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Host, Snapshot
from ..storage.builder import build_problem
from ..storage.problem import NO_LIMIT, Place, Problem
from ..storage.selectors import select_datastores
from ..storage.targets import CONTENT


def storage_of(policy: Policy) -> StoragePolicy | None:
    """What the policy says of datastores; None where it says nothing."""
    return policy.storage or (StoragePolicy() if policy.goal == "storage" else None)


def barred_datastores(snapshot: Snapshot, policy: Policy) -> frozenset[str]:
    """Ids of the datastores that the policy lets no disk come to."""
    storage = policy.storage
    if storage is None:
        return frozenset()
    places = datastores_of(snapshot)
    targets = select_datastores(places, storage.exclude.targets, "policy.storage.exclude.targets")
    if storage.evacuate is None:
        return targets
    return targets | select_datastores(places, storage.evacuate, "policy.storage.evacuate")


def with_storage_state(snapshot: Snapshot, storage: StoragePolicy | None) -> Snapshot:
    """The snapshot in which hosts see what keeps new disks from datastores, and as free space only what may
    be used within the limits. The datastores of the snapshot stay as they are, so that the answer can be
    checked against them.
    """
    if storage is None:
        if not snapshot.datastores:
            return snapshot
        why = {place.id: _closed(place) for place in snapshot.datastores}
        room = {
            place.id: max(0, place.free - place.arriving)
            for place in snapshot.datastores
            if place.arriving and place.free is not None
        }
        return _seen(snapshot, why, room, "")
    problem = build_problem(snapshot, storage)
    why = {place.datastore.id: _closed(place.datastore) or _left(problem, place) for place in problem.places}
    room = {
        place.datastore.id: max(
            0, min(place.limit - place.load, (place.datastore.free or 0) - place.datastore.arriving)
        )
        for place in problem.places
        if place.capacity and place.limit < NO_LIMIT
    }
    seen = _seen(snapshot, why, room, "the snapshot does not list it among its datastores")
    return replace(seen, datastores=datastores_of(snapshot))


def _closed(place: Datastore) -> str | None:
    if place.maintenance:
        return "it is in maintenance mode"
    if place.closed_because is not None:
        return place.closed_because
    if place.content is not None and CONTENT["vm"] not in place.content:
        return f"it may not hold {CONTENT['vm']}"
    return None


def _left(problem: Problem, place: Place) -> str | None:
    """What the policy has against new disks on a datastore that it would have disks leave, or stay away."""
    store, limit = place.datastore, problem.policy.latency
    if store.id in problem.barred.emptied:
        return "storage.evacuate selects it"
    if store.id in problem.barred.targets:
        return "storage.exclude.targets selects it"
    if limit is not None and store.latency is not None and store.latency > limit:
        return f"its latency of {store.latency:g} ms is above storage.latency ({limit:g} ms)"
    return None


def _seen(
    snapshot: Snapshot, why: Mapping[str, str | None], room: Mapping[str, int], unlisted: str
) -> Snapshot:
    """`unlisted`: why a datastore that only a host names takes no disks; empty where it does."""
    ids = datastore_ids(snapshot)

    def seen(host: Host) -> Host:
        stores = {}
        for name, entry in host.datastores.items():
            identity = ids.get((host.id, name), "")
            closed, free = entry.closed_because or why.get(identity, unlisted or None), entry.free
            if identity in room and free is not None:
                free = min(free, room[identity])
            if closed != entry.closed_because or free != entry.free:
                entry = replace(entry, closed_because=closed, free=free)
            stores[name] = entry
        return replace(host, datastores=stores)

    return replace(snapshot, hosts=tuple(map(seen, snapshot.hosts)))
