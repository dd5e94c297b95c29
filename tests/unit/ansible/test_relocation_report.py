# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of guests that take their disks along."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.outcome import outcome_report
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import plan_report
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    MigrationOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.unit.planning.storage.test_relocations import (
    EVACUATE,
    local,
    policy,
)


def test_plan_and_outcome_name_hosts_datastores_bytes_and_what_is_left_behind() -> None:
    found = plan(local(), policy(**EVACUATE))
    lines = plan_report(found)
    assert lines[0].endswith("3.0 GiB of memory and 150.0 GiB of disks")
    (first,) = (line for line in lines if "g0 (g0)" in line)
    for part in ("h1 → h2", "1.0 GiB and 50.0 GiB of disks", "storage", "disks local → local; "):
        assert part in first
    step = found.migrations[0]
    ended = MigrationOutcome(
        step=step.step,
        guest=step.guest,
        source="h1",
        target="h2",
        result="migrated",
        left_behind=("local:vm-g0",),
    )
    outcome = Outcome(
        cluster=found.cluster,
        status="done",
        started_at="2026-11-20T22:00:00Z",
        seconds=1,
        migrations=(ended,),
    )
    text = outcome_report(
        outcome, {}, found.before, found.after, briefly=True, copied={step.step: step.cost.disks}
    )
    assert text[0].endswith("50.0 GiB copied")
    assert text[-1].endswith("left behind: local:vm-g0")
