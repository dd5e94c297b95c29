# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balances a fleet of simulated Proxmox VE clusters: seconds, processor time and memory for each cluster.

    .venv/bin/python benchmarks/fleet.py [--clusters 30] [--way playbook] [--forks 25] [--strategy linear]

Ways: `playbook`, one ansible-playbook evenkeel.cluster.balance with forks; `slices`, four jobs at once, laid
out as AWX lays out job slices, by ansible-runner, with one PostgreSQL; `twice`, two such playbooks at once
over the same clusters with one PostgreSQL. Repeat --clusters, --way and --forks for several runs; --dead adds
two dead platforms, one that accepts and never answers and one that refuses, and runs with and without them.

Each run prints a line, and with --json a file has all figures. It exits with 1 if a guest was migrated twice,
a migration was not reported, a lock was left, or a cluster has no result. The Python is one without what the
tests keep between modules (tools/quick): users have none of that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ansible

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import LOCKS
from ansible_collections.evenkeel.cluster.tests.support import awx_job, fleet, postgresql
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants

PACKAGES = Path(ansible.__file__).parents[1]
MIB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 3.0
SLICES = 4


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One run: what is balanced, how, and with what."""

    way: str
    clusters: int
    forks: int
    strategy: str
    files: bool
    database: str
    dead: bool = False


@dataclass(kw_only=True)
class Figures:
    """What one run has cost. Memory in MiB, time in seconds; `ends`: the last migration of each cluster."""

    setup: Setup
    seconds: float = 0.0
    processor: float = 0.0
    simulators: float = 0.0
    database: float = 0.0
    controller_memory: float = 0.0
    all_memory: float = 0.0
    largest_process: float = 0.0
    processes: int = 0
    migrations: int = 0
    calls: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        setup, number = self.setup, self.setup.clusters
        return (
            f"{setup.way:<9}{number:>4} clusters {setup.forks:>3} forks {setup.strategy:<12}"
            f"{self.seconds:7.1f} s {self.seconds / number:6.2f} s each"
            f"   CPU each: {self.processor / number:5.2f} s, simulator {self.simulators / number:5.2f} s,"
            f" database {self.database / number:5.3f} s"
            f"   memory: controllers {self.controller_memory:5.0f} MiB, all {self.all_memory:6.0f} MiB,"
            f" {self.processes} processes, largest {self.largest_process:4.0f} MiB"
            f"   {self.calls / number:.0f} calls, {self.migrations / number:.1f} migrations each"
            f"   {len(self.failed)} failed, {len(self.wrong)} wrong"
        )


class Watch:
    """Samples the memory of controllers and of all that they have begun."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.controllers = self.everything = 0.0
        self.processes = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            mine = [*self._roots, *(pid for root in self._roots for pid in descendants(root))]
            sizes = {pid: _proportional(pid) for pid in mine}
            self.everything = max(self.everything, sum(sizes.values()))
            self.processes = max(self.processes, len(mine))
            self.controllers = max(self.controllers, sum(_resident(pid) for pid in _playbooks(mine)))


def _proportional(pid: int) -> float:
    """Memory of a process in MiB; what it shares with its forks counts once among all of them."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _resident(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / MIB
    return 0.0


def _playbooks(pids: Sequence[int]) -> list[int]:
    """The ansible-playbooks among them, without their forks."""
    parents = {}
    for pid in pids:
        with suppress(OSError):
            if b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes():
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                parents[pid] = int(stat[1])
    return [pid for pid, parent in parents.items() if parent not in parents]


def _ticks(pid: int, *, ended: bool = False) -> float:
    """Processor seconds of a process, and of its children that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if ended else 13])) / TICKS
    return 0.0


