# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tools import check, steps
from ansible_collections.evenkeel.cluster.tools.run import Shell, StepFailed
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
        ((sys.executable, "-c", "import time; time.sleep(60)"), "was ended after 1 s"),
    ],
)
def test_a_command_that_fails_fails_the_step(shell: Shell, argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(StepFailed, match=why):
        shell.run(*argv, seconds=1)


def test_steps_are_chosen_by_name_or_family() -> None:
    every = [Step(name, "", lambda shell: "") for name in ("units", "molecule:proxmox", "molecule:vsphere")]
    assert check.chosen(every, []) == every
    assert check.chosen(every, ["molecule"]) == every[1:]
    assert check.chosen(every, ["molecule:vsphere"]) == every[2:]
    with pytest.raises(SystemExit, match="no step unit;"):
        check.chosen(every, ["unit"])


def test_nothing_to_test_is_a_failure(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    for name in ("go", "integration", "molecule"):
        step = next(step for step in steps.steps() if step.name == name)
        with pytest.raises(StepFailed, match="holds no"):
            step.run(shell)


def test_only_telling_lines_are_shown(shell: Shell) -> None:
    shell.log.write_text("Running\nERROR: /x/ansible_collections/evenkeel/cluster/plugins/a.py:1: bad\nend\n")
    assert check.telling_lines(shell, "ERROR") == ["ERROR: plugins/a.py:1: bad"]
    assert len(check.telling_lines(shell, "")) == 3
