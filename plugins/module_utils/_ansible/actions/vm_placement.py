# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_placement."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..._model.errors import EvenKeelError, InputError
from ..._model.placement import Placed, Placement
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.quantities import in_plain_numbers
from ..._model.snapshot import Disk, Snapshot
from ..._planning.placement.placer import place
from ..json_files import is_kept, read_json
from ..log import open_log
from ..log_events import log_placement
from ..options.argument_spec import options_of
from ..options.placement import PlacementOptions, RequestOptions
from ..options.policy import policy_in_plain_numbers
from ..options.reservation import reservation_in_plain_numbers
from ..options.values import without_none
from ..snapshots import snapshot_of

PASSED_ON = ("strategy", "spare", "make_room", "all_or_nothing", "runners_up", "explain")


def run_vm_placement(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Place guests by the snapshots and the request. Fails where none has a place, with the answer that says
    what would fit.
    """
    options = options_of(PlacementOptions, params)
    with open_log(options, params, os.environ, check_mode=check_mode) as log:
        with log.failures("placement_failed"):
            try:
                request = PlacementRequest.from_json(request_of(options))
                snapshots = _snapshots(options)
                answer = place(snapshots, request)
            except EvenKeelError as error:
                # The options are the parts of the request: users know no option `request`.
                raise error.inside("request") from None
        log_placement(log, answer)
    clusters = [(snapshot.platform, snapshot.cluster) for snapshot in snapshots]
    chosen = clusters.index((answer.platform, answer.cluster))
    plan = answer.plan
    result: dict[str, Any] = {
        "changed": False,
        "summary": {**_summary(answer), "snapshot": chosen},
        "report": list(answer.says),
        "warnings": [*answer.notes, *log.problems()],
        "vms": [_in_short(answer, one) for one in answer.placements],
    }
    if plan is not None:
        value = plan.to_json()
        if not is_kept(options.plan_path, value, "plan_path", check_mode=check_mode):
            result["plan"] = value
    whole = answer.to_json()
    if not is_kept(options.placement_path, whole, "placement_path", check_mode=check_mode):
        result["placement"] = whole
    if answer.status == "impossible":
        where = f"cluster {answer.cluster.name}: " if len(answer.clusters) == 1 else ""
        lines = answer.says if len(answer.clusters) == 1 else _of_each(answer)
        result |= {"failed": True, "error": "NoRoom", "msg": where + ". ".join(lines)}
    return result


def _of_each(answer: Placement) -> Sequence[str]:
    return [f"cluster {tried.cluster.name}: {tried.says}" for tried in answer.clusters]


def _snapshots(options: PlacementOptions) -> list[Snapshot]:
    if options.snapshot is not None or options.snapshot_path is not None:
        return [snapshot_of(options)]
    if options.snapshots is not None:
        return [_numbered(value, f"snapshots[{index}]") for index, value in enumerate(options.snapshots)]
    return [
        _numbered(read_json(path, f"snapshot_paths[{index}]"), f"snapshot_paths[{index}]")
        for index, path in enumerate(options.snapshot_paths or ())
    ]


def _numbered(value: object, path: str) -> Snapshot:
    try:
        return Snapshot.from_json(value)
    except InputError as error:
        raise error.under(path) from None


def request_of(options: RequestOptions) -> dict[str, Any]:
    """The request's JSON from the options: what was left out is left out, at every depth."""
    request: dict[str, Any] = without_none({name: getattr(options, name) for name in PASSED_ON})
    request["vms"] = [
        in_plain_numbers(WantedVm, without_none(given), f"vms[{index}]")
        for index, given in enumerate(options.vms)
    ]
    if options.policy is not None:
        request["policy"] = policy_in_plain_numbers(options.policy, "policy")
    request["hosts"] = [without_none(given) for given in options.hosts or ()]
    request["datastores"] = [without_none(given) for given in options.datastores or ()]
    request["held"] = [_held(given, f"held[{index}]") for index, given in enumerate(options.held or ())]
    return request


def _held(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    reservation = reservation_in_plain_numbers(without_none(given), path)
    cluster = reservation.pop("cluster")
    reservation.pop("lease", None)
    return {"cluster": cluster, "reservation": reservation}


def _summary(answer: Placement) -> dict[str, Any]:
    return {
        "status": answer.status,
        "cluster": {"id": answer.cluster.id, "name": answer.cluster.name},
        "placed": len(answer.placements),
        "unplaced": len(answer.unplaced),
        "migrations": len(answer.plan.migrations) if answer.plan else 0,
        "spread_before": dict(answer.spread_before),
        "spread_after": dict(answer.spread_after),
    }


def _disk_in_short(disk: Disk) -> dict[str, Any]:
    policy = {} if disk.storage_policy is None else {"storage_policy": disk.storage_policy}
    return {"datastore": disk.datastore, "size": disk.size, **policy}


def _in_short(answer: Placement, one: Placed) -> dict[str, Any]:
    """The facts that are required to create the guest."""
    stores = [disk.datastore for disk in one.disks]
    return {
        "name": one.name,
        "state": one.state,
        "cluster": answer.cluster.name,
        "host": one.host.name,
        "host_id": one.host.id,
        "address": one.host.address,
        "datastore": stores[0] if stores else None,
        "datastores": stores,
        "cpu": one.cpu,
        "memory": one.memory,
        "disks": [_disk_in_short(disk) for disk in one.disks],
        "networks": list(one.networks),
        "tags": list(one.tags),
    }
