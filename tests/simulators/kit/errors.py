# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulator can't be told to do."""

from __future__ import annotations


class SnapshotError(Exception):
    """The snapshot holds what the platform can't, or a test asks for what makes no sense: named, with what to
    do.
    """
