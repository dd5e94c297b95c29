# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a plan leads to."""

from __future__ import annotations

from ..._model.moves import moved
from ..._model.plan import Plan
from ..._model.snapshot import Snapshot


def apply_plan(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Move the guests of all migrations, and with them the loads that their hosts were measured to carry."""
    return moved(
        snapshot,
        {migration.guest.id: migration.target for migration in plan.migrations},
        {migration.guest.id: migration.storage for migration in plan.migrations},
    )
