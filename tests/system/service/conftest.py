# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases as the tests of the state database have them: SQLite and a real PostgreSQL."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.tests.system.state.conftest import (  # noqa: F401
    database,
    postgresql,
    url,
)
