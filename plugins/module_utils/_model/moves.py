# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot with guests on other hosts. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .snapshot import Snapshot


def moved(snapshot: Snapshot, targets: Mapping[str, str]) -> Snapshot:
    """The snapshot as it is once each guest (key) is on its target host (value): what a guest uses goes along
    with it.

    A load that is None, of the guest or of the host, stays as it is. Only running guests carry load.
    """
    change: dict[str, dict[str, float]] = {host.id: {} for host in snapshot.hosts}
    guests = []
    for guest in snapshot.guests:
        target = targets.get(guest.id, guest.host)
        if target == guest.host:
            guests.append(guest)
            continue
        guests.append(replace(guest, host=target))
        for resource, amount in guest.used.items():
            if amount is not None and guest.power == "running":
                change[guest.host][resource] = change[guest.host].get(resource, 0) - amount
                change[target][resource] = change[target].get(resource, 0) + amount
    hosts = []
    for host in snapshot.hosts:
        used = {
            resource: amount if amount is None else max(0, amount + change[host.id].get(resource, 0))
            for resource, amount in host.used.items()
        }
        hosts.append(replace(host, used=used) if change[host.id] else host)
    return replace(snapshot, hosts=tuple(hosts), guests=tuple(guests))
