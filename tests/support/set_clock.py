# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose clock somebody sets while the steady clock goes on: a made up one, and this one by
libfaketime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.watch import Watch

START = 1_800_000_000.0
ROOT = Path(__file__).absolute().parents[2]
# Where tools/setup.bash unpacks it, and where the distribution has it.
_PLACES = ("{root}/.venv/faketime/usr/lib", "/usr/lib")


def library() -> str:
    """Skips the test where there is none."""
    for place in _PLACES:
        for found in sorted(Path(place.format(root=ROOT)).glob("*/faketime/libfaketime.so.1")):
            return str(found)
    pytest.skip("libfaketime is not here: ./check unpacks it on Debian, or install it as faketime")


@dataclass
class Machine:
    """Its clocks, in the hands of a test."""

    wall: float = START
    steady: float = 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def watch(self, boot: str = "this boot") -> Watch:
        return Watch(wall=lambda: self.wall, steady=lambda: self.steady, boot=boot)

    def database(self, file: Path, boot: str = "this boot") -> Database:
        return open_database(f"sqlite:///{file}/state.db", watch=self.watch(boot))


class SetClock:
    """A clock for programs of their own: `environment` is for them, `set` for the test, in seconds from
    the true time on.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._library = library()
        self.set(0)

    def set(self, seconds: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+}\n", encoding="ascii")
        new.replace(self._file)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
