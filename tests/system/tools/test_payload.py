# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible sends for a module: the search for plans and placements only where one is searched for."""

from __future__ import annotations

import subprocess
import sys

TOOL = "ansible_collections.evenkeel.cluster.tools.payload"


def test_only_modules_that_plan_pack_the_search() -> None:
    # In a process of its own: Ansible must be the first to import the collection.
    ended = subprocess.run([sys.executable, "-m", TOOL], capture_output=True, text=True, check=True)
    rows = [line.split() for line in ended.stdout.splitlines()[1:]]
    assert [row[0] for row in rows if row[-1] == "yes"] == ["balance_plan", "vm_placement"]
    packed = subprocess.run(
        [sys.executable, "-m", TOOL, "vm_migrate"], capture_output=True, text=True, check=True
    )
    # It reports what its migration leaves unresolved, and searches for nothing.
    assert "_planning/shortfall.py" in packed.stdout
    assert "_planning/search/" not in packed.stdout
    assert "_planning/placement/" not in packed.stdout
    # It runs on hypervisors, whose Python may be older than all else supports.
    assert next(int(row[1]) for row in rows if row[0] == "host_load_info") < 10
