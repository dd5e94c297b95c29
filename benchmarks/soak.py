# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random plans, random faults, random kills: checks invariants, as the simulators saw the runs.

    .venv/bin/python benchmarks/soak.py [--runs 500] [--seed 1] [--platform vcenter]…

A run has a generated cluster on its own simulator, the plan for it, and up to three parts: each meets up to
three faults at random moments, or is killed in the middle with or without its journal. Then the faults end,
and the same plan is run once more: every guest must be where an undisturbed run leaves it. 500 runs take
about half an hour. Prints a line for each violation, with the seed that reproduces it (`--runs 1 --seed
SEED`), and the totals at the end; exits with 1 if there was any violation.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy, Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import UnsafePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.tests.simulators.launch import LaunchError, Platform, Simulator
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
    violations,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

PLATFORMS: list[Platform] = ["vcenter", "proxmox", "vmmanager"]
STEPS = range(2, 9)
"""How many migrations a plan has: fewer are no journey, more take long."""


def planned_run_of(seed: int, platform: Platform, *, by_ha: bool = False) -> PlannedRun:
    """Returns a small unbalanced cluster, with hosts numbered as on the platform, and its plan. `by_ha`: as
    read when HA follows the rules.
    """
    rng = random.Random(seed)
    while True:
        shape = Shape(
            hosts=rng.randint(3, 5),
            guests=rng.randint(9, 22),
            seed=rng.randrange(10**9),
            fill=rng.uniform(0.4, 0.7),
            broken=0.2,
            fixed=0,
            numbered=platform == "vmmanager",
            unequal=rng.choice([1.0, 1.0, 2.0]),
            agents=rng.choice([0, 1, 3]) if platform == "vcenter" else 0,
            chains=rng.choice([0, 0, 1]),
        )
        snapshot = generate(shape)
        if by_ha:
            snapshot = replace(snapshot, rules=tuple(map(_of_ha, snapshot.rules)))
        elif platform == "vcenter":
            # As they are read there: the planner knows that vCenter enforces them.
            rules = (
                replace(rule, source=f"drs-rule:{rule.name}", enforced=rule.strict) for rule in snapshot.rules
            )
            snapshot = replace(snapshot, rules=tuple(rules))
        policy = Policy(aggressiveness=rng.randint(2, 5))
        if rng.random() < 0.25:
            leaving = rng.choice(snapshot.hosts).id
            policy = Policy(goal="evacuate", evacuate=Selector(names=(leaving,)))
        plan = make_plan(snapshot, policy)
        if len(plan.migrations) in STEPS:
            return PlannedRun(
                snapshot=snapshot,
                migrations=plan.migrations,
                rules=snapshot.rules,
                limits=plan.policy.limits,
            )


def _of_ha(rule: Rule) -> Rule:
    """HA does not support even spreads."""
    if rule.kind == "even_spread":
        return rule
    together = rule.strict and rule.kind == "affinity"
    return replace(rule, source=f"ha-rule:{rule.name}", co_migrates=together, enforced=rule.strict)


