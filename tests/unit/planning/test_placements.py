# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file in placements/: a story, a cluster, a request, and where its guests must go. Sizes are cores and
GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place

from .test_scenarios import GIB, cluster

FILES = sorted((Path(__file__).parent / "placements").glob("*.yml"))
EXPECTED = {
    "status",
    "places",
    "stores",
    "apart",
    "together",
    "states",
    "refused",
    "refusals",
    "says",
    "migrations",
    "moved",
    "runners_up",
    "cluster",
    "error",
    "counts",
    "largest",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_placement(file: Path) -> None:
    scenario = yaml.safe_load(file.read_text(encoding="utf-8"))
    expect = scenario["expect"]
    assert set(expect) <= EXPECTED
    names = scenario.get("clusters", {"scenario": scenario.get("cluster")})
    if "error" in expect:
        with pytest.raises(EvenKeelError) as error:
            _place(names, scenario["request"])
        assert [text for text in expect["error"] if text not in str(error.value)] == [], str(error.value)
        return
    result = _place(names, scenario["request"])
    check(result, expect)
    assert _place(names, scenario["request"]) == result
    assert Placement.from_json(result.to_json()) == result


def _place(clusters: Mapping[str, Any], request: Mapping[str, Any]) -> Placement:
    return place([_named(name, cluster(short)) for name, short in clusters.items()], asked(request))


def _named(name: str, snapshot: Snapshot) -> Snapshot:
    return Snapshot.from_json({**snapshot.to_json(), "cluster": {"id": name, "name": name}})


def asked(short: Mapping[str, Any]) -> PlacementRequest:
    """A request from a scenario's short form."""
    vms = [_vm(values) for values in short["vms"]]
    held = [
        {
            "cluster": "scenario:scenario",
            "reservation": {**values, "cpu": values["cpu"], "memory": values["memory"] * GIB},
        }
        for values in short.get("held", [])
    ]
    return PlacementRequest.from_json({**short, "vms": vms, "held": held})


def _vm(values: Mapping[str, Any]) -> dict[str, Any]:
    result = {"cpu": 1, "memory": 4, **values}
    result["memory"] *= GIB
    result["disks"] = [{**disk, "size": disk["size"] * GIB} for disk in values.get("disks", [])]
    if "memory" in values.get("used", {}):
        result["used"] = {**values["used"], "memory": values["used"]["memory"] * GIB}
    return result


def check(result: Placement, expect: Mapping[str, Any]) -> None:
    text = "\n".join(result.says)
    assert result.status == expect.get("status", "placed"), text
    assert result.cluster.id == expect.get("cluster", result.cluster.id), result.clusters
    for words in expect.get("says", []):
        assert words in text, text
    moves = result.plan.migrations if result.plan else ()
    assert len(moves) == expect.get("migrations", 0)
    assert {move.guest.name for move in moves} >= set(expect.get("moved", []))
    check_places(result, expect)
    check_reasons(result, expect)


def check_places(result: Placement, expect: Mapping[str, Any]) -> None:
    placed = {one.name: one for one in result.placements}
    places = {name: one.host.id for name, one in placed.items()}
    for guest, hosts in expect.get("places", {}).items():
        assert places[guest] in hosts, (guest, places)
    for guest, stores in expect.get("stores", {}).items():
        assert [disk.datastore for disk in placed[guest].disks] == stores
    for group in expect.get("apart", []):
        assert len({places[guest] for guest in group}) == len(group), places
    for group in expect.get("together", []):
        assert len({places[guest] for guest in group}) == 1, places
    for host, many in expect.get("counts", {}).items():
        assert list(places.values()).count(host) == many, places
    for guest, state in expect.get("states", {}).items():
        assert placed[guest].state == state
    for guest, hosts in expect.get("runners_up", {}).items():
        assert [other.host.id for other in placed[guest].runners_up] == hosts


def check_reasons(result: Placement, expect: Mapping[str, Any]) -> None:
    searches = {one.name: one.search for one in (*result.placements, *result.unplaced)}
    for guest, counted in expect.get("refused", {}).items():
        search = searches[guest]
        assert search is not None
        assert search.refused == counted
        assert search.hosts == search.fit + sum(counted.values())
    for guest, hosts in expect.get("refusals", {}).items():
        search = searches[guest]
        assert search is not None
        found = {one.host: f"{one.reason}: {one.detail}" for one in search.refusals}
        assert [host for host, words in hosts.items() if words not in found.get(host, "")] == [], found
    unplaced = {one.name: one for one in result.unplaced}
    for guest, size in expect.get("largest", {}).items():
        largest = unplaced[guest].largest
        assert largest is not None
        assert (largest.cpu, largest.memory and round(largest.memory / GIB, 2)) == tuple(size)
