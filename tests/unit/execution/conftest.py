# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three hosts and four guests on the first of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GIB = 1024**3


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.json"
    host = {
        "status": "online", "maintenance": False, "schedulable": True,
        "capacity": {"cpu": 16, "memory": 100 * GIB}, "used": {"cpu": 1, "memory": 40 * GIB},
    }  # fmt: skip
    guest = {
        "kind": "vm", "host": "a", "power": "running", "migratable": True,
        "assigned": {"cpu": 2, "memory": 10 * GIB}, "used": {"cpu": 0.5, "memory": 10 * GIB},
    }  # fmt: skip
    path.write_text(json.dumps({
        "schema": "evenkeel.cluster/snapshot/1", "platform": "rehearsal",
        "cluster": {"id": "c", "name": "prod"},
        "taken_at": "2026-01-01T00:00:00Z", "window_seconds": 0, "rules": [],
        "hosts": [{"id": name, "name": f"host-{name}", **host} for name in "abc"],
        "guests": [{"id": name, "name": f"guest-{name}", **guest} for name in "1234"],
    }))  # fmt: skip
    return path
