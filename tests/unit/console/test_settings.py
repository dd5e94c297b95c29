# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a cluster from what the role would pass."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.extensions.console.settings import (
    ClusterSettings,
    RoleArguments,
    settings_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

CONNECTION = {"platform": "proxmox", "api_host": ["pve1"], "api_password": "secret"}


def settings(**more: Any) -> ClusterSettings:
    given: dict[str, Any] = {"facts": CONNECTION, "plan": {}, "migrate": CONNECTION, "prometheus": {}, **more}
    return settings_of(RoleArguments(**given))


def test_options_have_the_defaults_of_the_modules() -> None:
    found = settings(facts={**CONNECTION, "window": "1h"})
    assert (found.facts.window, found.facts.history, found.facts.api_host) == (3600, 3600, ["pve1"])
    assert (found.run.poll_interval, found.run.lock) == (2, True)


def test_a_preset_has_its_own_defaults() -> None:
    with_preset = settings(plan={"preset": "drs", "max_spread": 12}).policy
    assert with_preset.max_spread == 12
    assert with_preset != settings(plan={"max_spread": 12}).policy


def test_the_console_writes_no_file_of_the_role_but_the_journal() -> None:
    paths = {"outcome_path": "/tmp/outcome.json", "journal_path": "/tmp/journal.jsonl"}
    found = settings(
        facts={**CONNECTION, "snapshot_path": "/tmp/snapshot.json"}, migrate={**CONNECTION, **paths}
    )
    assert (found.facts.snapshot_path, found.run.outcome_path) == (None, None)
    assert found.run.journal_path == "/tmp/journal.jsonl"


def test_the_history_says_that_the_console_started_a_run() -> None:
    found = settings(migrate={**CONNECTION, "started_by": {"ticket": "42"}})
    assert found.run.started_by == {"ticket": "42", "program": "evenkeel-console"}


def test_loads_of_hosts_are_not_measured_by_the_console() -> None:
    assert "balance_demand_source: hosts" in settings(demand_source="hosts").notices[0]
    found = settings(demand_source="prometheus", prometheus={"url": "http://127.0.0.1:9090"})
    assert found.prometheus is not None
    assert not found.notices


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"plan": {"max_spread": "much"}}, "max_spread: 'much' is not a number"),
        ({"facts": {"platform": "xen"}}, "options of cluster_facts: "),
        ({"facts": {**CONNECTION, "window": "soon"}}, "window: 'soon' is not a time"),
        ({"migrate": {**CONNECTION, "nonsense": 1}}, "options of vm_migrate: nonsense"),
    ],
)
def test_wrong_options_are_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(EvenKeelError) as error:
        settings(**more)
    assert str(error.value).startswith(said)
