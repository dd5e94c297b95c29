# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at several moments of the playbook: running migrations, the next runs, and the recorded history.

    .venv/bin/python benchmarks/killed.py [--platform vcenter] [--victim playbook] [--size 6x60] [--random 20]

One try for each platform, victim and moment. With `--random`, the given number of random moments on each
platform, each with a random victim and its own cluster, where a host takes part in few migrations at a time.
The victim is ansible-playbook alone, whose module then continues without it; the module alone; or all
processes, as when the controller fails. The same playbook is run again until it finds nothing to do, which
should take two runs. A line reports how many migrations were started, running and completed in the simulator
at the kill and at the end; how many ends are recorded (all must be, except those that were running and that
no run observed); how many guests were migrated more often than in the plan of an undisturbed run (a guest
that is moved to a third host temporarily is migrated twice); how many guests are on other hosts than in that
plan; and by how many points the spread is larger. Exits with 1 if a guest was migrated too often, or its
migration is not recorded, if there were more migrations than planned, or if the final state is worse: one
more broken rule, or a spread that is larger by more than two points.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import ClusterState, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform, Simulator, start
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import places
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options, run_module
from ansible_collections.evenkeel.cluster.tests.support.playbook import (
    Play,
    doubled,
    gone,
    kill,
    modules,
    wait_until,
)

PLATFORMS: tuple[Platform, ...] = ("vcenter", "proxmox", "vmmanager")
VICTIMS = ("playbook", "module", "everything")
MIGRATION_SECONDS = 2.0
MAX_RUNS = 5
# Points that the end may be less level than after an undisturbed run.
MAX_SPREAD = 2.0


@dataclass(frozen=True)
class Moment:
    """The time of the kill: this many seconds after this share of all migrations is completed and any is
    started; with a share below 0, after the module has started.
    """

    name: str
    share: float
    seconds: float = 0.0


MOMENTS = {
    moment.name: moment
    for moment in (
        Moment("before the first", -1.0),
        Moment("first under way", 0.0),
        Moment("a third done", 0.33),
        Moment("nearly all done", 0.8),
    )
}


def counted(state: dict[str, Any]) -> tuple[int, int, int]:
    """Returns the numbers of migrations started, running and completed."""
    states = [move["state"] for move in state["migrations"]]
    return len(states), states.count("running"), states.count("done")


def moment_came(simulator: Simulator, share: float, planned: int, pid: int) -> bool:
    if share < 0:
        return any(modules(pid))
    begun, _running, done = counted(simulator.state())
    return begun > 0 and done >= share * planned


def facts(simulator: Simulator, play: Play) -> Snapshot:
    """Returns the history that the next plan receives."""
    options = connection_options(simulator.connection)
    database = f"sqlite:///{play.folder}/state/evenkeel/state.db"
    result = run_module("cluster_facts", play.folder, {**options, "state_url": database})
    return Snapshot.from_json(result["ansible_facts"]["evenkeel_snapshot"])


def worse(snapshot: Snapshot, undisturbed: ClusterState) -> tuple[float, set[str]]:
    """Returns by how many points the spread is larger than after an undisturbed run, and the rules that hold
    only after the undisturbed run.
    """
    now = plan(snapshot, Policy()).before
    points = (
        spread - wanted
        for name, spread in now.spread.items()
        if spread is not None and (wanted := undisturbed.spread.get(name)) is not None
    )
    broken = {violation.rule for violation in now.violations}
    return max(points, default=0.0), broken - {violation.rule for violation in undisturbed.violations}


