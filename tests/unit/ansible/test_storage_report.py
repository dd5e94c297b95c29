# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a plan's report and summary that is about datastores."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import (
    all_notices,
    all_unresolved,
    summary,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import (
    datastore_name,
    plan_report,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)


def made(**storage: object) -> Plan:
    snapshot = generate_storage(StorageShape(seed=17, rules=2, disks=20))
    return plan(snapshot, Policy.from_json({"goal": "storage", "effort": 4, "storage": storage}))


def test_disk_moves_are_reported_with_their_bytes_and_reasons() -> None:
    lines = plan_report(made())
    assert (
        "datastores: balanced by 2 disk moves in 1 wave, 98.6 GiB copied (proven to be the fewest)" in lines
    )
    assert "  ds02       554  20.0 → 37.8  3 → 6  4.2" in lines
    assert "  1  vm00010 (110)  scsi0         ds01 → ds02  2.6 GiB   rule   restores rule apart0" in lines
    assert "broken rules for disks now" in lines
    assert "broken rules for disks left" not in lines


def test_hosts_and_datastores_have_their_own_status() -> None:
    snapshot = generate_storage(StorageShape(seed=17, rules=2, disks=20))
    both = plan(snapshot, Policy.from_json({"storage": {"max_moves": 1}, "effort": 4}))
    assert both.status == "improved"
    lines = plan_report(both)
    assert lines[0].endswith(": hosts balanced, no migrations")
    assert any(line.startswith("datastores: improved by 1 disk move") for line in lines)
    assert plan_report(made())[0].endswith("): no migrations")


def test_growth_that_counts_is_told_below_the_table() -> None:
    sentence = "  In use counts 25 % of what thin disks may still grow."
    assert sentence in plan_report(made(growth=25))
    assert sentence not in plan_report(made())


def test_the_summary_has_the_bytes_and_their_bound() -> None:
    found = made()
    assert found.storage is not None
    assert summary(found, None)["storage"] == {
        "status": "balanced",
        "moves": 2,
        "waves": 1,
        "bytes": found.storage.proof.bytes,
        "bytes_lower_bound": found.storage.proof.bytes,
        "optimal": True,
        "violations_before": 1,
        "violations_after": 0,
        "unresolved": 0,
        "not_emptied": {},
    }
    assert "storage" not in summary(replace(found, storage=None), None)


def test_the_summary_names_what_could_not_be_emptied() -> None:
    found = made(evacuate={"names": ["ds01"]}, exclude={"targets": {"names": ["ds*"]}})
    assert found.storage is not None
    assert summary(found, None)["storage"]["not_emptied"] == {
        item.subject: item.why for item in found.storage.unresolved if item.code == "datastore_not_empty"
    }
    assert "ds01" in summary(found, None)["storage"]["not_emptied"]


def test_what_stays_out_of_order_is_told_with_the_hosts() -> None:
    found = made(utilisation=30, exclude={"targets": {"names": ["x*"]}})
    assert found.storage is not None
    assert summary(found, None)["unresolved"] == len(all_unresolved(found)) > 0
    assert "policy.storage.exclude.targets: it matches no datastore" in all_notices(found)
    lines = plan_report(found)
    assert "unresolved about datastores" in lines
    assert "notes about datastores" in lines
    assert "datastores: infeasible, no disk moves" in plan_report(made(exclude={"targets": {"names": ["*"]}}))


def test_datastores_of_one_name_are_told_by_their_ids() -> None:
    snapshot = generate_storage(StorageShape(seed=3, local=1, datastores=2, disks=6))
    storage = plan(snapshot, Policy.from_json({"goal": "storage", "effort": 4})).storage
    assert storage is not None
    assert datastore_name(storage.before, "local1@h1") == "local1@h1"
    assert datastore_name(storage.before, "ds01") == "ds01"
