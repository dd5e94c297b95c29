# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault × platform × moment: what becomes of each migration, and what must never be.

A plan of four steps: 1 and 2 leave h1, for h2 and h4; 3 comes to h1 once 1 has made room; 4 goes from h3 to
h4. Expected are the ends of the steps in their order: m(igrated), a(lready there), s(kipped), f(ailed),
c(ancelled), or one of several letters where the fault and the end of the migration race each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.tests.fault_injection.conftest import Reset
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support import faults, worker_process
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import (
    MIGRATION_SECONDS,
    PACE,
    PlannedRun,
    carry_out,
    clear_up,
    cluster_of,
    connect,
    places,
    settle,
    starts,
    violations,
)
from ansible_collections.evenkeel.cluster.tests.support.faults import (
    CHECKING,
    LOOKING,
    POLLING,
    STARTING,
    Inject,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

BEFORE, EARLY, LATE, UNSEEN = "before", "at 10 %", "at 90 %", "unseen end"
# Shares of a migration's time after its start was seen.
MOMENTS = {EARLY: 0.1, LATE: 0.85, UNSEEN: 1.5}
# So many times longer migrations take where the machine has so much else to do that a moment passes unused.
LONGER = (1, 4, 16, 64, 256)
LETTERS = {
    "migrated": "m",
    "already_there": "a",
    "skipped": "s",
    "refused": "r",
    "failed": "f",
    "cancelled": "c",
}
ALL, PROXMOX, VCENTER = ("vcenter", "proxmox", "vmmanager"), ("proxmox",), ("vcenter",)
VMMANAGER = ("vmmanager",)
BOTH, CLOCKED = ("proxmox", "vmmanager"), ("vcenter", "vmmanager")
WELL = "m m m m"
ALWAYS = dict.fromkeys((BEFORE, EARLY, LATE, UNSEEN), WELL)


@dataclass(frozen=True)
class Fault:
    """What happens, and what comes of it by the moment at which it happens."""

    name: str
    inject: Inject
    expected: Mapping[str, str]
    platforms: tuple[str, ...] = ALL
    failure_policy: FailurePolicy = field(default_factory=FailurePolicy)
    seconds: float = MIGRATION_SECONDS
    timeout: float = 30.0
    lasts: float = 0.0
    "how long a fault goes on that nothing ends earlier: longer than a busy machine needs to meet it"


FAULTS = (
    Fault("the sky is clear", lambda _simulator: None, {BEFORE: WELL}),
    Fault("sessions end", faults.sessions_end, ALWAYS),
    Fault("a session is not accepted", faults.unauthorized, ALWAYS),
    Fault("looking fails with 503", faults.failing(LOOKING, 503, 3), ALWAYS),
    Fault("polling fails with 502", faults.failing(POLLING, 502, 3), ALWAYS),
    Fault("polling fails with 500", faults.failing(POLLING, 500, 3), {EARLY: WELL, UNSEEN: WELL}),
    Fault("a start fails", faults.failing(STARTING, 500, 1, "101"), {BEFORE: "f m s m"}, PROXMOX),
    Fault("a start is not accepted", faults.failing(STARTING, 400, 1, "101"), {BEFORE: "r m s m"}, BOTH),
    Fault("a start is refused", faults.start_refused("101"), {BEFORE: "r m s m"}),
    Fault("a start is refused for now", faults.start_refused("101", passing=True), {BEFORE: WELL}),
    Fault("a start meets 503", faults.failing(STARTING, 503, 1), {BEFORE: WELL}, (*VCENTER, *VMMANAGER)),
    Fault("starts meet 503", faults.failing(STARTING, 503, 4), {BEFORE: WELL}, VMMANAGER),
    Fault("a start meets 504", faults.failing(STARTING, 504, 1), {BEFORE: WELL, EARLY: WELL}, VMMANAGER),
    Fault("checking meets 502", faults.failing(CHECKING, 502, 2), {BEFORE: WELL, EARLY: WELL}, VMMANAGER),
    Fault("the platform falls asleep", faults.falls_asleep, ALWAYS, VMMANAGER),
    Fault("tasks are listed late", faults.listed_late, {BEFORE: WELL}, VMMANAGER),
    Fault("starts are cut off and listed late", faults.listed_late_and_cut_off, {BEFORE: WELL}, VMMANAGER),
    Fault("tasks are deferred", faults.deferred, {BEFORE: WELL}, VMMANAGER),
    Fault("a target does not suit", faults.unsuitable("101", "h2"), {BEFORE: "r m s m"}, VMMANAGER),
    Fault("what waits gets unsuited", faults.unsuitable("109", "h1"), {EARLY: "m m r m"}, VMMANAGER),
    Fault("a start meets 595", faults.failing(STARTING, 595, 1), ALWAYS, PROXMOX),
    Fault("a start meets 596", faults.failing(STARTING, 596, 1), ALWAYS, PROXMOX),
    Fault("a start meets 599", faults.failing(STARTING, 599, 1), ALWAYS, PROXMOX),
    Fault("checking meets 595", faults.failing(CHECKING, 595, 2), ALWAYS, PROXMOX),
    Fault("polling meets 599", faults.failing(POLLING, 599, 2), ALWAYS, PROXMOX),
    Fault("a start is cut off before", faults.connection_reset(STARTING, "before"), ALWAYS),
    Fault("a start is cut off after", faults.connection_reset(STARTING, "after"), ALWAYS, seconds=0.8),
    Fault(
        "two starts are cut off after",
        faults.connection_reset(STARTING, "after", 2),
        {BEFORE: WELL},
        seconds=0.8,
    ),
    Fault("looks are cut off", faults.connection_reset(LOOKING, "before", 3), ALWAYS),
    Fault("answers are slow", faults.slow, {BEFORE: WELL, EARLY: WELL}),
    Fault("the platform is away for a while", faults.away, ALWAYS),
    Fault("no answer comes for a while", faults.mute, ALWAYS, timeout=0.7),
    Fault("tickets end again and again", faults.short_tickets, {BEFORE: WELL}, PROXMOX, seconds=1.6),
    Fault("a refusal takes long", faults.slow_refusal, ALWAYS, PROXMOX),
    Fault(
        "a target dies",
        faults.host_dies("h2"),
        {BEFORE: "s m s m", EARLY: "f m s m", LATE: "mf m ms m", UNSEEN: WELL},
    ),
    Fault(
        "a source dies",
        faults.host_dies("h1"),
        {BEFORE: "sr sr s m", EARLY: "f f s m", LATE: "mf mf s m", UNSEEN: "m m s m"},
    ),
    Fault("quorum flaps", faults.quorum_flaps, ALWAYS, PROXMOX),
    Fault(
        "quorum is lost",
        faults.quorum_lost,
        {EARLY: "m m s m", LATE: "m m s m", UNSEEN: "m m s m"},
        PROXMOX,
    ),
    Fault(
        "somebody cancels",
        faults.cancelled("101"),
        {EARLY: "c m s m", LATE: "cm m sm m", UNSEEN: WELL},
        seconds=0.8,
    ),
    Fault(
        "a cancelled task goes on",
        faults.cancelled("101", late=True),
        {EARLY: "cm m sm m", LATE: "cm m sm m"},
        seconds=0.5,
    ),
    Fault("a task only says OK", faults.migration_fails("101", error="OK"), {BEFORE: "f m s m"}),
    Fault("a migration fails", faults.migration_fails("101"), {BEFORE: "f m s m"}),
    Fault("it fails and runs there", faults.left_on_target("101", "running"), {BEFORE: WELL}, VMMANAGER),
    Fault("it fails and runs there", faults.left_on_target("101", "running"), {BEFORE: "m m s m"}, PROXMOX),
    Fault("it fails and stops there", faults.left_on_target("101", "stopped"), {BEFORE: "f m s m"}, BOTH),
    Fault("it fails and is paused there", faults.left_on_target("101", "paused"), {BEFORE: "f m s m"}, BOTH),
    Fault("it is paused there", faults.paused_on_arrival("101"), {BEFORE: "f m s m"}, VMMANAGER),
    Fault("somebody pauses a guest", faults.paused("101"), {BEFORE: "s m s m"}, VMMANAGER),
    Fault("somebody pauses a guest", faults.paused("101"), {BEFORE: WELL}, PROXMOX),
    Fault("somebody shuts a guest down", faults.shut_down("109"), {BEFORE: "m m s m", EARLY: "m m s m"}),
    Fault("the check refuses", faults.refused("101", "h2"), {BEFORE: "r m s m"}, VCENTER),
    Fault("the clock is ahead", faults.clock_is_wrong(10_800), {BEFORE: WELL, EARLY: WELL}, CLOCKED),
    Fault("the clock is behind", faults.clock_is_wrong(-10_800), {BEFORE: WELL, EARLY: WELL}, CLOCKED),
    Fault("a node hangs for a while", faults.node_hangs("h2"), {BEFORE: WELL, EARLY: WELL}, PROXMOX),
    Fault("one call is slow", faults.one_call_is_slow("101"), {BEFORE: WELL, EARLY: WELL}, VMMANAGER),
    Fault("no load is told", faults.no_statistics, {BEFORE: WELL, EARLY: WELL}),
    Fault(
        "a target enters maintenance",
        faults.in_state("1", "entering_maintenance"),
        {EARLY: "m m s m"},
        VMMANAGER,
    ),
    Fault(
        "a source dies and its tasks stay",
        faults.host_dies_with_its_tasks("1"),
        {EARLY: "f f s m"},
        VMMANAGER,
    ),
    Fault("a guest is busy for a moment", faults.busy("101", 0.5), {BEFORE: WELL}),
    Fault("a guest is busy for long", faults.busy("101", 12), {BEFORE: "s m s m"}, lasts=12),
    Fault("a guest waits while it is busy", faults.busy("109", 0.5), {EARLY: WELL}),
    Fault("somebody has moved a guest away", faults.put("101", "h4"), {BEFORE: "s m s m"}),
    Fault("somebody has done it already", faults.put("101", "h2"), {BEFORE: "a m m m"}),
    Fault("somebody moves one that waits", faults.put("109", "h4"), {EARLY: "m m s m", LATE: "m m s m"}),
    Fault("somebody is about it", faults.somebody_migrates("101", "h1", "h2"), {BEFORE: WELL}),
    Fault("somebody takes it elsewhere", faults.somebody_migrates("101", "h1", "h4"), {BEFORE: "sf m s m"}),
    Fault(
        "a target goes into maintenance",
        faults.maintenance("h1"),
        {BEFORE: "m m s m", EARLY: "m m s m", LATE: "m m s m", UNSEEN: "m m s m"},
    ),
    Fault(
        "time runs out",
        lambda _simulator: None,
        {BEFORE: "f f s f"},
        failure_policy=FailurePolicy(timeout=0.1 * PACE),
        seconds=0.7,
    ),
    Fault(
        "time runs out and the cancelled go on",
        faults.late_cancels,
        {BEFORE: "fm fm fsm fm"},
        failure_policy=FailurePolicy(timeout=0.1 * PACE),
        seconds=0.7,
    ),
)

HA_FAULTS = (
    Fault("the sky is clear", lambda _simulator: None, {BEFORE: "m m m m ma"}),
    Fault("HA drops a request", faults.ha_drops("101"), {BEFORE: "f m s m ma"}),
    Fault("HA drops what waits", faults.ha_drops("109"), {EARLY: "m m f m ma", LATE: "m m f m ma"}),
    Fault("HA's migration fails", faults.migration_fails("101"), {BEFORE: "f m s m ma"}),
    Fault(
        "a start is cut off after",
        faults.connection_reset(STARTING, "after"),
        {BEFORE: "m m m m ma"},
        seconds=0.8,
    ),
    # Longer than the run takes, also on a slow machine, to ask what came of the start.
    Fault(
        "three starts are cut off after",
        faults.connection_reset(STARTING, "after", 3),
        {BEFORE: "m m m m ma"},
        seconds=3.2,
    ),
    Fault("somebody cancels", faults.cancelled("101"), {LATE: "cf m s m ma"}, seconds=0.8),
    Fault("a target dies", faults.host_dies("h2"), {EARLY: "f m s m ma"}),
    Fault("a source dies", faults.host_dies("h1"), {EARLY: "mf f s m ma"}, seconds=0.8),
    Fault("quorum flaps", faults.quorum_flaps, dict.fromkeys((BEFORE, EARLY, LATE, UNSEEN), "m m m m ma")),
    Fault("a task only says OK", faults.migration_fails("101", error="OK"), {BEFORE: "f m s m ma"}),
    Fault("the platform is away for a while", faults.away, {BEFORE: "m m m m ma", EARLY: "m m m m ma"}),
    Fault("sessions end", faults.sessions_end, dict.fromkeys((BEFORE, EARLY, LATE, UNSEEN), "m m m m ma")),
)


def cases() -> Iterator[Any]:
    for fault in FAULTS:
        for platform in fault.platforms:
            for moment in fault.expected:
                yield pytest.param(fault, platform, moment, id=f"{platform}-{fault.name}-{moment}")
    for fault in HA_FAULTS:
        for moment in fault.expected:
            yield pytest.param(fault, "ha", moment, id=f"ha-{fault.name}-{moment}")


class Waiting:
    """Lets the fault happen when the first migration has run for a share of its time; `missed` when that was
    over before the fault was there.
    """

    def __init__(self, fault: Fault, moment: str, simulator: Simulator) -> None:
        self.struck = moment == BEFORE
        self.missed = False
        self._fault = fault
        self._share = MOMENTS.get(moment, 0.0)
        self._simulator = simulator
        self._earlier = len(simulator.state()["migrations"])

    def __call__(self, progress: Progress) -> None:
        if not self.struck and any(moving.step == 1 for moving in progress.moving):
            self.struck = True
            time.sleep(self._share * self._fault.seconds)
            self._fault.inject(self._simulator)
            over = time.time() - self._fault.seconds
            begun = self._simulator.state()["migrations"][self._earlier :]
            self.missed = self._share < 1 and any(move["started"] < over for move in begun)


def told(outcome: Outcome) -> str:
    return " ".join(LETTERS[migration.result] for migration in outcome.migrations)


@pytest.mark.parametrize(("fault", "platform", "moment"), list(cases()))
def test_a_run_ends_well_whatever_fails(reset: Reset, fault: Fault, platform: str, moment: str) -> None:
    longer = (replace(fault, seconds=times * fault.seconds) for times in LONGER)
    assert any(run_in(reset, one, platform, moment) for one in longer), "the fault came too late every time"


def run_in(reset: Reset, fault: Fault, platform: str, moment: str) -> bool:
    """One run, looked at from all sides; False where the fault came too late to tell anything."""
    simulator, planned = reset(platform)
    simulator.switches(migration_seconds=fault.seconds)
    before = simulator.state()
    waiting = Waiting(fault, moment, simulator)
    with closing(connect(simulator.connection, fault.timeout)) as session:
        # The cluster is found in peace: the fault is for the run.
        cluster = cluster_of(session)
        if moment == BEFORE:
            fault.inject(simulator)
        ends = time.monotonic() + fault.lasts
        outcome = carry_out(planned, session, cluster, failure_policy=fault.failure_policy, observe=waiting)
    assert waiting.struck
    expected = fault.expected[moment].split()
    # What somebody else did was over before the run looked.
    over = outcome.migrations[0].result == "already_there" and LETTERS["already_there"] not in expected[0]
    if waiting.missed or (moment == BEFORE and over):
        return False
    for step, letters in zip(outcome.migrations, expected, strict=True):
        assert LETTERS[step.result] in letters, [(step.result, step.why) for step in outcome.migrations]
    after = settle(simulator)
    assert violations(planned, before, after) == []
    assert all(count == 1 for count in starts(before, after).values()), starts(before, after)
    for step in outcome.migrations:
        arrived = places(after)[step.guest.id] == step.target
        assert arrived or step.result not in ("migrated", "already_there"), step
        # A task that was cancelled may go on when nobody looks any more.
        late = step.result == "failed" and step.why.startswith("exceeded its timeout")
        guest = after["guests"][step.guest.id]
        unwell = guest["power"] != "running" or guest.get("run_state") or fault.name.endswith("paused there")
        assert not arrived or late or unwell or step.result not in ("failed", "skipped", "refused"), step
        assert step.why or step.result in ("migrated", "already_there"), step
    time.sleep(max(0.0, ends - time.monotonic()))
    again_in_peace(simulator, planned, after)
    return True


def again_in_peace(simulator: Simulator, planned: PlannedRun, before: Mapping[str, Any]) -> None:
    """The same command once more, without faults: everything is where an undisturbed run leaves it."""
    clear_up(simulator, planned)
    simulator.switches(migration_seconds=0.02)
    with closing(connect(simulator.connection)) as session:
        outcome = carry_out(planned, session, cluster_of(session))
    assert outcome.status == "done", [(step.result, step.why) for step in outcome.migrations]
    assert places(simulator.state()) == planned.goal
    assert violations(planned, before, simulator.state()) == []


@pytest.mark.parametrize("platform", ALL)
def test_a_refused_start_is_remembered(reset: Reset, tmp_path: Path, platform: str) -> None:
    """The next plans have to avoid this guest on this host."""
    simulator, planned = reset(platform)
    faults.start_refused("101")(simulator)
    worker_process.write(tmp_path, planned, simulator)
    assert worker_process.begin(tmp_path).wait(PATIENCE_SECONDS) == 0, (tmp_path / "worker.log").read_text()
    results = dict(worker_process.remembered(tmp_path))
    assert results.pop("101") == "refused"
    assert set(results.values()) == {"migrated"}
