# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that failed has a page too: an older one in its place would be taken for its own."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.tests.unit.planning.test_scenarios import cluster


def test_an_error_alone_makes_a_page() -> None:
    page = render(Given(error="pve1: the API does not answer <b>", cluster="prod"))
    assert "The run failed." in page
    assert "pve1: the API does not answer &lt;b&gt;" in page
    assert "<title>prod: The run failed.</title>" in page


def test_an_error_comes_before_what_was_planned() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}},
            "guests": {f"g{number}": {"host": "h1", "memory": 20} for number in range(4)},
        }
    )
    made = plan(snapshot, Policy())
    assert made.migrations
    page = render(Given(snapshot=snapshot, plan=made, error="Another run has the lock.", notes=("Round 2.",)))
    assert page.index("The run failed.") < page.index("Another run has the lock.") < page.index("Round 2.")
    assert "g0" in page


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(
        InputError, match="snapshot is required: or plan, outcome, placement, history or error"
    ):
        Given(cluster="prod")
