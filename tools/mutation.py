# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing by cosmic-ray: put small faults into a room's code, one at a time, and see its tests fail.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.mutation ROOM [--sample N] [--seed S]

Works on a copy of the checkout in .cache/mutation/ROOM, so that nothing here is ever left with a fault in it.
A run that is stopped goes on where it was. Mutants that can't change behaviour are left out before the start:
those inside type hints and decorators. Of the operators of cosmic-ray those are used that PIT, the tool for
Java, has by default: one replacement for each arithmetic operator, the boundary and the negation of each
comparison. What survives is listed with its place and change.

The tests of a platform start servers and take long: there each mutant is tried with the tests that reach its
line, the quickest first; a mutant of what runs at import, with the tests that reach its module.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .run import ROOT
from .tree import files

FOLDER = ROOT / ".cache" / "mutation"
REQUIREMENT = ROOT / "requirements" / "mutation.txt"
MAX_TEST_SECONDS = 300
UTILS = "plugins/module_utils"

PLUGIN = "ansible_collections.evenkeel.cluster.tools.reach"

Span = tuple[tuple[int, int], tuple[int, int]]
# By test, its seconds and the lines of each module that it reaches.
Reached = Mapping[str, tuple[float, Mapping[str, Sequence[int]]]]


@dataclass(frozen=True)
class Room:
    """Which files are mutated (globs), and the tests that must notice, the quickest first. by_line: whether
    only the tests that reach a mutant's line are run.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    by_line: bool = False


ROOMS = {
    "verify": Room(
        (f"{UTILS}/_planning/verify/*.py",),
        tuple(
            f"tests/unit/planning/test_verify{name}.py"
            for name in ("", "_steps", "_interleavings", "_goals", "_placement")
        ),
    ),
    "placement": Room(
        (f"{UTILS}/_planning/placement/*.py",),
        ("tests/unit/planning/test_placement_parts.py", "tests/unit/planning/test_placements.py"),
    ),
    "schedule": Room(
        (f"{UTILS}/_planning/schedule/*.py",),
        tuple(
            f"tests/unit/planning/test_{name}.py"
            for name in ("capacity_ledger", "even_spread", "moves", "list_scheduler")
        ),
    ),
    "execution": Room((f"{UTILS}/_execution/*.py",), ("tests/unit/execution",)),
    "proxmox": Room(
        (f"{UTILS}/_platforms/proxmox/**/*.py",),
        ("tests/unit/platforms", "tests/simulator/platforms"),
        by_line=True,
    ),
    "vsphere": Room(
        (f"{UTILS}/_platforms/vsphere/**/*.py",),
        ("tests/unit/platforms", "tests/simulator/platforms"),
        by_line=True,
    ),
    "vmmanager": Room(
        (f"{UTILS}/_platforms/vmmanager/**/*.py",),
        ("tests/unit/platforms", "tests/simulator/platforms"),
        by_line=True,
    ),
    "capacity": Room((f"{UTILS}/_capacity/**/*.py",), ("tests/unit/capacity", "tests/system/capacity")),
    "state": Room((f"{UTILS}/_state/*.py",), ("tests/system/state",)),
}
# By operator, what it is replaced by.
ARITHMETIC = {"Add": "Sub", "Sub": "Add", "Mul": "Div", "Div": "Mul", "FloorDiv": "Mul", "Mod": "Mul"}
ARITHMETIC |= {"BitOr": "BitAnd", "BitAnd": "BitOr", "LShift": "RShift", "RShift": "LShift", "Pow": "Mul"}
COMPARISON: dict[str, tuple[str, ...]] = {
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
    "In": ("NotIn",),
    "NotIn": ("In",),
}
# Of a platform's room, only the tests of that platform; of rooms with databases, not those of many processes
# nor the other database.
_ALONE = "not postgresql and not twenty and not many and not crowd and not hundred and not any_moment"
KEYWORDS = {
    "proxmox": "proxmox",
    "vsphere": "vsphere",
    "vmmanager": "vmmanager",
    "capacity": f"{_ALONE} and not killed and not away_for",
    "state": f"{_ALONE} and not jumps and not elsewhere and not wrong_password and not away_for",
}


def main() -> int:
    """Print the score of one room and every mutant that survived; 1 if a mutant was not tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("room", choices=sorted(ROOMS))
    parser.add_argument("--sample", type=int, help="try so many mutants, chosen at random (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice (default: 1)")
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run of this room")
    options = parser.parse_args()
    session = Session(options.room)
    session.prepare(fresh=options.fresh, sample=options.sample, seed=options.seed)
    session.run()
    return session.report()


