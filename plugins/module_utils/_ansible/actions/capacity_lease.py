# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module capacity_lease: acquire, renew and release."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..._capacity.lease import Lease
from ..._capacity.leases import Requester, release, renew
from ..._capacity.pool import Name
from ..._capacity.request import Request
from ..._capacity.reservations import Placement, placement_of
from ..._capacity.store.transaction import write_transaction
from ..._capacity.wait_for_lease import WaitOptions, wait_for_lease
from ..._model.codec import decode
from ..._model.errors import InputError
from ..._model.reservation import Reservation
from ..._state.database import Database
from ..._state.owner import process, this_process
from ..options.argument_spec import options_of
from ..options.capacity import LeaseOptions
from ..options.reservation import reservation_in_plain_numbers
from ..options.values import at_least, without_none
from ..reports.lease import lease_report
from ..state_session import needed_database

_PLAIN = (
    "vcpus", "pools", "required_pools", "tolerations", "min_servers", "max_servers", "networks",
    "network_type", "group", "owner", "purpose", "lifetime", "priority",
)  # fmt: skip


def run_capacity_lease(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Let a lease be there, last longer, or be over."""
    options = options_of(LeaseOptions, params)
    decode(Name, options.name, "name")
    at_least(options, 0, "wait", "keep_place")
    if options.poll_interval <= 0:
        raise InputError("poll_interval", options.poll_interval, "a number above 0")
    if options.state == "present":
        request, placement, requester = request_of(options), _placement(options), _requester(options)
        with needed_database(options, os.environ, make=not check_mode) as database:
            waiting = WaitOptions(wait=options.wait, poll=options.poll_interval, keep=options.keep_place)
            obtained = wait_for_lease(
                database,
                options.name,
                request,
                requester,
                waiting,
                placement=placement,
                resize=options.resize,
                dry=check_mode,
            )
        return _result(options.name, obtained.before, obtained.after)
    with needed_database(options, os.environ, make=not check_mode) as database:
        return _end_or_renew(database, options, check_mode)


def _end_or_renew(database: Database, options: LeaseOptions, check_mode: bool) -> dict[str, Any]:
    name, owner = options.name, options.owner
    if options.state == "renewed":
        lifetime = options.lifetime
        if lifetime is not None:
            Request.from_json({"vcpus": 1, "lifetime": lifetime})
        before, after = write_transaction(
            database, lambda repository: renew(repository, name, owner, lifetime), undo=check_mode
        )
        return _result(name, before, after)
    was, ended = write_transaction(
        database, lambda repository: release(repository, name, owner), undo=check_mode
    )
    if was is None:
        return _result(name, ended, ended)
    return _result(name, was, ended)


def request_of(options: LeaseOptions) -> Request:
    """The request of the options, with defaults for those that are not set."""
    body: dict[str, Any] = without_none({name: getattr(options, name) for name in _PLAIN})
    if options.pool_selector is not None:
        body["pool_selector"] = {str(key): str(value) for key, value in options.pool_selector.items()}
    for name in ("memory", "storage"):
        if getattr(options, name) is not None:
            body[name] = getattr(options, name)
    if options.required_pools and options.pools is None:
        body["pools"] = len(options.required_pools)
    return Request.from_json(body)


def _requester(options: LeaseOptions) -> Requester:
    holder = None
    if options.owner_pid is not None:
        holder = process(options.owner_pid)
        if holder is None:
            raise InputError("owner_pid", options.owner_pid, "a process that runs here")
    return Requester(waiter=this_process(), holder=holder)


def _placement(options: LeaseOptions) -> Placement | None:
    if options.placements is None:
        if options.placements_seen is not None:
            raise InputError.required("placements", when="placements_seen is set")
        return None
    found = []
    for index, given in enumerate(options.placements):
        path = f"placements[{index}]"
        body = reservation_in_plain_numbers(without_none(given), path)
        cluster = decode(Name, body.pop("cluster"), f"{path}.cluster")
        found.append((cluster, decode(Reservation, body, path)))
    return placement_of(found, _seen(options.placements_seen))


def _seen(given: Mapping[str, Any] | None) -> dict[str, int] | None:
    if given is None:
        return None
    counts = {}
    for cluster, count in given.items():
        if isinstance(count, bool) or not str(count).isdecimal() or len(str(count)) > 18:
            raise InputError(f"placements_seen.{cluster}", count, "a whole number of at least 0")
        counts[str(cluster)] = int(count)
    return counts


def _result(name: str, before: Lease | None, after: Lease | None) -> dict[str, Any]:
    changed = before != after
    lease = None if after is None else after.to_json()
    result: dict[str, Any] = {"changed": changed, "lease": lease, "report": lease_report(name, lease)}
    if changed:
        result["diff"] = {"before": _shown(before), "after": _shown(after)}
    return result


def _shown(lease_: Lease | None) -> dict[str, Any]:
    """The facts of a lease that a diff shows."""
    if lease_ is None:
        return {}
    facts = lease_.to_json()
    shown = ("name", "phase", "until", "owner", "purpose", "priority", "placements")
    pools = [
        {"name": pool["name"], "networks": [network["name"] for network in pool["networks"]]}
        for pool in facts["pools"]
    ]
    request = {key: value for key, value in facts["request"].items() if value not in (None, 0, [], {})}
    return {**{key: facts[key] for key in shown}, "request": request, "pools": pools}
