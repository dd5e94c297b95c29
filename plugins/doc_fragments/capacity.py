# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the modules for pools and leases share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_url:
    description:
      - Database of pools, leases and requests, as V(sqlite:///PATH) or V(postgresql+psycopg://USER:PASSWORD@HOST/DATABASE).
        Controllers that share pools need a common PostgreSQL database.
      - Falls back to E(EVENKEEL_STATE_URL), then to the file C(evenkeel/state.db) below E(XDG_STATE_HOME) or C(~/.local/state).
    type: str
requirements:
  - SQLAlchemy 2
  - psycopg 3, for a O(state_url) on PostgreSQL
"""

    CHANGES = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
"""
