# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a plan leads to."""

from __future__ import annotations

from ..._model.moves import snapshot_after_moves
from ..._model.plan import Plan
from ..._model.snapshot import Snapshot


def snapshot_after(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Move the guests of all migrations, and with them the loads that their hosts were measured to carry."""
    return snapshot_after_moves(
        snapshot,
        {migration.guest.id: migration.target for migration in plan.migrations},
        {migration.guest.id: migration.storage for migration in plan.migrations},
    )
