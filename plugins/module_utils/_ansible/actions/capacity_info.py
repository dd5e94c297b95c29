# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules capacity_info and capacity_reap."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..._capacity.expire_and_grant import (
    disregard_ended,
    end_expired,
    end_without_owner,
    end_without_process,
    grant_queue,
)
from ..._capacity.lease import Lease
from ..._capacity.report import leases_report, pools_report, queue_report, reservations_report
from ..._capacity.store.repository import Repository
from ..._capacity.store.transaction import read_transaction, write_transaction
from ..._model.errors import InputError
from ..json_files import require_writable, write_text
from ..options.argument_spec import options_of
from ..options.capacity import InfoOptions, ReapOptions
from ..options.values import at_least
from ..reports.prometheus_text import metrics
from ..state_session import needed_database


def run_capacity_info(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Pools with their usage, leases and the queue."""
    options = options_of(InfoOptions, params)
    at_least(options, 0, "ended_within")

    def read(repository: Repository) -> tuple[list[dict[str, Any]], ...]:
        # Whoever is to end them may come much later.
        over = disregard_ended(repository)
        leases = leases_report(repository, options.ended_within, over)
        return pools_report(repository), leases, queue_report(repository)

    with needed_database(options, os.environ, make=False) as database:
        (pools, leases, queue), (placements, seen) = read_transaction(
            database, lambda repository: (read(repository), reservations_report(repository))
        )
    if options.metrics_path and check_mode:
        require_writable(options.metrics_path, "metrics_path")
    elif options.metrics_path:
        going_on = [entry for entry in leases if entry["ended_at"] is None]
        # Whoever collects metrics is somebody else.
        write_text(options.metrics_path, metrics(pools, going_on, queue), "metrics_path", mode=0o644)
    pools = [pool for pool in pools if _matches(pool["name"], options.pools)]
    leases = [entry for entry in leases if _wanted(entry, options)]
    queue = [entry for entry in queue if _named(entry, options)]
    return {
        "changed": False,
        "pools": pools,
        "leases": leases,
        "queue": queue,
        "placements": placements,
        "placements_seen": seen,
        "summary": _summary(pools, leases, queue),
    }


def _wanted(entry: Mapping[str, Any], options: InfoOptions) -> bool:
    if options.phases and entry["phase"] not in options.phases:
        return False
    if options.pools and not any(_matches(pool["name"], options.pools) for pool in entry["pools"]):
        return False
    return _named(entry, options)


def _named(entry: Mapping[str, Any], options: InfoOptions) -> bool:
    return _matches(entry["name"], options.leases) and _matches(entry["owner"] or "", options.owners)


def _matches(name: str, patterns: Sequence[str] | None) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _summary(
    pools: Sequence[Mapping[str, Any]],
    leases: Sequence[Mapping[str, Any]],
    queue: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    phases = [entry["phase"] for entry in leases]
    return {
        "pools": len(pools),
        "cordoned": sum(pool["cordoned"] for pool in pools),
        "excluded": sum(pool["exclude"] for pool in pools),
        "leases": phases.count("Fulfilled"),
        "queue": len(queue),
        "available": {
            resource: sum(max(0, pool["usage"][resource]["available"]) for pool in pools)
            for resource in ("vcpus", "memory", "storage", "networks")
        },
    }


def run_capacity_reap(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """End what is over and what nobody is there for any more."""
    options = options_of(ReapOptions, params)
    gone = options.gone_owners or []
    living = options.living_owners
    if living is not None and not living:
        raise InputError(
            "living_owners",
            living,
            "a list of at least one owner",
            hint="Name those that are gone in gone_owners: an empty list would end every lease",
        )
    at_least(options, 0, "grace")

    def end(repository: Repository) -> list[Lease]:
        ended = end_expired(repository) + end_without_process(repository)
        ended += end_without_owner(repository, gone, living, options.grace)
        grant_queue(repository)
        return ended

    with needed_database(options, os.environ, make=not check_mode) as database:
        ended = write_transaction(database, end, undo=check_mode)
    result: dict[str, Any] = {"changed": bool(ended), "reaped": [one.to_json() for one in ended]}
    if ended:
        result["diff"] = {"before": _names(ended, lambda _lease: "goes on"), "after": _names(ended, _state)}
    return result


def _names(leases: Iterable[Lease], text: Any) -> dict[str, str]:
    return {one.name: text(one) for one in leases}


def _state(one: Lease) -> str:
    return f"{one.phase}: {one.reason}"
