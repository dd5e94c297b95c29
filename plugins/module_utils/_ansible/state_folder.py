# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of what outlives a run and is in no database that the user names."""

from __future__ import annotations

from collections.abc import Mapping


def state_folder(environment: Mapping[str, str]) -> str | None:
    """As the XDG Base Directory Specification has it; None where there is no home."""
    folder = environment.get("XDG_STATE_HOME") or ""
    if not folder.startswith("/"):
        if not environment.get("HOME"):
            return None
        folder = f"{environment['HOME']}/.local/state"
    return f"{folder}/evenkeel"
