# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a run that are numbers of something, and values that are not."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.execution import (
    LIMITS,
    ExecutionOptions,
    concurrency_limits,
    failure_policy,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Capacities

TIMES = ("timeout", "run_timeout", "poll_interval")


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "100%", "-5%", "nan", "inf"])
def test_max_failures_is_a_count_or_a_share_of_migrations(text: str) -> None:
    with pytest.raises(InputError, match=r"^max_failures: ") as refusal:
        failure_policy(ExecutionOptions(max_failures=text))
    assert "a number of migrations" in str(refusal.value)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("3", 3), ("10%", 0.1)])
def test_max_failures_is_read(text: str, number: float) -> None:
    assert failure_policy(ExecutionOptions(max_failures=text)).max_failures == number


@pytest.mark.parametrize("wrong", [-1.0, 0.0, nan])
@pytest.mark.parametrize("option", TIMES)
def test_a_time_is_more_than_no_seconds(option: str, wrong: float) -> None:
    given: dict[str, Any] = {option: wrong}
    with pytest.raises(InputError, match=rf"^{option}: .*number of seconds"):
        failure_policy(replace(ExecutionOptions(), **given))


@pytest.mark.parametrize("option", LIMITS)
def test_a_limit_is_at_least_one(option: str) -> None:
    given: dict[str, Any] = {option: 0}
    with pytest.raises(InputError, match=rf"^{option}: .*1"):
        concurrency_limits(
            replace(ExecutionOptions(), **given), Capacities(cluster=4, per_host=2), frozenset()
        )
