# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of answers finds what is wrong with them: each case is one way to place wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import WantedVm
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify_placement import (
    Seated,
    verify_placement,
)

from .test_placements import asked
from .test_scenarios import cluster

CLUSTER: Mapping[str, Any] = {
    "hosts": {
        "h1": {"memory": 64, "max_guests": 2, "devices": {"gpu": {"total": 2, "free": 1}}},
        "h2": {
            "memory": 64,
            "pool": "gold",
            "datastores": {
                "own": {"shared": False, "free": 50 * 2**30, "class": "ssd"},
                "san": {"shared": True, "free": 10 * 2**30},
            },
        },
        "h3": {"memory": 64, "dedicated": True},
        "h4": {"maintenance": True},
    },
    "guests": {"a": {"host": "h1", "memory": 20}},
}


def vm(**values: Any) -> WantedVm:
    return asked({"vms": [{"name": "n", **values}]}).vms[0]


def seat(host: str, wanted: WantedVm, *datastores: str, name: str = "new:n") -> Seated:
    return Seated(id=name, wanted=wanted, host=host, datastores=datastores)


def rule(kind: Any, *guests: str, hosts: tuple[str, ...] = ()) -> Rule:
    return Rule(name="r", kind=kind, guests=guests, hosts=hosts, strict=True, source="test")


OWN = vm(disks=[{"size": 30, "datastore": "o*"}])
CASES: list[tuple[str, list[Seated], dict[str, Any]]] = [
    ("", [seat("h1", vm(memory=16)), seat("h2", OWN, "own", name="new:m")], {}),
    ("no such host", [seat("h9", vm())], {}),
    ("takes no guests", [seat("h4", vm())], {}),
    ("takes no guests", [seat("h1", vm())], {"barred": frozenset({"h1"})}),
    ("pool is None", [seat("h1", vm(pool="gold"))], {}),
    ("dedicated", [seat("h3", vm())], {}),
    ("dedicated", [seat("h1", vm(dedicated=True))], {}),
    ("lacks a label", [seat("h1", vm(labels={"zone": "a"}))], {}),
    ("lacks a network", [seat("h1", vm(networks=["dmz"]))], {}),
    ("no datastore", [seat("h2", OWN)], {}),
    ("lacks datastore own", [seat("h1", OWN, "own")], {}),
    ("was not asked for", [seat("h2", OWN, "san")], {}),
    ("another class", [seat("h2", vm(disks=[{"size": 1, "class": "ssd"}]), "san")], {}),
    ("one host only", [seat("h2", vm(disks=[{"size": 1, "shared": True}]), "own")], {}),
    ("bytes free", [seat("h2", OWN, "own"), seat("h2", OWN, "own", name="new:m")], {}),
    ("of memory", [seat("h1", vm(memory=40))], {}),
    ("of memory", [seat("h1", vm(memory=20)), seat("h1", vm(memory=20), name="new:m")], {}),
    ("of cpu", [seat("h1", vm(cpu=31))], {}),
    ("of assigned cpu", [seat("h1", vm(cpu=4, used={"cpu": 0}))], {"limits": {"cpu_overcommit": 0.1}}),
    ("of guests", [seat("h1", vm()), seat("h1", vm(), name="new:m")], {}),
    ("free devices", [seat("h1", vm(devices=[{"kind": "g*"}, {"kind": "gpu"}]))], {}),
    ("is not alone", [seat("h1", vm())], {"rules": [rule("anti_affinity", "a", "new:n")]}),
    ("further apart", [seat("h2", vm())], {"rules": [rule("affinity", "a", "new:n")]}),
    ("is on h1", [seat("h1", vm())], {"rules": [rule("host_affinity", "new:n", hosts=("h2",))]}),
    ("is on h1", [seat("h1", vm())], {"rules": [rule("host_anti_affinity", "new:n", hosts=("h1",))]}),
    (
        "differ by 2",
        [seat("h1", vm()), seat("h1", vm(), name="new:m"), seat("h2", vm(), name="new:o")],
        {"rules": [rule("even_spread", "new:n", "new:m", "new:o", "a")]},
    ),
    ("both on h1", [seat("h1", vm())], {"apart": {"new:n": frozenset({"a"})}}),
    ("hosts fail", [seat("h1", vm(memory=30)), seat("h2", vm(memory=30), name="new:m")], {"spare": 1}),
]


@pytest.mark.parametrize(("says", "seated", "more"), CASES, ids=lambda value: str(value)[:20])
def test_what_is_wrong_is_found(says: str, seated: list[Seated], more: dict[str, Any]) -> None:
    found = verify_placement(
        cluster(CLUSTER),
        Policy.from_json({"limits": more.get("limits", {})}),
        seated,
        more.get("rules", []),
        more.get("apart", {}),
        more.get("barred", frozenset()),
        more.get("spare", 0),
    )
    if says:
        assert any(says in text for text in found), found
    else:
        assert found == ()