def plain_python(folder: Path) -> Path:
    """A Python as a user has it, with the packages of this one; returns its programs' folder."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    # A .pth file of that folder is not read, so tools/quick is not loaded.
    (site / "packages.pth").write_text(f"{PACKAGES}\n")
    program = folder / "bin" / "ansible-playbook"
    program.write_text(
        f"#!{folder}/bin/python\nimport sys\nfrom ansible.cli.playbook import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    return folder / "bin"


def _environment(programs: Path, home: Path, setup: Setup, state_url: str) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    if "ANSIBLE_COLLECTIONS_PATH" in os.environ:
        given["ANSIBLE_COLLECTIONS_PATH"] = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    return {
        **given,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "EVENKEEL_STATE_URL": state_url,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_STRATEGY": setup.strategy,
        "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.cluster.summary",
        "ANSIBLE_SHOW_CUSTOM_STATS": "1",
    }


def begin_playbook(
    folder: Path, programs: Path, setup: Setup, inventory: Mapping[str, Any], state_url: str
) -> subprocess.Popen[bytes]:
    """As a user runs it; what it prints is in the file `printed`."""
    folder.mkdir()
    variables = inventory["_meta"]["hostvars"]
    (folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": variables}}))
    command = [str(programs / "ansible-playbook"), "evenkeel.cluster.balance"]
    command += ["-i", str(folder / "clusters.json"), "--forks", str(setup.forks)]
    with (folder / "printed").open("wb") as printed:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env=_environment(programs, folder / "home", setup, state_url),
        )


def begin_job(
    folder: Path, programs: Path, setup: Setup, inventory: Mapping[str, Any], state_url: str
) -> subprocess.Popen[bytes]:
    """One job slice; its status and artifacts are in the file `job.json`."""
    folder.mkdir()
    (folder / "slice.json").write_text(
        json.dumps({"inventory": inventory, "forks": setup.forks, "state_url": state_url})
    )
    with (folder / "printed").open("wb") as printed:
        return subprocess.Popen(
            [programs / "python", __file__, "--job", str(folder)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env=_environment(programs, folder / "home", setup, state_url),
        )


def run_job(folder: Path) -> None:
    """In a process of its own: ansible-runner on what `begin_job` has written."""
    given = json.loads((folder / "slice.json").read_text())
    state = awx_job.Credential("state", {"url": given["state_url"]})
    launch = awx_job.Launch("balance", {}, given["inventory"], [state], forks=given["forks"])
    (folder / "job").mkdir()
    (folder / "job.json").write_text(json.dumps(awx_job.run(launch, folder / "job")))


def results_of(folder: Path) -> dict[str, dict[str, Any]]:
    """What the role has published, by cluster."""
    if (folder / "job.json").exists():
        job = json.loads((folder / "job.json").read_text())
        published: dict[str, dict[str, Any]] = job["artifacts"].get("evenkeel_balance", {})
        return published
    _, _, stats = (folder / "printed").read_text().rpartition("RUN: ")
    if not stats:
        return {}
    data: dict[str, Any] = json.JSONDecoder().raw_decode(stats.lstrip())[0]
    return dict(data.get("evenkeel_balance", {}))


def measure(setup: Setup, folder: Path, programs: Path, running: fleet.Fleet) -> Figures:
    """Balances the fleet once, as `setup` has it."""
    figures = Figures(setup=setup)
    with ExitStack() as stack:
        dead: Mapping[str, Mapping[str, object]] = {}
        if setup.dead:
            ca_path = next(iter(running.clusters.values())).ca_path
            dead = stack.enter_context(fleet.dead_platforms(ca_path)).hosts
        url, postmaster = stack.enter_context(database(setup, folder))
        options: dict[str, object] = {"balance_lock_wait": 600} if setup.way == "twice" else {}
        if setup.files:
            for name in ("snapshot", "plan", "outcome"):
                path = f"{folder}/files/{{{{ inventory_hostname }}}}/{name}.json"
                options[f"balance_{name}_path"] = path
        inventory = running.inventory(dead, **options)
        parts = awx_job.sliced(inventory, SLICES) if setup.way == "slices" else [inventory]
        parts *= 2 if setup.way == "twice" else 1
        begin = begin_job if setup.way == "slices" else begin_playbook
        before = {pid: _ticks(pid) for pid in running.processes}
        database_before = _ticks(postmaster, ended=True) if postmaster else 0.0
        began, began_at = time.monotonic(), time.time()
        folders = [folder / f"controller-{number + 1}" for number in range(len(parts))]
        controllers = [
            begin(place, programs, setup, part, url) for place, part in zip(folders, parts, strict=True)
        ]
        with Watch([controller.pid for controller in controllers]) as watch:
            for controller in controllers:
                _, status, usage = os.wait4(controller.pid, 0)
                controller.returncode = os.waitstatus_to_exitcode(status)
                figures.processor += usage.ru_utime + usage.ru_stime
                figures.largest_process = max(figures.largest_process, usage.ru_maxrss / 1024)
        figures.seconds = time.monotonic() - began
        figures.simulators = sum(_ticks(pid) - ticks for pid, ticks in before.items())
        if postmaster:
            figures.database = _ticks(postmaster, ended=True) - database_before
        figures.controller_memory, figures.all_memory = watch.controllers, watch.everything
        figures.processes = watch.processes
        judge(figures, folders, running.states(), url, began_at)
    return figures


def judge(
    figures: Figures, folders: Sequence[Path], states: Mapping[str, Any], url: str, began_at: float
) -> None:
    """What the platforms, the published results and the database say of the run."""
    results: dict[str, dict[str, Any]] = {}
    for name, result in (item for place in folders for item in results_of(place).items()):
        earlier = results.get(name)
        if earlier is None:
            results[name] = result
        elif earlier["status"] == result["status"] == "done":
            # The second of two runs: their migrations together are those of the cluster.
            total = sum((one["outcome"] or {}).get("migrated", 0) for one in (earlier, result))
            results[name] = {**result, "outcome": {"migrated": total}}
    for name, state in states.items():
        ended = [migration["ended"] for migration in state["migrations"] if migration["ended"]]
        figures.migrations += len(ended)
        figures.ends[name] = max(ended) - began_at if ended else 0.0
    figures.calls = sum(sum(state["calls"].values()) for state in states.values())
    figures.failed = sorted(name for name, result in results.items() if result["status"] == "failed")
    figures.wrong = fleet.faults(states, results)
    with open_database(url) as opened:
        left = opened.read(lambda connection: [row.cluster for row in connection.execute(LOCKS.select())])
    figures.wrong += [f"{cluster}: its lock was left" for cluster in left]
    if figures.wrong:
        for place in folders:
            print((place / "printed").read_text()[-2000:], file=sys.stderr)


@contextmanager
def database(setup: Setup, folder: Path) -> Iterator[tuple[str, int | None]]:
    """The URL of a new state database, and the process of its server."""
    if setup.database == "sqlite":
        yield f"sqlite:///{folder}/state.db", None
        return
    with postgresql.running() as server:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        yield server.new_database(), pid


def one_run(setup: Setup, shape: Shape, arguments: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory(prefix="evenkeel-fleet-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = plain_python(folder / "python")
        with fleet.running(
            folder / "clusters",
            setup.clusters,
            shape,
            processes=arguments.processes,
            migration_seconds=arguments.migration_seconds,
        ) as running:
            return measure(setup, folder, programs, running)


def growth(runs: Sequence[Figures]) -> list[str]:
    """How what a cluster costs grows from the smallest to the largest run of the same kind."""
    lines = []
    kinds: dict[tuple[object, ...], list[Figures]] = {}
    for run in runs:
        about = run.setup
        kinds.setdefault((about.way, about.forks, about.strategy, about.dead), []).append(run)
    for kind, members in kinds.items():
        small, *_, large = sorted([members[0], *members], key=lambda run: run.setup.clusters)
        one, other = small.setup.clusters, large.setup.clusters
        if one == other:
            continue
        ratios = [
            f"{what} × {(after / other) / (before / one):.2f}"
            for what, before, after in (
                ("seconds", small.seconds, large.seconds),
                ("CPU", small.processor, large.processor),
                ("controller's memory", small.controller_memory, large.controller_memory),
            )
        ]
        more = (large.controller_memory - small.controller_memory) / (other - one)
        lines.append(
            f"{kind[0]}, {kind[1]} forks, {kind[2]}: from {one} to {other} clusters, each costs"
            f" {', '.join(ratios)}; the controller grows by {more:.2f} MiB a cluster"
        )
    return lines


def delays(runs: Sequence[Figures]) -> list[str]:
    """How much later the living clusters end beside dead platforms."""
    lines = []
    for dead in (run for run in runs if run.setup.dead):
        for alone in runs:
            if {**asdict(alone.setup), "dead": True} == asdict(dead.setup) and not alone.setup.dead:
                before = statistics.median(alone.ends.values()), max(alone.ends.values())
                after = statistics.median(dead.ends.values()), max(dead.ends.values())
                lines.append(
                    f"{dead.setup.way}, {dead.setup.strategy}: the last migration of the living clusters"
                    f" ended after {before[0]:.0f} s (median) and {before[1]:.0f} s (last) alone,"
                    f" {after[0]:.0f} s and {after[1]:.0f} s beside two dead platforms"
                )
                break
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clusters", action="append", type=int)
    parser.add_argument("--way", action="append", choices=["playbook", "slices", "twice"])
    parser.add_argument("--forks", action="append", type=int)
    parser.add_argument("--strategy", action="append", choices=["linear", "free", "host_pinned"])
    parser.add_argument("--size", default="16x300", metavar="HOSTSxGUESTS")
    parser.add_argument("--files", action="store_true", help="snapshots, plans and outcomes go through files")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="of the way playbook")
    parser.add_argument("--dead", action="store_true")
    parser.add_argument("--processes", type=int, default=2, help="of the simulators")
    parser.add_argument("--migration-seconds", type=float, default=0.2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Runs all combinations of the command line."""
    arguments = _parser().parse_args()
    if arguments.job:
        run_job(arguments.job)
        return 0
    hosts, guests = map(int, arguments.size.split("x"))
    shape = Shape(hosts=hosts, guests=guests, seed=5)
    runs = []
    for way in arguments.way or ["playbook"]:
        for forks in arguments.forks or [25]:
            for strategy in arguments.strategy or ["linear"]:
                for clusters in arguments.clusters or [30]:
                    for dead in [False, True] if arguments.dead else [False]:
                        kind = arguments.database or ("sqlite" if way == "playbook" else "postgresql")
                        setup = Setup(
                            way=way,
                            clusters=clusters,
                            forks=forks,
                            strategy=strategy,
                            files=arguments.files,
                            database=kind,
                            dead=dead,
                        )
                        runs.append(one_run(setup, shape, arguments))
                        print(runs[-1].line(), flush=True)
                        for line in runs[-1].wrong:
                            print(f"    {line}", flush=True)
                        if arguments.json:
                            arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))
    print("\n".join([*growth(runs), *delays(runs)]))
    return 1 if any(run.wrong for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
