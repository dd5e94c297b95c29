# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on hypervisors runs on their Python, which may be as old as Ansible allows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

from ansible_collections.evenkeel.cluster.tools.layers import imports

ROOT = Path(__file__).parents[3]
VERMIN = Path(sys.prefix, "bin", "vermin")
MODULE = PurePosixPath("plugins/modules/host_load_info.py")


def shipped() -> set[PurePosixPath]:
    """The module and every file of ours that it imports, however far away: what Ansible sends to the host."""
    found: set[PurePosixPath] = set()
    left = [MODULE]
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            targets = {PurePosixPath(f"{item.target}.py") for item in imports(ROOT, ROOT / file)}
            left += [target for target in targets if (ROOT / target).is_file()]
    return found


def test_every_file_that_is_sent_suits_python_3_8() -> None:
    files = shipped()
    assert PurePosixPath("plugins/module_utils/_hypervisor/proc.py") in files
    assert len(files) > 4
    checked = subprocess.run(
        [VERMIN, "--target=3.8-", "--no-tips", "--violations", *map(str, sorted(files))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
