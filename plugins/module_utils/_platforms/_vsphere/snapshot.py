# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster as a snapshot. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ..._model.snapshot import ClusterRef, Snapshot
from .clusters import ClusterPlace
from .guests import guest_of
from .hosts import cpu_model, host_of
from .inventory import Inventory
from .past import Past
from .rules import balancing_disabled, drs_rules, other_balancers
from .tags import Tags


def snapshot_of(
    place: ClusterPlace,
    inventory: Inventory,
    loads: Mapping[str, Mapping[str, float]],
    tags: Tags,
    past: Past,
    taken_at: datetime,
    window_seconds: int,
) -> Snapshot:
    """Put together what was read, in order of name; `loads` are averages by reference and counter."""
    disabled = balancing_disabled(inventory.config)
    models = {model for model in map(cpu_model, inventory.hosts.values()) if model}
    hosts = [
        host_of(found, inventory, loads.get(identity, {}), tags)
        for identity, found in inventory.hosts.items()
    ]
    guests = [
        replace(
            guest_of(found, inventory, models, disabled, loads.get(identity, {}), tags),
            last_migrated_at=past.migrated_at.get(identity),
            last_failed_at=past.failed_at.get(identity),
        )
        for identity, found in inventory.guests.items()
    ]
    return Snapshot(
        platform="vsphere",
        cluster=ClusterRef(id=place.id, name=place.name, instance=place.instance),
        taken_at=taken_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        window_seconds=window_seconds,
        hosts=tuple(sorted(hosts, key=lambda host: (host.name, host.id))),
        guests=tuple(sorted(guests, key=lambda guest: (guest.name, guest.id))),
        rules=drs_rules(inventory.config, inventory.guests.keys()),
        other_balancers=other_balancers(inventory.config),
    )
