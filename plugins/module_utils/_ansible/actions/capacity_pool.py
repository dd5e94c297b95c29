# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module capacity_pool: describe or remove a pool."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..._capacity.from_snapshot import Share, capacity_of
from ..._capacity.pool import Pool
from ..._capacity.pools import remove_pool, save_pool
from ..._capacity.report import pools_report
from ..._capacity.store.repository import Repository
from ..._capacity.store.transaction import write_transaction
from ..._model.errors import InputError
from ..._model.snapshot import Snapshot
from ..json_files import read_json
from ..options.argument_spec import options_of
from ..options.pool import PoolOptions
from ..options.values import without_none
from ..state_session import needed_database

_PLACE = (
    "platform", "server", "port", "username", "datacenter", "cluster", "datastore", "resource_pool", "folder",
    "template", "region", "zone",
)  # fmt: skip
_OTHERS = ("vcpus", "cpu_overcommit", "exclude", "cordoned", "labels", "taints")
_SNAPSHOT_PLATFORMS = ("vsphere", "proxmox", "vmmanager")


def run_capacity_pool(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Let the pool be as the options have it; what they leave out stays as it is."""
    options = options_of(PoolOptions, params)
    wanted = _from_options(options) if options.state == "present" else {}
    with needed_database(options, os.environ, make=not check_mode) as database:
        before, after, report = write_transaction(
            database, lambda repository: _change(repository, options, wanted), undo=check_mode
        )
    result: dict[str, Any] = {"changed": before != after, "pool": report}
    if before != after:
        result["diff"] = {"before": before or {}, "after": after or {}}
    return result


def _change(
    repository: Repository, options: PoolOptions, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]:
    """The pool before and after, and the report on it."""
    name = options.name
    present = next((pool for pool in repository.pools() if pool.name == name), None)
    before = None if present is None else present.to_json()
    if options.state == "absent":
        if present is not None:
            remove_pool(repository, present)
        return before, None, None
    pool = _merged(name, before, wanted, options.networks, options.networks_state)
    after = pool.to_json()
    if after != before:
        save_pool(repository, pool, below_leased=options.allow_below_leased)
    report = next(entry for entry in pools_report(repository) if entry["name"] == name)
    return before, after, report


def _from_options(options: PoolOptions) -> dict[str, Any]:
    """The fields of a pool that the options tell, a snapshot's first."""
    wanted: dict[str, Any] = _from_snapshot(options)
    given = {name: getattr(options, name) for name in (*_PLACE, *_OTHERS, "memory", "storage")}
    # An empty text, or port 0, takes away what was there.
    wanted |= {name: given[name] or None for name in _PLACE if given[name] is not None}
    wanted |= {name: given[name] for name in _OTHERS if given[name] is not None}
    if "labels" in wanted:
        wanted["labels"] = {str(key): str(value) for key, value in wanted["labels"].items()}
    wanted |= {name: given[name] for name in ("memory", "storage") if given[name] is not None}
    return wanted


def _from_snapshot(options: PoolOptions) -> dict[str, Any]:
    value: object = options.snapshot
    if options.snapshot_path is not None:
        value = read_json(options.snapshot_path, "snapshot_path")
    share = options.share
    if value is None:
        if share is not None:
            raise InputError.required("snapshot", when="share is set", hint="Set snapshot or snapshot_path")
        return {}
    snapshot = Snapshot.from_json(value)
    capacity = capacity_of(snapshot, Share() if share is None else _share(share))
    found: dict[str, Any] = {
        "cluster": snapshot.cluster.name,
        "vcpus": capacity.vcpus,
        "memory": capacity.memory,
    }
    if snapshot.platform in _SNAPSHOT_PLATFORMS:
        found["platform"] = snapshot.platform
    if capacity.storage is not None:
        found["storage"] = capacity.storage
    return found


def _share(given: Mapping[str, Any]) -> Share:
    if given["spare_hosts"] < 0:
        raise InputError("share.spare_hosts", given["spare_hosts"], "a number of at least 0")
    if not 0 < given["percent"] <= 100:
        raise InputError("share.percent", given["percent"], "a number above 0 and at most 100")
    return Share(
        hosts=tuple(given["hosts"] or ()),
        spare_hosts=given["spare_hosts"],
        percent=given["percent"],
        datastores=tuple(given["datastores"] or ()),
    )


def _merged(
    name: str,
    before: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    networks: Sequence[Mapping[str, Any]] | None,
    networks_state: str,
) -> Pool:
    # Of a pool without storage none is leased.
    body = {"name": name, "storage": 0, **(before or {}), **wanted}
    for option in ("vcpus", "memory"):
        if option not in body:
            raise InputError.required(option, when="the pool is new")
    if networks is not None:
        given = [without_none(network) for network in networks]
        body["networks"] = _networks(body.get("networks", []), given, networks_state)
    return Pool.from_json(body)


def _networks(
    before: list[dict[str, Any]], given: list[dict[str, Any]], networks_state: str
) -> list[dict[str, Any]]:
    names = {network["name"] for network in given}
    if networks_state == "exact":
        return given
    if networks_state == "absent":
        return [network for network in before if network["name"] not in names]
    replaced = {network["name"]: network for network in given}
    kept = [replaced.pop(network["name"], network) for network in before]
    return [*kept, *replaced.values()]
