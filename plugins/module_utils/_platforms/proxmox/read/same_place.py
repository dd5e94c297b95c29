# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages that are one place under several names, and those that share what is free."""

from __future__ import annotations

from collections.abc import Mapping

from ..api.values import names
from .storages import Storage

# What tells the storages of a type apart.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "cifs": ("server", "share", "subdir"),
    "lvm": ("vgname",),
    "lvmthin": ("vgname", "thinpool"),
    "nfs": ("server", "export", "subdir"),
    "rbd": ("monhost", "pool", "namespace"),
    "zfs": ("portal", "target", "pool"),
    "zfspool": ("pool",),
}


def same_places(storages: Mapping[str, Storage]) -> dict[str, str]:
    """Storages that are the same place as one whose name comes earlier, by name."""
    first: dict[tuple[str, ...], str] = {}
    result: dict[str, str] = {}
    for name, storage in sorted(storages.items()):
        if storage.disabled or not storage.holds_disks:
            continue
        for place in _places(storage):
            other = first.setdefault(place, name)
            if other != name and _meet(storages[other], storage):
                result.setdefault(name, other)
    return result


def _places(storage: Storage) -> list[tuple[str, ...]]:
    settings = storage.settings
    found: list[tuple[str, ...]] = []
    keys = _KEYS.get(storage.kind, ())
    if keys and settings.get(keys[0] if storage.kind != "rbd" else "pool"):
        found.append((storage.kind, *(_text(settings.get(key)) for key in keys)))
    if settings.get("path"):
        found.append(("path", str(settings["path"]).rstrip("/")))
    return found


def _text(value: object) -> str:
    """Monitors in whatever order."""
    return ",".join(sorted(names(value)))


def _meet(one: Storage, other: Storage) -> bool:
    """Whether any node has both: places of the same name on other nodes are others."""
    if one.nodes is None or other.nodes is None:
        return True
    return bool(one.nodes & other.nodes)


def sharing_space(storages: Mapping[str, Storage]) -> list[list[str]]:
    """Pools of one Ceph cluster: names of those that hold disks."""
    clusters: dict[str, dict[str, str]] = {}
    for name, storage in sorted(storages.items()):
        if storage.kind == "rbd" and storage.holds_disks and not storage.disabled:
            monitors = _text(storage.settings.get("monhost"))
            clusters.setdefault(monitors, {}).setdefault(str(storage.settings.get("pool")), name)
    return [sorted(pools.values()) for pools in clusters.values() if len(pools) > 1]
