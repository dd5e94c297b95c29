# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples the properties are tried with: few by default, EVENKEEL_EXAMPLES=2000 for a long look."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "planning",
    max_examples=int(os.environ.get("EVENKEEL_EXAMPLES", "40")),
    deadline=None,
    derandomize="EVENKEEL_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("planning")
