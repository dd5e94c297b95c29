# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster of the platform is meant, and what is said of it as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import NotFound
from ...values import Row
from ..api.lists import CLUSTERS, Lists
from ..api.values import flag, reference, whole

# Where disks of all nodes lie. Every other type, known or not, is taken for a node's own.
_SHARED = frozenset({"ceph", "rbd", "nas", "nfs", "san", "gfs2", "iscsi"})


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage of the cluster. `main` is the one that a node's own figures are about; one that is not
    `enabled` takes no new disks.
    """

    id: str
    name: str
    shared: bool
    main: bool
    enabled: bool


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """`storages` by id. `balancers` is None where it is not reported whether the platform's own runs."""

    id: str
    name: str
    containers: bool
    guests_per_node: int | None
    storages: Mapping[str, Storage]
    balancers: tuple[str, ...] | None

    def storage_id(self, name: str) -> str | None:
        return next((storage.id for storage in self.storages.values() if storage.name == name), None)


def cluster_ids(lists: Lists) -> tuple[str, ...]:
    """Of every cluster that the platform shows."""
    found = [reference(entry) for entry in lists.whole(CLUSTERS)]
    return tuple(sorted(identity for identity in found if identity is not None))


def find_cluster(lists: Lists, wanted: str | None, url: str) -> ClusterPlace:
    """The one of this name or id, or the only one there is."""
    known = lists.whole(CLUSTERS)
    found = [entry for entry in known if wanted in (None, reference(entry))]
    if wanted is not None and not found:
        found = [entry for entry in known if entry.get("name") == wanted]
    if len(found) == 1:
        return _place(found[0])
    if not known:
        raise NotFound("the platform shows no cluster", where=url)
    what = (
        f"there is {'more than one' if found else 'no'} cluster {wanted!r}"
        if wanted is not None
        else f"there are {len(known)} clusters, and none is named"
    )
    names = ", ".join(f"{entry.get('name')} (id {reference(entry)})" for entry in known)
    raise NotFound(what, where=url, hint=f"Set cluster to one of {names}")


def own_balancers(entry: Row) -> tuple[str, ...] | None:
    """The settings of a cluster that speak of balancing and are on; None where there is no such setting.

    How the platform words them is not documented, so any will do.
    """
    settings = {name: value for name, value in entry.items() if "balanc" in name.lower()}
    if not settings:
        return None
    return tuple(f"VMmanager's own balancer ({name})" for name, value in settings.items() if flag(value))


def _place(entry: Row) -> ClusterPlace:
    return ClusterPlace(
        id=str(reference(entry)),
        name=str(entry.get("name") or reference(entry)),
        containers=str(entry.get("virtualization_type") or "").lower() == "lxd",
        guests_per_node=whole(entry.get("host_per_node_limit")) or None,
        storages=_storages(entry),
        balancers=own_balancers(entry),
    )


def _storages(entry: Row) -> dict[str, Storage]:
    listed = entry.get("storages")
    entries = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    times = Counter(item.get("name") for item in entries)
    result = {}
    for item in entries:
        identity = str(reference(item))
        name = str(item.get("name") or identity)
        result[identity] = Storage(
            id=identity,
            name=f"{name} ({identity})" if times[item.get("name")] > 1 else name,
            shared=str(item.get("type") or "").lower() in _SHARED,
            main=flag(item.get("is_main")) or len(entries) == 1,
            enabled=flag(item.get("enabled", True)),
        )
    return result
