# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as metrics, and counters that go on from one to the next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.metrics import textfile
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.metrics.families import (
    RunMetrics,
    text_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.metrics.pushgateway import Pushgateway
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.metrics.totals import (
    Totals,
    added,
    counts_of,
    totals_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

CLUSTER = generate(Shape(hosts=3, guests=9, seed=1))
PLAN = plan(CLUSTER, Policy())
SUMMARY = {
    "status": "done",
    "by_kind": {"balance": {"migrated": 2, "failed": 1, "already_there": 1}, "rollback": {"migrated": 1}},
    "migration_seconds": 3.5,
    "memory_bytes": 100,
    "in_band": False,
    "seconds": 4.0,
    "spread_before": {"cpu": 20.0, "memory": 33.0},
    "spread_after": {"cpu": 10.0, "memory": None},
    "lock_waited": 12.5,
    "lock_taken_over": "process 7 on ctl1",
}


DATASTORES = generate_storage(StorageShape(datastores=5, disks=40, seed=3, fill=0.65, rules=1))
FULL = max(DATASTORES.datastores, key=lambda place: 1 - (place.free or 0) / (place.capacity or 1)).id
STORAGE_PLAN = plan(
    DATASTORES, Policy.from_json({"goal": "storage", "storage": {"utilisation": 75, "latency": 10}})
)
DISKS = {
    "status": "done",
    "disk_moves_by_kind": {"space": {"migrated": 2, "failed": 1, "already_there": 4}},
    "disk_move_seconds": 60.0,
    "bytes_copied": 1000,
    "left_behind": 1,
    "datastores_before": {FULL: 91.0, "gone": None},
    "datastores_after": {FULL: 74.0, "gone": None},
}


def values(text: str) -> dict[str, float]:
    """The value of each series, without the label that all have."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name.replace('cluster="prod",', "").replace('{cluster="prod"}', ""): float(value)
            for name, _space, value in lines}  # fmt: skip


def run(totals: Totals, *summaries: dict[str, Any], good: bool = True, now: float = 1e9, **more: Any) -> str:
    counts = counts_of(summaries)
    return text_of(
        RunMetrics(
            cluster="prod",
            summaries=summaries,
            counts=counts,
            totals=added(totals, counts, good=good, now=now),
            good=good,
            ended_at=now,
            **more,
        )
    )


def test_what_a_run_read_planned_and_did() -> None:
    found = values(run(Totals(), SUMMARY, plan=PLAN, snapshot=CLUSTER))
    assert found['evenkeel_spread_before_ratio{metric="memory"}'] == pytest.approx(0.33)
    assert found['evenkeel_spread_ratio{metric="cpu"}'] == pytest.approx(0.1)
    # The cluster could not be read again: what is not known is not exported.
    assert 'evenkeel_spread_ratio{metric="memory"}' not in found
    assert found['evenkeel_spread_max_ratio{metric="memory"}'] == pytest.approx(0.15)
    assert found["evenkeel_in_band"] == 0
    assert found['evenkeel_last_run_migrations{kind="balance",result="failed"}'] == 1
    assert found['evenkeel_last_run_migrations{kind="rule",result="failed"}'] == 0
    assert not [name for name in found if "already_there" in name]
    assert found["evenkeel_plan_migrations"] == len(PLAN.migrations)
    assert found["evenkeel_last_run_lock_wait_seconds"] == 12.5
    assert found["evenkeel_locks_taken_over_total"] == 1
    assert found["evenkeel_guests"] == 9
    hosts = {name for name in found if name.startswith("evenkeel_host_load_ratio")}
    assert len(hosts) == 2 * len(CLUSTER.hosts)
    assert found['evenkeel_last_run_status{status="done"}'] == 1


def test_what_a_run_did_to_datastores() -> None:
    found = values(run(Totals(), DISKS, plan=STORAGE_PLAN, snapshot=DATASTORES))
    assert STORAGE_PLAN.storage is not None
    state = STORAGE_PLAN.storage.before.datastores[FULL]
    label = f'{{datastore="{FULL}"}}'
    assert state.percent is not None
    assert state.latency is not None
    # As it was measured right before the run.
    assert found[f"evenkeel_datastore_used_before_ratio{label}"] == 0.91
    assert found[f"evenkeel_datastore_used_ratio{label}"] == 0.74
    assert not [name for name in found if "gone" in name]
    assert found[f"evenkeel_datastore_capacity_bytes{label}"] == state.capacity
    assert found[f"evenkeel_datastore_latency_seconds{label}"] == state.latency / 1000
    assert found[f"evenkeel_datastore_disks{label}"] == state.disks
    assert found["evenkeel_datastore_used_max_ratio"] == 0.75
    assert found["evenkeel_datastore_latency_max_seconds"] == 0.01
    assert found["evenkeel_plan_disk_moves"] == len(STORAGE_PLAN.storage.moves) > 0
    assert found["evenkeel_plan_copied_bytes"] == STORAGE_PLAN.storage.proof.bytes
    assert found["evenkeel_plan_copied_bytes_lower_bound"] == STORAGE_PLAN.storage.proof.bytes_lower_bound
    assert found["evenkeel_last_run_copied_bytes"] == 1000
    assert found["evenkeel_last_run_copies_left_behind"] == 1
    assert found['evenkeel_last_run_disk_moves{kind="space",result="failed"}'] == 1
    assert found['evenkeel_disk_moves_total{kind="evacuate",result="migrated"}'] == 0
    assert not [name for name in found if "already_there" in name]
    # The rules for disks count, too.
    strict = sum(one.strict for one in STORAGE_PLAN.storage.before.violations)
    assert found['evenkeel_rule_violations_before{strict="true"}'] == strict > 0
    assert found['evenkeel_rule_violations{strict="true"}'] == 0


def test_counters_of_disk_moves_go_on_and_dry_runs_copy_nothing() -> None:
    first = run(Totals(), DISKS)
    dry = run(totals_of(first, "prod"), {**DISKS, "status": "planned", "disk_moves_by_kind": {}})
    # Nothing is known of this run, and it is no restart of the counters.
    failed = run(totals_of(dry, "prod"), good=False)
    found = values(run(totals_of(failed, "prod"), DISKS))
    assert found['evenkeel_disk_moves_total{kind="space",result="migrated"}'] == 4
    assert found["evenkeel_copied_bytes_total"] == 2000
    assert found["evenkeel_copies_left_behind_total"] == 2
    assert found["evenkeel_disk_move_seconds_total"] == 180


def test_growth_that_the_policy_expects_is_not_use() -> None:
    grown = plan(
        DATASTORES, Policy.from_json({"goal": "storage", "storage": {"utilisation": 75, "growth": 50}})
    )
    assert grown.storage is not None
    assert STORAGE_PLAN.storage is not None
    full, plain = (
        one.storage.before.datastores[FULL].percent for one in (grown, STORAGE_PLAN) if one.storage
    )
    assert full is not None
    assert plain is not None
    assert full > plain
    found = values(run(Totals(), plan=grown, snapshot=DATASTORES))
    assert found[f'evenkeel_datastore_used_before_ratio{{datastore="{FULL}"}}'] == pytest.approx(
        plain / 100, abs=1e-5
    )


def test_datastores_after_a_run_that_could_not_read_them_again_and_without_a_policy_for_them() -> None:
    unread = values(run(Totals(), {**DISKS, "datastores_after": None}, plan=STORAGE_PLAN))
    assert f'evenkeel_datastore_used_before_ratio{{datastore="{FULL}"}}' in unread
    assert not [name for name in unread if name.startswith("evenkeel_datastore_used_ratio")]
    hosts = plan(DATASTORES, Policy())
    untouched = values(run(Totals(), SUMMARY, plan=hosts, snapshot=DATASTORES))
    label = f'{{datastore="{FULL}"}}'
    before = untouched[f"evenkeel_datastore_used_before_ratio{label}"]
    assert untouched[f"evenkeel_datastore_used_ratio{label}"] == before > 0.7
    assert not [name for name in untouched if "disk_moves" in name or "copied" in name]


def test_a_storage_plan_that_is_not_run_is_not_in_band_and_its_findings_count() -> None:
    assert values(run(Totals(), plan=STORAGE_PLAN))["evenkeel_in_band"] == 0
    stuck = plan(
        DATASTORES,
        Policy.from_json(
            {"goal": "storage", "storage": {"utilisation": 50, "exclude": {"targets": {"names": ["*"]}}}}
        ),
    )
    assert stuck.storage is not None
    assert stuck.storage.unresolved
    found = values(run(Totals(), plan=stuck))
    assert sum(value for name, value in found.items() if name.startswith("evenkeel_plan_unresolved")) == len(
        stuck.storage.unresolved
    )


def test_disks_that_stay_are_counted_by_their_reasons() -> None:
    guest = DATASTORES.guests[0]
    disks = tuple(replace(disk, blockers=("snapshot_chain", "linked_clone")) for disk in guest.disks)
    snapshot = replace(DATASTORES, guests=(replace(guest, disks=disks),))
    found = values(run(Totals(), snapshot=snapshot))
    for reason in ("snapshot_chain", "linked_clone"):
        assert found[f'evenkeel_disks_not_movable{{reason="{reason}"}}'] == len(disks)


def test_counters_go_on_and_a_failed_run_keeps_the_time_of_the_last_good_one() -> None:
    first = run(Totals(), SUMMARY, now=1000)
    second = run(totals_of(first, "prod"), good=False, now=2000)
    third = values(run(totals_of(second, "prod"), SUMMARY, SUMMARY, now=3000))
    failed = values(second)
    assert failed["evenkeel_last_good_run_timestamp_seconds"] == 1000
    assert failed["evenkeel_last_run_timestamp_seconds"] == 2000
    assert (failed["evenkeel_last_run_success"], failed['evenkeel_last_run_status{status="failed"}']) == (
        0,
        1,
    )
    # Nothing is known of a cluster that could not be read.
    assert not [
        name for name in failed if name.startswith(("evenkeel_spread", "evenkeel_in_band", "evenkeel_host"))
    ]
    assert third['evenkeel_migrations_total{kind="balance",result="migrated"}'] == 6
    assert third["evenkeel_migrated_memory_bytes_total"] == 300
    assert third["evenkeel_migration_seconds_total"] == 10.5
    assert (third['evenkeel_runs_total{result="good"}'], third['evenkeel_runs_total{result="failed"}']) == (
        2,
        1,
    )
    assert third["evenkeel_last_good_run_timestamp_seconds"] == 3000


def test_a_run_that_never_was_good_has_no_time_of_one() -> None:
    assert "evenkeel_last_good_run_timestamp_seconds" not in values(run(Totals(), good=False))


def test_a_plan_that_is_not_run_is_in_band_only_where_nothing_is_to_be_done() -> None:
    assert values(run(Totals(), plan=PLAN))["evenkeel_in_band"] == (not PLAN.migrations)
    level = plan(CLUSTER, Policy(aggressiveness=1, goal="rules"))
    assert values(run(Totals(), plan=level))["evenkeel_in_band"] == 1


def test_the_counters_of_another_cluster_are_not_taken() -> None:
    assert totals_of(run(Totals(), SUMMARY), "other") == Totals()


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_each_cluster_has_a_file_of_its_own_in_the_folder(one: str, other: str) -> None:
    files = [textfile.file_of("/metrics", name) for name in (one, other)]
    assert (files[0] == files[1]) == (one == other)
    for file in files:
        assert file.parent == Path("/metrics")
        assert file.name.startswith("evenkeel-")
        assert file.suffix == ".prom"
        assert file.name.isascii()
        assert len(file.name) < 200


def test_a_folder_that_can_t_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, why in (("gone", "there is no such folder"), ("file", "it is not a folder")):
        with pytest.raises(FileError, match=f"textfile_path: {tmp_path}/{folder} can't be used: {why}"):
            textfile.check(f"{tmp_path}/{folder}", "prod")
    with pytest.raises(FileError, match="can't be written"):
        textfile.check("/proc", "prod")
    with pytest.raises(
        InputError, match=r"textfile_path is /x/a\.prom, but it names the folder of the files"
    ):
        textfile.check("/x/a.prom", "prod")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "pushgateway:9091"}, "pushgateway.url: the URL can't be used: it does not begin"),
        ({"url": "ftp://pushgateway"}, "pushgateway.url is not an http:// or https:// URL"),
        ({"url": "http://u:secret@pushgateway"}, "pushgateway.url has a user in it. Set"),
        ({"url": "http://p", "username": "u", "bearer_token": "t"},
         "pushgateway.bearer_token and pushgateway.username are mutually exclusive"),
        ({"url": "http://p", "timeout": 0.0}, "pushgateway.timeout: 0.0 is not a number of seconds"),
        ({"url": "https://p", "ca_path": "/gone.pem"}, "pushgateway.ca_path: /gone.pem can't be used: "),
    ],
)  # fmt: skip
def test_what_is_no_pushgateway_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvenKeelError) as found:
        Pushgateway(**options).check()
    assert str(found.value).startswith(message)
    assert "secret" not in str(found.value)
