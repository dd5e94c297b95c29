# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters whose platform measures nothing: what the guests stand for stands for the hosts too."""

from __future__ import annotations

from dataclasses import replace

from ..._model.loads import ESTIMATED_FROM_ASSIGNED, guest_used
from ..._model.policy.policy import Limits, Policy
from ..._model.snapshot import Snapshot

_NO_LIMIT = 1e9


def with_estimated_load(snapshot: Snapshot, policy: Policy) -> tuple[Snapshot, Policy]:
    """The snapshot with the cpu and memory of its hosts taken for the sum over their running guests, where no
    host of it reports them; and the policy that goes with it.

    Assigned cores say little about how busy a processor is, and are often more than it has: where cpu is
    estimated only `cpu_overcommit` limits it. Memory that was assigned may be used at any time: its limits
    hold. A single host that reports nothing while others do is another matter: it is in trouble, and stays
    unknown.
    """
    online = [host for host in snapshot.hosts if host.status == "online"]
    missing = [
        resource
        for resource in ESTIMATED_FROM_ASSIGNED
        if online and all(host.used.get(resource) is None for host in online)
    ]
    if not missing:
        return snapshot, policy
    sums: dict[str, dict[str, float | None]] = {host.id: dict.fromkeys(missing, 0.0) for host in online}
    for guest in snapshot.guests:
        if guest.is_on_host and guest.host in sums:
            for resource in missing:
                before, part = sums[guest.host][resource], guest_used(guest, resource)
                sums[guest.host][resource] = None if before is None or part is None else before + part
    hosts = (
        replace(host, used={**host.used, **sums[host.id]}) if host.id in sums else host
        for host in snapshot.hosts
    )
    limits: Limits = policy.limits
    if "cpu" in missing:
        limits = replace(limits, cpu=_NO_LIMIT, cpu_for_rules=_NO_LIMIT)
    return replace(snapshot, hosts=tuple(hosts)), replace(policy, limits=limits)
