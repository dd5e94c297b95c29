# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of ./check, a few side by side, each with its time; what they print goes to .cache/check/."""

from __future__ import annotations

import argparse
import sys
import time

from .lanes import run_all
from .run import ROOT, cores
from .steps import Step, steps

LOGS = ROOT / ".cache" / "check"


def chosen(every: list[Step], names: list[str]) -> list[Step]:
    """The named steps, or all that need not be asked for; `molecule` stands for every `molecule:…`."""
    known = {step.name for step in every} | {step.name.partition(":")[0] for step in every}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"error: no step {', '.join(unknown)}; ./check --list names them")
    if not names:
        return [step for step in every if not step.asked_for]
    return [step for step in every if {step.name, step.name.partition(":")[0]} & set(names)]


def main() -> int:
    """Run the steps that the command line names, or all; the exit code is 1 when one fails."""
    parser = argparse.ArgumentParser(prog="./check", description="Run every test of the collection, or some.")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="run only these")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    parser.add_argument(
        "--lanes",
        type=int,
        default=cores(),
        metavar="N",
        help="steps at the same time; the number of cores (%(default)s) unless told otherwise",
    )
    arguments = parser.parse_args()
    if arguments.lanes < 1:
        parser.error(f"--lanes: {arguments.lanes} is not a number of at least 1")
    every = steps()
    if arguments.list:
        print("\n".join(f"{step.name:<28} {step.does}" for step in every))
        return 0
    wanted = chosen(every, arguments.steps)
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    ended = run_all(wanted, min(arguments.lanes, len(wanted)), LOGS, lambda line: print(line, flush=True))
    seconds = time.monotonic() - start
    steps_took = sum(end.seconds for end in ended)
    print(f"\n{seconds:.0f} s for {steps_took:.0f} s of steps, {arguments.lanes} at a time")
    failed = [end.step.name for end in ended if not end.passed]
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(f"{len(ended) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
