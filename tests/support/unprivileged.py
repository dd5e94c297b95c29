# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs for which the permissions of files count, even where root runs the tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import pytest


def python() -> Sequence[str]:
    """The words that a command line begins with. Skips the test where root can't do without its powers."""
    if os.geteuid() != 0:
        return [sys.executable]
    if shutil.which("setpriv") is None:
        pytest.skip("the tests run as root, and there is no setpriv (util-linux) to do without its powers")
    powers = "-dac_override,-dac_read_search"
    return ["setpriv", "--inh-caps=-all", f"--bounding-set={powers}", sys.executable]