def some_fault(planned: PlannedRun, platform: str, rng: random.Random) -> tuple[str, faults.Inject]:
    """Returns a random fault of the matrix, on a guest or host of this plan."""
    step = rng.choice(list(planned.migrations))
    guest, host = step.guest.id, rng.choice([step.source, step.target])
    times = rng.randint(1, 3)
    choices: dict[str, faults.Inject] = {
        "sessions end": faults.sessions_end,
        "not authenticated": faults.unauthorized,
        "503 on a look": faults.failing(faults.LOOKING, 503, times),
        "502 on a poll": faults.failing(faults.POLLING, 502, times),
        "503 on a start": faults.failing(faults.STARTING, 503, 1),
        "look cut off": faults.connection_reset(faults.LOOKING, "before", times),
        "start cut off before": faults.connection_reset(faults.STARTING, "before", times),
        "start cut off after": faults.connection_reset(faults.STARTING, "after", times),
        "slow answers": faults.slow,
        "away for a while": faults.away,
        "host dies": faults.host_dies(host),
        "maintenance": faults.maintenance(host),
        "somebody cancels": faults.cancelled(guest),
        "late cancel": faults.cancelled(guest, late=True),
        "task only says OK": faults.migration_fails(guest, rng.uniform(0, 99), error="OK", count=1),
        "migration fails": faults.migration_fails(guest, rng.uniform(0, 99), count=1),
        "busy guest": faults.busy(guest, rng.uniform(0.1, 3)),
        "somebody shuts it down": faults.shut_down(guest),
        "no statistics": faults.no_statistics,
    }
    if platform != "vcenter":
        choices |= {
            "a paused guest": faults.paused(guest),
            "no history": faults.no_history,
            **{
                f"fails on its target, {power}": faults.left_on_target(guest, power)
                for power in ("running", "paused", "stopped")
            },
        }
    if platform == "vcenter":
        choices |= {
            "refused by the check": faults.refused(guest, step.target),
            "enters maintenance": faults.enters_maintenance(host),
            "clock is ahead": faults.clock_is_wrong(10_800),
            "clock is behind": faults.clock_is_wrong(-10_800),
        }
    if platform == "proxmox":
        choices |= {
            "a lock that stays": faults.left_on_target(guest, "running", lock=True),
            "a node hangs": faults.node_hangs(host),
            "595 on a start": faults.failing(faults.STARTING, 595, 1),
            "596 on a check": faults.failing(faults.CHECKING, 596, times),
            "599 on a poll": faults.failing(faults.POLLING, 599, times),
            "quorum flaps": faults.quorum_flaps,
            "quorum lost": faults.quorum_lost,
            "HA drops": faults.ha_drops(guest),
            "short tickets": faults.short_tickets,
            "slow refusal": faults.slow_refusal,
        }
    if platform == "vmmanager":
        choices |= {
            "504 on a start": faults.failing(faults.STARTING, 504, 1),
            "502 on a check": faults.failing(faults.CHECKING, 502, times),
            "the platform falls asleep": faults.falls_asleep,
            "listed late": faults.listed_late,
            "listed late and cut off": faults.listed_late_and_cut_off,
            "deferred": faults.deferred,
            "unsuitable": faults.unsuitable(guest, step.target),
            "host dies with its tasks": faults.host_dies_with_its_tasks(host),
            "paused on arrival": faults.paused_on_arrival(guest),
            "entering maintenance": faults.in_state(host, "entering_maintenance"),
            "a node in a strange state": faults.in_state(host, "unreachable"),
            "clock is ahead": faults.clock_is_wrong(10_800),
            "clock is behind": faults.clock_is_wrong(-10_800),
            "one call is slow": faults.one_call_is_slow(guest),
        }
    return rng.choice(sorted(choices.items()))


class Storm:
    """Injects faults during a run, each at its moment."""

    def __init__(self, simulator: Simulator, planned: PlannedRun, rng: random.Random) -> None:
        platform = simulator.connection.platform
        self._simulator = simulator
        self._plan = sorted(
            (
                (rng.uniform(0, 4 * MIGRATION_SECONDS), *some_fault(planned, platform, rng))
                for _number in range(rng.randint(0, 3))
            ),
            key=lambda entry: entry[0],
        )
        self.struck: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _blow(self) -> None:
        began = time.monotonic()
        for moment, name, inject in self._plan:
            if self._over.wait(max(0.0, began + moment - time.monotonic())):
                return
            try:
                inject(self._simulator)
            except (LaunchError, EvenKeelError):
                # Such a thing can't happen now: a guest that is under way is not made busy.
                continue
            self.struck.append(name)


def failure_policy_of(rng: random.Random) -> FailurePolicy:
    return FailurePolicy(
        timeout=rng.choice([3600.0, 3600.0, 0.6 * MIGRATION_SECONDS * PACE]),
        on_failure=rng.choice(["continue", "continue", "stop", "rollback"]),
    )


def one_part(
    simulator: Simulator, planned: PlannedRun, folder: Path, rng: random.Random, seen: Counter[str]
) -> list[str]:
    """Runs the plan once, killed or not; returns the violations."""
    before = settle(simulator)
    killed = rng.random() < 0.3
    failure_policy = failure_policy_of(rng)
    results: Mapping[str, str] = {}
    with Storm(simulator, planned, rng) as storm:
        if killed:
            _kill(folder, rng, failure_policy)
            if rng.random() < 0.3:
                (folder / "journal").unlink(missing_ok=True)
        else:
            results = _sail(simulator, planned, folder, failure_policy)
    seen.update(storm.struck)
    seen["killed"] += killed
    after = settle(simulator)
    found = violations(planned, before, after, _companions(planned))
    # Partners go one after the other; what stops the second, a kill or a refusal, is mended by a later run.
    hindered = {guest for guest, result in results.items() if result not in ("migrated", "already_there")}
    torn = {
        f"rule {rule.name} is broken"
        for rule in planned.rules
        if rule.kind == "affinity" and (killed or hindered & set(rule.guests))
    }
    found = [line for line in found if line not in torn]
    if failure_policy.on_failure == "rollback":
        # What goes home is migrated twice, and by the same way.
        found = [line for line in found if "was migrated" not in line]
    moved = places(after)
    last = {step.guest.id: step.target for step in planned.migrations}
    # A guest on its target that does not run there, or is still locked, has not been migrated well.
    unwell = {
        guest
        for guest, state in after["guests"].items()
        if state["power"] != "running" or state.get("run_state") or state.get("lock")
    }
    found += [
        f"guest {guest} is called {result} and is on {moved[guest]}"
        for guest, result in results.items()
        if (result in ("migrated", "already_there")) != (moved[guest] == last[guest])
        and result not in ("cancelled", "skipped", "refused")
        and not (result == "failed" and (guest in unwell or _left_unwell(storm.struck)))
    ]
    return found


