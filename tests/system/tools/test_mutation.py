# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests a mutant is tried with: those that reach its line, as a run of them has shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tools.mutation import reaching

SOURCE = """\
LIMIT = 5

def double(number):
    if number > LIMIT:
        return (
            number
            * 2
        )
    return number

def elsewhere(number):
    from threading import Thread
    thread = Thread(target=double, args=(number,))
    thread.start()
    thread.join()
"""
TESTS = """\
from plugins.module_utils.doubling import double, elsewhere

def test_large():
    assert double(6) == 12

def test_small():
    assert double(1) == 1

def test_thread():
    elsewhere(7)

def test_nothing():
    pass
"""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, dict[str, list[int]]]]:
    """What the plugin says of four tests."""
    folder = tmp_path_factory.mktemp("doubling")
    module = folder / "plugins" / "module_utils" / "doubling.py"
    module.parent.mkdir(parents=True)
    module.write_text(SOURCE)
    (folder / "test_it.py").write_text(TESTS)
    plugin = "ansible_collections.evenkeel.cluster.tools.reach"
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin, "--reach", "reached.json", "test_it.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    subprocess.run(command, cwd=folder, env=environment, check=True)
    found = json.loads((folder / "reached.json").read_text())
    return {
        test.partition("::")[2]: (seconds, {Path(name).name: lines for name, lines in modules.items()})
        for test, (seconds, modules) in found.items()
    }


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        (4, {"test_large", "test_small", "test_thread"}),
        (7, {"test_large", "test_thread"}),
        (9, {"test_small"}),
        (13, {"test_thread"}),
        # What runs at import: all that reach the module.
        (1, {"test_large", "test_small", "test_thread"}),
    ],
)
def test_a_mutant_is_tried_with_the_tests_that_reach_its_line(
    line: int, tests: set[str], reached: dict[str, tuple[float, dict[str, list[int]]]]
) -> None:
    assert set(reached) == {"test_large", "test_small", "test_thread", "test_nothing"}
    assert set(reaching(reached, "doubling.py", SOURCE, line)) == tests


def test_the_quickest_tests_come_first() -> None:
    slow, quick = (2.0, {"doubling.py": [9]}), (0.1, {"doubling.py": [9]})
    assert reaching({"slow": slow, "quick": quick}, "doubling.py", SOURCE, 9) == ["quick", "slow"]
