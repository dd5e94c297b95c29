# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where disks go that go along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..._model.errors import InputError
from ..._model.plan import Migration
from ..._model.snapshot import Snapshot


def target_storage(text: str | None) -> str | Mapping[str, str] | None:
    """One storage for all, or pairs such as local:fast; 1 stands for the same name, and so does nothing."""
    if text in (None, "1"):
        return None
    pairs = [part.partition(":") for part in text.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        return text
    wrong = [part for part in pairs if not (part[0] and part[2])]
    if wrong:
        raise InputError("target_storage", text, "the name of a storage, or pairs such as local:fast")
    return {name: target for name, _colon, target in pairs}


def redirected(migrations: Iterable[Migration], text: str | None) -> tuple[Migration, ...]:
    """The migrations with their disks where the option target_storage wants them. A plan that only takes
    disks along has them go to the storage of the same name; one that says another is not overruled, nor is
    one that migrates a guest for its disks.
    """
    wanted = target_storage(text)

    def goal(name: str, planned: str) -> str:
        if wanted is None or planned != name:
            return planned
        return wanted if isinstance(wanted, str) else wanted.get(name, name)

    return tuple(
        migration
        if migration.cost.disks
        else replace(migration, storage={name: goal(name, to) for name, to in migration.storage.items()})
        for migration in migrations
    )


def local_datastores(snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    """Host and datastore, where the datastore is another one on every host that has one of its name."""
    return frozenset(
        (host.id, name)
        for host in snapshot.hosts
        for name, datastore in host.datastores.items()
        if not datastore.shared
    )
