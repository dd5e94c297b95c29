# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb of capacity_lease: acquire, renew, give back."""

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
from ..._model.text.sizes import size_of
from ..._state.database import Database
from ..._state.owner import process, this_process
from ..options.values import at_least, without_none
from ..state_session import needed_database

_PLAIN = (
    "vcpus", "pools", "required_pools", "tolerations", "min_servers", "max_servers", "networks",
    "network_type", "group", "owner", "purpose", "lifetime", "priority",
)  # fmt: skip


def run_capacity_lease(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Let a lease be there, last longer, or be over."""
    decode(Name, params["name"], "name")
    at_least(params, 0, "wait", "keep_place")
    if params["poll_interval"] <= 0:
        raise InputError("poll_interval", params["poll_interval"], "a number above 0")
    if params["state"] == "present":
        request, placement, requester = request_of(params), _placement(params), _requester(params)
        with needed_database(params, os.environ, make=not check_mode) as database:
            options = WaitOptions(
                wait=params["wait"], poll=params["poll_interval"], keep=params["keep_place"]
            )
            obtained = wait_for_lease(
                database,
                params["name"],
                request,
                requester,
                options,
                placement=placement,
                resize=params["resize"],
                dry=check_mode,
            )
        return _result(obtained.before, obtained.after)
    with needed_database(params, os.environ, make=not check_mode) as database:
        return _end_or_renew(database, params, check_mode)


def _end_or_renew(database: Database, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    name, owner = params["name"], params["owner"]
    if params["state"] == "renewed":
        lifetime = params["lifetime"]
        if lifetime is not None:
            Request.from_json({"vcpus": 1, "lifetime": lifetime})
        before, after = write_transaction(
            database, lambda repository: renew(repository, name, owner, lifetime), undo=check_mode
        )
        return _result(before, after)
    was, ended = write_transaction(
        database, lambda repository: release(repository, name, owner), undo=check_mode
    )
    if was is None:
        return {"changed": False, "lease": None if ended is None else ended.to_json()}
    return _result(was, ended)


def request_of(params: Mapping[str, Any]) -> Request:
    """What the options ask for; what they leave out has its default."""
    body: dict[str, Any] = {name: params[name] for name in _PLAIN if params[name] is not None}
    if params["pool_selector"] is not None:
        body["pool_selector"] = {str(key): str(value) for key, value in params["pool_selector"].items()}
    for name in ("memory", "storage"):
        if params[name] is not None:
            body[name] = size_of(params[name], name)
    if params["required_pools"] and params["pools"] is None:
        body["pools"] = len(params["required_pools"])
    return Request.from_json(body)


def _requester(params: Mapping[str, Any]) -> Requester:
    holder = None
    if params["owner_pid"] is not None:
        holder = process(params["owner_pid"])
        if holder is None:
            raise InputError("owner_pid", params["owner_pid"], "a process that runs here")
    return Requester(waiter=this_process(), holder=holder)


def _placement(params: Mapping[str, Any]) -> Placement | None:
    if params["placements"] is None:
        if params["placements_seen"] is not None:
            raise InputError.required("placements", when="placements_seen is set")
        return None
    found = []
    for index, given in enumerate(params["placements"]):
        path = f"placements[{index}]"
        body = without_none(given)
        cluster = decode(Name, body.pop("cluster"), f"{path}.cluster")
        body["memory"] = size_of(body["memory"], f"{path}.memory")
        body["disks"] = [
            {**disk, "size": size_of(disk["size"], f"{path}.disks[{number}].size")}
            for number, disk in enumerate(body.get("disks", []))
        ]
        found.append((cluster, decode(Reservation, body, path)))
    return placement_of(found, _seen(params["placements_seen"]))


def _seen(given: Mapping[str, Any] | None) -> dict[str, int] | None:
    if given is None:
        return None
    counts = {}
    for cluster, count in given.items():
        if isinstance(count, bool) or not str(count).isdecimal() or len(str(count)) > 18:
            raise InputError(f"placements_seen.{cluster}", count, "a whole number of at least 0")
        counts[str(cluster)] = int(count)
    return counts


def _result(before: Lease | None, after: Lease | None) -> dict[str, Any]:
    changed = before != after
    result: dict[str, Any] = {"changed": changed, "lease": None if after is None else after.to_json()}
    if changed:
        result["diff"] = {"before": _shown(before), "after": _shown(after)}
    return result


def _shown(lease_: Lease | None) -> dict[str, Any]:
    """What of a lease a diff shows."""
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
