# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user may set about acting. Private to the collection."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._model.policy import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionOptions:
    """Limits of migrations under way (None: what the platform sustains), how full a target may get, and times
    in seconds.
    """

    max_parallel: int | None = None
    max_per_host: int | None = None
    limits: Limits = field(default_factory=Limits)
    timeout: float = 3600.0
    poll_interval: float = 2.0


# How long an unreachable platform is asked again before the run gives up on it, and how long a cancelled task
# may take to end.
PATIENCE_SECONDS = 120.0
CANCEL_SECONDS = 60.0
