# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that does not answer at all, or not about everything, is given up at some time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import cast

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    MAX_UNREACHABLE_SECONDS,
    FailurePolicy,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    PlatformError,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    MigrationRequest,
    MigrationState,
    Platform,
)
from ansible_collections.evenkeel.cluster.tests.fault_injection.conftest import Reset
from ansible_collections.evenkeel.cluster.tests.fault_injection.test_faults import ALL, again_in_peace, told
from ansible_collections.evenkeel.cluster.tests.support import faults
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import (
    carry_out,
    cluster_of,
    connect,
    settle,
    starts,
)
from ansible_collections.evenkeel.cluster.tests.support.faults import LOOKING, Inject


@pytest.mark.parametrize(
    ("platform", "inject"),
    [
        ("vcenter", faults.failing(LOOKING, 503, 10_000)),
        ("proxmox", faults.failing(LOOKING, 503, 10_000)),
        ("proxmox", faults.quorum_lost),
        ("vmmanager", faults.failing(LOOKING, 503, 10_000)),
    ],
)
def test_what_can_not_even_be_looked_at_is_left_alone(reset: Reset, platform: str, inject: Inject) -> None:
    simulator, planned = reset(platform)
    before = simulator.state()
    with closing(connect(simulator.connection)) as session:
        cluster = cluster_of(session)
        inject(simulator)
        with pytest.raises(PlatformError):
            carry_out(planned, session, cluster)
    assert starts(before, simulator.state()) == {}
    again_in_peace(simulator, planned, simulator.state())


class Untold:
    """A platform that shows everything but what becomes of its tasks."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __getattr__(self, name: str) -> object:
        return getattr(self._platform, name)

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        raise Unreachable("nothing is told of tasks", where="poll")


@pytest.mark.parametrize("platform", ALL)
def test_tasks_that_nothing_is_told_of_are_not_asked_about_for_ever(reset: Reset, platform: str) -> None:
    simulator, planned = reset(platform)
    with closing(connect(simulator.connection)) as session:
        outcome = carry_out(planned, cast(Platform, Untold(session)), cluster_of(session))
    # They have arrived, which is seen at the end; what waited for one of them was not begun any more.
    assert told(outcome) == "m m s m"
    assert outcome.status == "stopped"
    assert all("nothing is told of tasks" in step.why for step in outcome.migrations)
    again_in_peace(simulator, planned, settle(simulator))


class NotedClock(SystemClock):
    """A clock on which only waits take time; it knows how long each was."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.mark.parametrize(("luck", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_a_platform_in_trouble_is_asked_less_and_less_at_random_moments_and_not_for_ever(
    reset: Reset, luck: float, share: float
) -> None:
    simulator, planned = reset("proxmox")
    clock = NotedClock()
    with closing(connect(simulator.connection)) as session:
        work = planned.work(cluster_of(session))
        simulator.switches(fail_calls=[{"call": LOOKING["proxmox"], "error": 503}])
        run = Executor(
            work,
            session,
            concurrency=ConcurrencyLimits(cluster=4, per_host=2, per_datastore=2),
            failure_policy=FailurePolicy(poll_interval=8.0),
            journal=Journal(None, ""),
            stop=StopSignal(),
            clock=clock,
            observe=lambda _progress: None,
            rng=lambda: luck,
        )
        with pytest.raises(PlatformError):
            run.run()
    assert clock.waits[:6] == pytest.approx([wait * share for wait in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4)])
    assert set(clock.waits[6:]) == {8.0 * share}
    # Its clock goes on by the waits alone: the last one ends it, and no earlier one would have.
    assert sum(clock.waits[:-1]) <= MAX_UNREACHABLE_SECONDS <= sum(clock.waits)