def _left_unwell(struck: Sequence[str]) -> bool:
    """Returns whether a guest may be on its target in a bad state, as HA sees it or because of earlier
    faults.
    """
    return any("paused" in name or "on its target" in name or "stays" in name for name in struck)


def _kill(folder: Path, rng: random.Random, failure_policy: FailurePolicy) -> None:
    home = ["--on-failure", "rollback"] if failure_policy.on_failure == "rollback" else []
    process = worker_process.begin(folder, *home)
    event, times = rng.choice(["plan", "begin", "started", "ended"]), rng.randint(1, 3)
    alarm = time.monotonic() + 20
    while (
        process.poll() is None
        and worker_process.journal(folder).count(event) < times
        and time.monotonic() < alarm
    ):
        time.sleep(0.005)
    time.sleep(rng.uniform(0, MIGRATION_SECONDS))
    process.kill()
    process.wait()


def _sail(
    simulator: Simulator, planned: PlannedRun, folder: Path, failure_policy: FailurePolicy
) -> dict[str, str]:
    """Returns the result of the run for every guest that the plan migrates once."""
    try:
        with closing(connect(simulator.connection)) as platform:
            outcome = carry_out(
                planned,
                platform,
                cluster_of(platform),
                failure_policy=failure_policy,
                journal=folder / "journal",
            )
    except EvenKeelError:
        # It could not even begin, or not go on: nothing was said that could be wrong.
        return {}
    times = Counter(step.guest.id for step in outcome.migrations)
    return {step.guest.id: step.result for step in outcome.migrations if times[step.guest.id] == 1}


def _companions(planned: PlannedRun) -> list[str]:
    """Returns the guests that HA may move along with another one."""
    return [guest for rule in planned.rules if rule.kind == "affinity" for guest in rule.guests]


def in_peace(simulator: Simulator, planned: PlannedRun, folder: Path) -> list[str]:
    """Runs the same plan twice without faults; returns the violations."""
    clear_up(simulator, planned)
    simulator.switches(migration_seconds=0.05)
    before = simulator.state()
    for _number in range(2):
        # An earlier part that was going home goes there first.
        with closing(connect(simulator.connection)) as platform:
            outcome = carry_out(planned, platform, cluster_of(platform), journal=folder / "journal")
    found = violations(planned, before, simulator.state(), list(planned.places))
    if places(simulator.state()) != planned.goal:
        found.append(
            f"the end is another: {[(step.step, step.why) for step in outcome.migrations if step.why]}"
        )
    return found


def run(seed: int, platform: Platform, seen: Counter[str]) -> list[str]:
    """Returns the violations of one run, and counts the faults that it met."""
    rng = random.Random(f"{seed} {platform}")
    options = rng.choice([[], ["--no-rules-as-ha"]]) if platform == "proxmox" else []
    try:
        planned = planned_run_of(seed, platform, by_ha=platform == "proxmox" and not options)
    except UnsafePlan as error:
        return [str(error)]
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with planned.start(platform, folder / "simulator", options) as simulator:
            worker_process.write(folder, planned, simulator)
            found: list[str] = []
            for _number in range(rng.randint(1, 3)):
                found += one_part(simulator, planned, folder, rng, seen)
            return found + in_peace(simulator, planned, folder)
    finally:
        shutil.rmtree(folder)


def soak(
    seeds: range, platforms: list[Platform], say: Callable[[str], None]
) -> tuple[Counter[str], list[str]]:
    """Returns the faults of all runs, and the violations."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for seed in seeds:
        platform = platforms[seed % len(platforms)]
        wrong = run(seed, platform, seen)
        for line in wrong:
            say(f"seed {seed} on {platform}: {line}")
        found += wrong
        if seed % 25 == 0:
            say(f"seed {seed}: {sum(seen.values())} faults so far, {len(found)} violations")
    return seen, found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next has the next")
    parser.add_argument("--platform", action="append", choices=PLATFORMS)
    arguments = parser.parse_args()
    began = time.monotonic()
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    seen, found = soak(seeds, arguments.platform or PLATFORMS, lambda line: print(line, flush=True))
    for name, times in sorted(seen.items()):
        print(f"  {times:5} {name}")
    print(
        f"{arguments.runs} runs (seeds {seeds.start} to {seeds.stop - 1}), {sum(seen.values())} faults"
        f" injected, {len(found)} violations, {time.monotonic() - began:.0f} s"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