def chosen(arguments: argparse.Namespace) -> Iterator[tuple[Platform, str, Moment]]:
    """Returns the tries: every platform with every victim and moment, or with the given number of random
    ones.
    """
    rng = random.Random(arguments.seed)
    victims = arguments.victim or VICTIMS
    for platform in arguments.platform or PLATFORMS:
        for _number in range(arguments.random):
            share, seconds = rng.uniform(-0.1, 0.9), rng.uniform(0, 0.8 * MIGRATION_SECONDS)
            name = f"{max(share, 0):.0%} + {seconds:.1f} s"
            yield platform, rng.choice(victims), Moment(name, share, seconds)
        for victim in () if arguments.random else victims:
            for moment in arguments.moment or MOMENTS:
                yield platform, victim, MOMENTS[moment]


def tried(
    platform: Platform, victim: str, moment: Moment, size: str, seed: int, options: Mapping[str, object]
) -> bool:
    """Runs one kill and the runs after it; prints a line."""
    hosts, guests = map(int, size.split("x"))
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = Path(name)
        cluster = folder / "cluster.json"
        shape = Shape(hosts=hosts, guests=guests, seed=seed, numbered=platform == "vmmanager")
        cluster.write_text(json.dumps(generate(shape).to_json()))
        seconds = ["--migration-seconds", f"{MIGRATION_SECONDS:g}"]
        with start(platform, [cluster], folder / "simulator", options=seconds) as it:
            path = str(folder / "plan.json")
            play = Play(folder, it, balance_lock_wait=60, balance_plan_path=path, **options)
            play.finish("--check")
            undisturbed = Plan.from_json(json.loads((folder / "plan.json").read_text()))
            steps = undisturbed.migrations
            planned = len(steps)
            goal = places(it.state()) | {step.guest.id: step.target for step in steps}
            process = play.begin()
            came = wait_until(lambda: moment_came(it, moment.share, planned, process.pid), process)
            time.sleep(moment.seconds)
            at_kill = counted(it.state())
            left = kill(process, victim)
            runs = 0
            while runs < MAX_RUNS:
                runs += 1
                if "changed=0 " in play.finish():
                    break
            gone(left)
            while counted(it.state())[1]:
                time.sleep(0.1)
            state = it.state()
            done = {move["guest"] for move in state["migrations"] if move["state"] == "done"}
            snapshot = facts(it, play)
            unknown = done - {guest.id for guest in snapshot.guests if guest.last_migrated_at}
            twice = doubled(state, Counter(step.guest.id for step in steps))
            spread, broken = worse(snapshot, undisturbed.after)
            elsewhere = [guest for guest, host in places(state).items() if host != goal[guest]]
            remembered = len(play.remembered())
    print(
        f"{platform:<9} {victim:<10} {moment.name:<16} {planned:7}"
        f"   {'/'.join(map(str, at_kill)):>8} {'/'.join(map(str, counted(state))):>8}"
        f" {runs:5} {remembered:10} {len(unknown):8} {len(twice):5} {len(elsewhere):9}"
        f" {spread:+6.1f}{'' if came else '   it had ended'}",
        flush=True,
    )
    # No more than an undisturbed run takes, and as good an end: which guests are where may differ.
    return (
        not (twice or unknown or broken)
        and runs < MAX_RUNS
        and spread <= MAX_SPREAD
        and len(state["migrations"]) <= planned
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--platform", action="append", choices=PLATFORMS)
    parser.add_argument("--victim", action="append", choices=VICTIMS)
    parser.add_argument("--moment", action="append", choices=list(MOMENTS))
    parser.add_argument("--random", type=int, default=0, metavar="N", help="moments on each platform")
    parser.add_argument("--size", default="6x60", metavar="HOSTSxGUESTS")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    print("                                       begun/under way/done                        not known")
    print(
        "platform  victim     moment           planned   at kill  at end  runs remembered to facts twice"
        " elsewhere spread"
    )
    options = {"balance_max_per_host": 1} if arguments.random else {}
    good = [
        tried(
            platform,
            victim,
            moment,
            arguments.size,
            arguments.seed + number * bool(arguments.random),
            options,
        )
        for number, (platform, victim, moment) in enumerate(chosen(arguments))
    ]
    print(f"{sum(good)} of {len(good)} as they should be")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
