# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease as people read it: its phase, and what it has in each pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..._model.text.wording import counted, readable
from .plan import GIB


def lease_report(name: str, lease: Mapping[str, Any] | None) -> list[str]:
    """The lines of the report; `lease` in JSON, or None when nothing is recorded of it."""
    if lease is None:
        return [readable(f"lease {name}: not recorded, nothing is leased")]
    phase, reason, until = lease["phase"], lease["reason"], lease["until"]
    held = phase == "Fulfilled"
    state = reason if reason and reason.lower().startswith(phase.lower()) else phase
    parts = [
        state,
        *([reason] if reason and reason != state else []),
        *([f"until {until}"] if held and until else []),
    ]
    lines = [f"lease {name}: {', '.join(parts)}"]
    if held:
        lines += [f"  {_pool(pool)}" for pool in lease["pools"]]
        reserved = lease["placements"]
        if reserved:
            places = ", ".join(f"{one['guest']} on {one['host']}" for one in reserved)
            lines.append(f"  reserved: {places}")
    return [readable(line) for line in lines]


def _pool(pool: Mapping[str, Any]) -> str:
    place = _joined(pool, ("platform", "server", "datacenter", "cluster", "datastore"))
    sizes = [counted(pool["vcpus"], "vCPU"), f"{pool['memory'] / GIB:.1f} GiB of memory"]
    if pool["storage"]:
        sizes.append(f"{pool['storage'] / GIB:.1f} GiB of storage")
    networks = ", ".join(network["name"] for network in pool["networks"])
    return (
        f"pool {pool['name']}{f' ({place})' if place else ''}: {', '.join(sizes)}"
        f"{f'; networks {networks}' if networks else ''}"
    )


def _joined(pool: Mapping[str, Any], fields: Sequence[str]) -> str:
    return ", ".join(str(pool[field]) for field in fields if pool[field])
