# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that pauses: nothing new starts, what runs ends, and it goes on, or is stopped, from there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import line_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.codec import encode

from .slow import HandClock, Run, Slow
from .test_failure_policy import results, step

PLAN = [step(1), step(2, after=[1]), step(3, target="c", after=[2])]
WHY = "root asked for it"


def paused_run(cluster: Path, stop: StopSignal, at: float, until: float, then: str = "resume") -> Run:
    """Pauses so many seconds after the start, and goes on, or stops, at another moment."""
    slow = Slow(str(cluster), HandClock())

    def told(_progress: Progress) -> None:
        now = slow.clock.seconds - 1000
        if at <= now < until:
            stop.pause(WHY)
        elif now >= until and then == "resume":
            stop.resume()
        elif now >= until:
            stop.request(then)

    return Run(slow, PLAN, FailurePolicy(poll_interval=1), stop=stop, told=told)


def test_nothing_starts_while_it_is_paused_and_then_it_goes_on(cluster: Path) -> None:
    run = paused_run(cluster, StopSignal(), at=5, until=500)
    outcome = run.run()
    assert (outcome.status, results(outcome)) == ("done", ["migrated"] * 3)
    first, second, third = (at - 1000 for _guest, at in run.platform.starts)
    assert first < 5 < 500 <= second < third < 530
    ended = [one for one in run.progress if one.ended == {"migrated": 1} and one.paused]
    assert {one.paused for one in ended} == {WHY}
    assert not run.progress[-1].paused
    # What is left is estimated by the time in which something moved.
    assert all(one.seconds_left is None or one.seconds_left < 60 for one in run.progress)


def test_the_lock_is_renewed_while_it_is_paused(cluster: Path) -> None:
    run = paused_run(cluster, StopSignal(), at=5, until=500)
    run.run()
    moments = [moment for moment in run.renewed if moment - 1000 < 500]
    assert max(b - a for a, b in pairwise(moments)) <= 2


def test_a_stop_ends_a_paused_run(cluster: Path) -> None:
    outcome = paused_run(cluster, StopSignal(), at=5, until=100, then="enough").run()
    assert (outcome.status, results(outcome)) == ("stopped", ["migrated", "skipped", "skipped"])
    assert {one.why for one in outcome.migrations[1:]} == {"enough"}


def test_a_pause_does_not_defeat_the_deadline(cluster: Path) -> None:
    outcome = paused_run(cluster, StopSignal(deadline=1060), at=5, until=10_000).run()
    assert (outcome.status, outcome.count("skipped")) == ("stopped", 2)
    assert outcome.seconds < 70


@pytest.mark.parametrize("own", [True, False])
def test_a_file_pauses_it(cluster: Path, tmp_path: Path, own: bool) -> None:
    file = tmp_path / "pause"
    file.touch()
    signal = StopSignal(pause_file=str(file))
    slow = Slow(str(cluster), HandClock())

    def told(_progress: Progress) -> None:
        if slow.clock.seconds > 1100:
            file.unlink(missing_ok=True)

    run = Run(slow, PLAN, stop=signal if own else StopSignal(requests=signal), told=told)
    assert run.run().status == "done"
    assert slow.starts[0][1] > 1100
    assert run.progress[0].paused == f"the pause file {file} exists"
    assert line_of(encode(run.progress[0])) == f"0 of 3 done; paused: the pause file {file} exists"
