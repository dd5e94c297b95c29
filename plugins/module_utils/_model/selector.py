# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts or guests are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Hosts or guests that match any of its parts; names are ids, names or shell patterns of names."""

    names: tuple[str, ...] = ()
    regex: str | None = None
    tags: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: Annotated[tuple[Literal["vm", "container"], ...], "guests only"] = ()
