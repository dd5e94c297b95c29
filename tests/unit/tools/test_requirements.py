# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed is locked: a version and hashes for everything that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).absolute().parents[3]
FOLDER = ROOT / "requirements"
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def wanted(file: Path) -> Iterator[Requirement]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            yield from wanted(file.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield Requirement(line)


def locked(name: str) -> dict[str, str]:
    """The version of each project; every one has to have hashes."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line.partition(" --hash")[0])
            assert HASH.search(line), line
            [specifier] = requirement.specifier
            assert specifier.operator == "==", line
            found[canonicalize_name(requirement.name)] = specifier.version
    return found


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.in")))
def test_all_that_is_wanted_is_locked(name: str) -> None:
    versions = locked(name)
    for requirement in wanted(FOLDER / f"{name}.in"):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement}: run tools/lock"
        assert requirement.specifier.contains(version), f"{requirement}: {version}; run tools/lock"


def test_what_runs_is_what_is_tested() -> None:
    tested = locked("dev")
    assert {name: tested.get(name) for name in locked("runtime")} == locked("runtime")
