# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where disks are at this moment, and what is free on each storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...._model.datastores import datastore_id
from ...errors import NotFound
from ...protocol import GuestNow
from ...storage_protocol import DatastoreNow, DisksNow, StorageNow
from ...values import Row
from ..api.errors import NodeUnresponsive
from ..api.session import Session
from ..api.values import row, rows
from .datastores import datastores_of
from .guest_config import Volume, volumes
from .guests import id_of, path_of
from .live_state import PresentState
from .storages import Storage, all_storages


def read_storage_now(session: Session, present: PresentState) -> StorageNow:
    """Of the guests that were looked for: a call for each, and one for all storages. What is free there was
    measured up to ten seconds ago.
    """
    listed = rows(session.get("storage"), "storage")
    storages = all_storages(listed, present.resources.storages)
    entries = [entry for entry in present.resources.guests if id_of(entry) in present.now.guests]
    found = session.concurrently(
        lambda entry: _disks_now(session, entry, present.now.guests[id_of(entry)], storages), entries
    )
    return StorageNow(
        cluster=present.now.cluster,
        guests={id_of(entry): disks for entry, disks in zip(entries, found, strict=True) if disks},
        datastores={
            place.id: DatastoreNow(
                capacity=place.capacity, free=place.free, closed_because=place.closed_because
            )
            for place in datastores_of(storages, present.resources)
        },
    )


def _disks_now(
    session: Session, entry: Row, now: GuestNow, storages: Mapping[str, Storage]
) -> DisksNow | None:
    """None for a guest that has gone elsewhere, or away, since it was looked for."""
    path = f"{path_of(entry)}/config"
    try:
        config = row(session.get(path, current=1), path)
    except NotFound:
        return None
    except NodeUnresponsive:
        return DisksNow(host=now.host, disks={}, busy=now.busy or f"its node {now.host} does not answer")
    found = volumes(config, container=entry.get("type") == "lxc")
    return DisksNow(
        host=now.host,
        disks={volume.key: place_of(volume, now.host, storages) for volume in found if not volume.is_unused},
        busy=now.busy,
        unused=unused(found),
    )


def place_of(volume: Volume, node: str, storages: Mapping[str, Storage]) -> str:
    """The id of the datastore that a volume of a guest on this node is on."""
    storage = storages.get(volume.storage)
    return datastore_id(volume.storage, node, shared=storage is not None and storage.shared)


def unused(found: Iterable[Volume]) -> tuple[str, ...]:
    """Volumes that a guest keeps and does not use, with their keys."""
    return tuple(f"{volume.key}: {volume.volid}" for volume in found if volume.is_unused)
