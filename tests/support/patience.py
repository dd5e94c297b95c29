# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tests wait for what has to come."""

from __future__ import annotations

PATIENCE_SECONDS = 900.0
"""Far longer than a busy machine takes: only what never comes is waited for until then."""
