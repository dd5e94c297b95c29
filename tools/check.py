# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of ./check, one after the other, each with its time; what they print goes to .cache/check/."""
from __future__ import annotations

import argparse
import re
import sys
import time

from .run import ROOT, Shell, StepFailed
from .steps import Step, steps

LOGS = ROOT / ".cache" / "check"
SHOWN_LINES = 80
SHOWN_COLUMNS = 400


def chosen(every: list[Step], names: list[str]) -> list[Step]:
    """The named steps; `molecule` stands for every `molecule:…`."""
    known = {step.name for step in every} | {step.name.partition(":")[0] for step in every}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"error: no step {', '.join(unknown)}; ./check --list names them")
    return [step for step in every if not names or {step.name, step.name.partition(":")[0]} & set(names)]


def telling_lines(shell: Shell, pattern: str) -> list[str]:
    """The last lines of a log that match, without the path through which Ansible finds the checkout."""
    text = shell.log.read_text(errors="replace") if shell.log.exists() else ""
    lines = re.sub(r"\S*/ansible_collections/evenkeel/cluster/", "", text).splitlines()
    return [line[:SHOWN_COLUMNS] for line in lines if re.match(pattern, line)][-SHOWN_LINES:]


def passes(step: Step, number: str) -> bool:
    """Run one step and print how it went."""
    print(f"[{number}] {step.name}: {step.does} … ", end="", flush=True)
    shell = Shell(LOGS / f"{step.name.replace(':', '-')}.log")
    shell.log.unlink(missing_ok=True)
    start = time.monotonic()
    try:
        result = step.run(shell)
    except StepFailed as failure:
        print(f"FAILED in {time.monotonic() - start:.1f} s", flush=True)
        for line in telling_lines(shell, step.telling):
            print(f"    | {line}")
        print(f"    {failure}\n    the log: {shell.log.relative_to(ROOT)}")
        return False
    print(f"ok in {time.monotonic() - start:.1f} s ({result})", flush=True)
    return True


def main() -> int:
    """Run the steps that the command line names, or all; the exit code is 1 when one fails."""
    parser = argparse.ArgumentParser(prog="./check", description="Run every test of the collection, or some.")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="run only these")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    arguments = parser.parse_args()
    every = steps()
    if arguments.list:
        print("\n".join(f"{step.name:<28} {step.does}" for step in every))
        return 0
    wanted = chosen(every, arguments.steps)
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    results = [passes(step, f"{number}/{len(wanted)}") for number, step in enumerate(wanted, start=1)]
    failed = [step.name for step, passed in zip(wanted, results, strict=True) if not passed]
    print(f"\n{time.monotonic() - start:.0f} s" + (f"; failed: {', '.join(failed)}" if failed else ""))
    print(f"{len(wanted) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
