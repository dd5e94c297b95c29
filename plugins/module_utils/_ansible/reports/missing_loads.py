# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads that are not available, as warnings."""

from __future__ import annotations

from collections.abc import Sequence

from ..._loads.fallback import MissingLoad
from ..._model.text.wording import listed

MAX_NAMES = 10


def missing_report(missing: Sequence[MissingLoad], fallback: str) -> list[str]:
    """A line for each host, guest or metric whose load is not known, the same reasons together."""
    instead = {
        "platform": "the platform's own figures are used",
        "exclude": "excluded from planning",
        "fail": "nothing is planned",
    }[fallback]
    grouped: dict[tuple[str, str], list[str]] = {}
    for item in missing:
        grouped.setdefault((item.kind, item.why), []).append(item.name)
    return [f"{kind} {listed(names, MAX_NAMES)}: {why}; {instead}" for (kind, why), names in grouped.items()]
