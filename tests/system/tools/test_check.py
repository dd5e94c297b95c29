# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tools import check, lanes, steps
from ansible_collections.evenkeel.cluster.tools.run import IdleWatch, Shell, StepFailed
from ansible_collections.evenkeel.cluster.tools.steps import Step


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "step.log")


def prints(text: str, code: int = 0) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"


def test_what_a_command_prints_is_returned_and_kept(shell: Shell) -> None:
    shell.run(*prints("first"))
    assert shell.run(*prints("second")) == "second\n"
    assert "first\n" in shell.log.read_text()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (prints("", 3), "exit code 3"),
        (("no-such-program",), "no-such-program does not start"),
        ((sys.executable, "-c", "import time; time.sleep(600)"), "was ended: idle for 1 s"),
    ],
)
def test_a_command_that_fails_fails_the_step(shell: Shell, argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(StepFailed, match=why):
        shell.run(*argv, idle_seconds=1 if "was ended" in why else 600)


def test_a_command_is_idle_since_it_last_printed_or_computed() -> None:
    watch = IdleWatch(since=100.0)
    assert watch.idle(0, 0.1, now=150.0) == 50
    assert watch.idle(1, 0.1, now=160.0) == 0
    assert watch.idle(1, 0.2, now=200.0) == 40, "polling is no progress"
    assert watch.idle(1, 60.0, now=210.0) == 0
    assert watch.idle(1, 60.0, now=211.0) == 1


def test_steps_are_chosen_by_name_or_family() -> None:
    every = [Step(name, "", lambda shell: "") for name in ("units", "molecule:proxmox", "molecule:vsphere")]
    assert check.chosen(every, []) == every
    assert check.chosen(every, ["molecule"]) == every[1:]
    assert check.chosen(every, ["molecule:vsphere"]) == every[2:]
    with pytest.raises(SystemExit, match="no step unit;"):
        check.chosen(every, ["unit"])


def test_nothing_to_test_is_a_failure(tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    for name in ("go", "integration", "molecule"):
        step = next(step for step in steps.steps() if step.name == name)
        with pytest.raises(StepFailed, match="holds no"):
            step.run(shell)


def test_only_telling_lines_are_shown(shell: Shell) -> None:
    shell.log.write_text("Running\nERROR: /x/ansible_collections/evenkeel/cluster/plugins/a.py:1: bad\nend\n")
    assert lanes.telling_lines(shell, "ERROR") == ["ERROR: plugins/a.py:1: bad"]
    assert len(lanes.telling_lines(shell, "")) == 3


def test_as_many_steps_run_at_once_as_there_are_lanes(tmp_path: Path) -> None:
    met = threading.Barrier(2, timeout=600)
    running: list[str] = []
    most: list[int] = []

    def meet(shell: Shell) -> str:
        running.append(shell.log.stem)
        met.wait()
        most.append(len(running))
        met.wait()
        running.remove(shell.log.stem)
        return "met"

    said: list[str] = []
    ended = lanes.run_all([Step(name, "", meet) for name in "abcd"], 2, tmp_path, said.append)
    assert [(end.step.name, end.said) for end in ended] == [(name, "met") for name in "abcd"]
    assert all(end.passed for end in ended)
    assert max(most) == 2
    assert [line[:5] for line in said if line.startswith("[")] == [f"[{n}/4]" for n in (1, 2, 3, 4)]


def test_a_step_that_waits_runs_beside_the_lanes(tmp_path: Path) -> None:
    met = threading.Barrier(3, timeout=600)

    def meet(shell: Shell) -> str:
        met.wait()
        return "met"

    every = [Step("a", "", meet), Step("b", "", meet), Step("c", "", meet, waits=True)]
    ended = lanes.run_all(every, 2, tmp_path, lambda _line: None)
    assert [(end.step.name, end.said) for end in ended] == [("a", "met"), ("b", "met"), ("c", "met")]


def test_the_cpu_time_of_commands_is_counted(shell: Shell) -> None:
    shell.run(sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass")
    assert sum(shell.cpu) >= 0.2


def test_steps_that_run_side_by_side_share_neither_log_nor_memory(tmp_path: Path) -> None:
    program = "import os; at = os.environ['XDG_STATE_HOME']; print(at, os.listdir(at)); open(at + '/x', 'w')"

    def look(shell: Shell) -> str:
        return shell.run(sys.executable, "-c", program)

    ended = lanes.run_all([Step("x:a", "", look), Step("x:b", "", look)], 2, tmp_path, lambda _line: None)
    states, contents = zip(*(end.said.split(maxsplit=1) for end in ended), strict=True)
    assert len(set(states)) == 2
    assert contents == ("[]\n", "[]\n")
    assert not any(Path(state).exists() for state in states)
    assert [end.shell.log.name for end in ended] == ["x-a.log", "x-b.log"]
    assert len({end.shell.home for end in ended}) == 2


def test_what_a_failed_step_printed_stays_together(tmp_path: Path) -> None:
    said: list[str] = []
    printed = prints("ERROR: one\nfine\nERROR: two", 1)
    bad = Step("bad", "", lambda shell: shell.run(*printed), telling="ERROR")
    ended = lanes.run_all([bad, Step("good", "", lambda shell: "all")], 1, tmp_path, said.append)
    assert [end.passed for end in ended] == [False, True]
    assert said[2:4] == ["    | ERROR: one", "    | ERROR: two"]
    assert "exit code 1" in said[4]
    assert str(tmp_path / "bad.log") in said[4]


def test_no_lane_is_no_way_to_run_steps() -> None:
    done = subprocess.run(
        [sys.executable, "-m", check.__name__, "--lanes", "0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "0 is not a number of at least 1" in done.stderr
