# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of progress that a person sees."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import line_of


def moving(name: str, percent: float | None = None) -> dict[str, object]:
    return {"step": 1, "guest": name, "source": "a", "target": "b", "seconds": 1.0, "percent": percent}


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            {
                "moving": [moving("web", 45.4), moving("db")],
                "ended": {"migrated": 3},
                "left": 5,
                "memory_moved": 24 * 1024**3,
                "seconds_left": 130,
            },
            "3 of 10 done, 24.0 GiB moved; under way: web to b 45 %, db to b; about 2 min left",
        ),
        (
            {
                "moving": [moving(str(n)) for n in range(6)],
                "ended": {"failed": 1},
                "left": 0,
                "memory_moved": 0,
                "seconds_left": None,
            },
            "1 of 7 done; 1 failed; under way: 0 to b, 1 to b, 2 to b, 3 to b and 2 more",
        ),
        (
            {
                "moving": [],
                "ended": {"migrated": 2, "skipped": 1},
                "left": 0,
                "memory_moved": 2**28,
                "seconds_left": 0,
            },
            "3 of 3 done, 0.2 GiB moved; 1 skipped",
        ),
        (
            {"moving": [], "ended": {}, "left": 4, "memory_moved": 0, "seconds_left": 20000},
            "0 of 4 done; about 5.6 h left",
        ),
        (
            {
                "moving": [],
                "ended": {"migrated": 7},
                "left": 0,
                "memory_moved": 2**33,
                "seconds_left": 600,
                "disks": {
                    "moving": [{**moving("web", 45.4), "disks": ["scsi0", "scsi1"]}],
                    "ended": {"migrated": 1},
                    "left": 2,
                    "bytes_copied": 24 * 1024**3,
                    "bytes_left": 2**40,
                    "seconds_left": 600,
                },
            },
            "disks: 1 of 4 done, 24.0 GiB moved; under way: scsi0, scsi1 of web to b 45 %; about 10 min left",
        ),
    ],
)
def test_line(progress: dict[str, object], line: str) -> None:
    assert line_of(progress) == line