class Session:
    """One room's copy of the checkout, and cosmic-ray's database of mutants beside it."""

    def __init__(self, name: str) -> None:
        self.name, self.room = name, ROOMS[name]
        self.folder = FOLDER / name
        self.tree = self.folder / "ansible_collections" / "evenkeel" / "cluster"
        self.database = self.folder / "session.sqlite"
        self.config = self.folder / "cosmic-ray.toml"
        self.reached = self.folder / "reached.json"

    def prepare(self, *, fresh: bool, sample: int | None, seed: int) -> None:
        """Copy the checkout and list the mutants, unless an earlier run has done so."""
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.database.exists():
            return
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in files():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.tree / name)
        self.config.write_text(self._settings(), encoding="utf-8")
        partial = self.database.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        self._cosmic_ray("init", str(self.config), str(partial))
        with sqlite3.connect(partial) as connection:
            self._leave_out(connection, sample, random.Random(seed))
        partial.rename(self.database)

    def run(self) -> None:
        """Try what has not been tried yet. The unchanged code must pass first."""
        if not self.room.by_line:
            self._pass_unchanged()
            self._cosmic_ray("exec", str(self.config), str(self.database))
            return
        if not self.reached.exists():
            partial = self.reached.with_suffix(".partial")
            self._pass_unchanged("-p", PLUGIN, "--reach", str(partial))
            partial.rename(self.reached)
        self._try_by_line(json.loads(self.reached.read_text(encoding="utf-8")))

    def _pass_unchanged(self, *options: str) -> None:
        print(f"{self.name}: the tests of the unchanged code", flush=True)
        command = self._test_command(self.room.tests, *options)
        if subprocess.run(command, cwd=self.folder, check=False).returncode:
            sys.exit("The tests fail without any mutant, so nothing can be learnt from them.")

    def _try_by_line(self, reached: Reached) -> None:
        untried = """
            select job_id, module_path, start_pos_row, operator_name, occurrence from mutation_specs
            where job_id not in (select job_id from work_results)"""
        with closing(sqlite3.connect(self.database)) as connection:
            for job, module, line, operator, occurrence in connection.execute(untried).fetchall():
                path = Path(module)
                before = path.read_text(encoding="utf-8")
                tests = reaching(reached, module, before, line)
                try:
                    self._cosmic_ray("apply", module, operator, str(occurrence))
                    diff = difflib.unified_diff(
                        before.splitlines(), path.read_text(encoding="utf-8").splitlines(), lineterm=""
                    )
                    outcome = "KILLED" if tests and self._fail(tests) else "SURVIVED"
                    row = ("NORMAL", "", outcome, "\n".join(diff), job)
                finally:
                    path.write_text(before, encoding="utf-8")
                connection.execute("insert into work_results values (?, ?, ?, ?, ?)", row)
                connection.commit()
                print(f"{outcome.lower()}: {path.name}:{line}, {len(tests)} tests reach it", flush=True)

    def _fail(self, tests: Sequence[str]) -> bool:
        """Whether these tests notice, be it that they never end."""
        with subprocess.Popen(
            self._test_command(tests), cwd=self.folder, stdout=subprocess.DEVNULL, start_new_session=True
        ) as running:
            try:
                return running.wait(MAX_TEST_SECONDS) != 0
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                return True

    def report(self) -> int:
        """Print how many were noticed, and each that was not."""
        query = """
            select spec.module_path, spec.start_pos_row, spec.operator_name, result.test_outcome, result.diff
            from mutation_specs spec left join work_results result on result.job_id = spec.job_id
            order by 1, 2, 3"""
        with sqlite3.connect(self.database) as connection:
            rows = connection.execute(query).fetchall()
        untried = [row for row in rows if row[3] is None]
        survivors = [row for row in rows if row[3] is not None and row[3].upper().endswith("SURVIVED")]
        for module, line, operator, _outcome, diff in survivors:
            print(f"survived: {Path(module).relative_to(self.tree)}:{line} {operator.removeprefix('core/')}")
            print("\n".join(f"    {text}" for text in _changed_lines(diff or "")))
        tried = len(rows) - len(untried)
        score = 100.0 * (tried - len(survivors)) / tried if tried else 0.0
        print(f"{self.name}: {tried - len(survivors)} of {tried} mutants noticed, {score:.1f} %")
        if untried:
            print(f"{len(untried)} not tried yet: run the command again")
        return bool(untried)

    def _settings(self) -> str:
        modules = sorted(str(path) for glob in self.room.modules for path in self.tree.glob(glob))
        command = shlex.join(self._test_command(self.room.tests))
        listed = ", ".join(f'"{module}"' for module in modules)
        return (
            f"[cosmic-ray]\nmodule-path = [{listed}]\ntimeout = {MAX_TEST_SECONDS}.0\nexcluded-modules = []\n"
            f'test-command = "{command}"\n\n[cosmic-ray.distributor]\nname = "local"\n'
        )

    def _test_command(self, tests: Sequence[str], *options: str) -> list[str]:
        chosen = ["-k", KEYWORDS[self.name]] if self.name in KEYWORDS else []
        return [
            *("env", f"PYTHONPATH={self.folder}", "PYTHONDONTWRITEBYTECODE=1"),
            *(str(ROOT / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("--rootdir", str(self.tree), "-c", str(self.tree / "pyproject.toml"), *chosen, *options),
            *(str(self.tree / test) for test in tests),
        ]

    def _leave_out(self, connection: sqlite3.Connection, sample: int | None, rng: random.Random) -> None:
        rows = connection.execute(
            "select job_id, module_path, start_pos_row, start_pos_col, operator_name from mutation_specs"
        ).fetchall()
        spans = {module: tuple(_inert(Path(module))) for module in {row[1] for row in rows}}
        kept = [
            job
            for job, module, line, column, operator in rows
            if _is_wanted(operator.removeprefix("core/"))
            and not any(start <= (line, column) < end for start, end in spans[module])
        ]
        if sample is not None and sample < len(kept):
            kept = rng.sample(sorted(kept), sample)
        wanted = set(kept)
        out = [(row[0],) for row in rows if row[0] not in wanted]
        connection.executemany("delete from mutation_specs where job_id = ?", out)
        connection.executemany("delete from work_items where job_id = ?", out)
        print(f"{self.name}: {len(kept)} mutants to try of {len(rows)}", flush=True)

    def _cosmic_ray(self, *arguments: str) -> None:
        program = _environment() / "bin" / "cosmic-ray"
        environment = {**os.environ, "HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}
        done = subprocess.run([str(program), *arguments], cwd=self.folder, env=environment, check=False)
        if done.returncode:
            sys.exit(f"cosmic-ray {arguments[0]} failed with {done.returncode}")


def reaching(reached: Reached, module: str, source: str, line: int) -> list[str]:
    """The tests that reach the statement at this line, the quickest first; those that reach the module where
    the statement runs only when it is imported.
    """
    whole = {line, *_statement(ast.parse(source), line)}
    lines = {test: set(modules.get(module, ())) for test, (_seconds, modules) in reached.items()}
    found = [test for test, here in lines.items() if here & whole] or [
        test for test, here in lines.items() if here
    ]
    return sorted(found, key=lambda test: reached[test][0])


def _statement(tree: ast.Module, line: int) -> range:
    """The lines of the innermost statement at a line; of one that has others inside, those of its head."""
    best = range(0)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
            lines = range(node.lineno, max(end, node.lineno + 1))
            if line in lines and (not best or len(lines) <= len(best)):
                best = lines
    return best


def _environment() -> Path:
    """An environment with cosmic-ray alone: it needs nothing of ours, and our tests nothing of it."""
    folder = FOLDER / "venv"
    mark = folder / "made-of"
    wanted = REQUIREMENT.read_text(encoding="utf-8")
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(REQUIREMENT)], check=True)
        mark.write_text(wanted, encoding="utf-8")
    return folder


def _is_wanted(operator: str) -> bool:
    kind, _, change = operator.partition("_")
    before, _, after = change.partition("_")
    if kind == "ReplaceBinaryOperator":
        return ARITHMETIC.get(before) == after
    if kind == "ReplaceComparisonOperator":
        return after in COMPARISON.get(before, ())
    return True


def _inert(module: Path) -> Iterator[Span]:
    """Places in which no change can alter what the code does: type hints and decorators of dataclasses."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        parts: Sequence[ast.expr | None] = ()
        if isinstance(node, ast.arg):
            parts = (node.annotation,)
        elif isinstance(node, ast.FunctionDef):
            parts = (node.returns, *_markers(node.decorator_list))
        elif isinstance(node, ast.AnnAssign):
            parts = (node.annotation,)
        elif isinstance(node, ast.ClassDef):
            parts = _markers(node.decorator_list)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts = (node.test,)
        for part in parts:
            if part is not None:
                # The sign before a decorator counts as a part of it.
                start = part.lineno, max(0, part.col_offset - 1)
                yield start, (part.end_lineno or part.lineno, (part.end_col_offset or 0) + 1)


def _markers(decorators: Sequence[ast.expr]) -> tuple[ast.expr, ...]:
    """Decorators that only make code stricter or quicker."""
    inert = ("dataclass", "cache", "lru_cache", "overload", "runtime_checkable")
    return tuple(one for one in decorators if ast.unparse(one).partition("(")[0].rpartition(".")[2] in inert)


def _changed_lines(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


if __name__ == "__main__":
    sys.exit(main())
