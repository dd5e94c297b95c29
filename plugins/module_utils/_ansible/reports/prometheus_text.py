# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools, leases and the queue as metrics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._capacity.free_capacity import RESOURCES

_Sample = tuple[Mapping[str, str], float]


def metrics(
    pools: Sequence[Mapping[str, Any]],
    leases: Sequence[Mapping[str, Any]],
    queue: Sequence[Mapping[str, Any]],
) -> str:
    """The reports of capacity_info as metrics: vCPUs as such, memory and storage in bytes."""
    families: list[tuple[str, str, list[_Sample]]] = [
        ("pool_capacity", "Amount that can be leased from a pool in total.", _usage(pools, "limit")),
        ("pool_leased", "Amount that is leased from a pool.", _usage(pools, "leased")),
        ("pool_available", "Amount that can still be leased from a pool.", _usage(pools, "available")),
        ("pool_networks", "Networks of a pool by type.", _networks(pools, free=False)),
        (
            "pool_networks_available",
            "Networks of a pool that are not leased, by type.",
            _networks(pools, free=True),
        ),
        (
            "pool_leases",
            "Leases of a pool.",
            _of_pools(pools, lambda pool: len(pool["leases"])),
        ),
        (
            "pool_cordoned",
            "Whether a pool is cordoned.",
            _of_pools(pools, lambda pool: pool["cordoned"]),
        ),
        (
            "pool_excluded",
            "Whether a pool serves only requests that name it.",
            _of_pools(pools, lambda pool: pool["exclude"]),
        ),
        ("leases", "Leases by phase.", _phases(leases)),
        (
            "queue_longest_wait_seconds",
            "Waiting time of the oldest request in seconds.",
            [({}, _longest(queue))],
        ),
    ]
    lines: list[str] = []
    for name, help_text, samples in families:
        lines += [f"# HELP evenkeel_{name} {help_text}", f"# TYPE evenkeel_{name} gauge"]
        lines += [f"evenkeel_{name}{_labels(labels)} {value:.17g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _usage(pools: Iterable[Mapping[str, Any]], what: str) -> list[_Sample]:
    return [
        ({"pool": pool["name"], "resource": resource}, pool["usage"][resource][what])
        for pool in pools
        for resource in (*RESOURCES, "networks")
    ]


def _networks(pools: Iterable[Mapping[str, Any]], *, free: bool) -> list[_Sample]:
    counts: dict[tuple[str, str], int] = {}
    for pool in pools:
        for network in pool["networks"]:
            key = (pool["name"], network["type"])
            counts[key] = counts.get(key, 0) + (not free or not network["leases"])
    return [({"pool": pool, "type": kind}, count) for (pool, kind), count in counts.items()]


def _of_pools(pools: Iterable[Mapping[str, Any]], value: Any) -> list[_Sample]:
    return [({"pool": pool["name"]}, float(value(pool))) for pool in pools]


def _phases(leases: Iterable[Mapping[str, Any]]) -> list[_Sample]:
    found = [entry["phase"] for entry in leases]
    return [({"phase": phase}, found.count(phase)) for phase in ("Fulfilled", "Pending")]


def _longest(queue: Iterable[Mapping[str, Any]]) -> float:
    return max((entry["waited_seconds"] for entry in queue), default=0.0)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return "{" + ",".join(escaped) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
