# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's own balancer, as the platform is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .codec import Bounds

Share = Annotated[float, Bounds(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeBalancer:
    """The automatic rebalancing of Proxmox VE 9.2, with the values of the datacenter's crs option."""

    enabled: Annotated[bool, "whether it migrates guests: it is on, and the scheduler looks at loads"]
    scheduler: Annotated[Literal["basic", "static", "dynamic"], "how HA selects nodes"] = "basic"
    threshold: Annotated[Share, "it does nothing up to this imbalance"] = 0.3
    margin: Annotated[Share, "a migration must lower the imbalance by at least this share"] = 0.1
    hold_rounds: Annotated[int, Bounds(least=0), "for how many rounds the imbalance must last"] = 3
    method: Literal["bruteforce", "topsis"] = "bruteforce"
    guests: Annotated[tuple[str, ...], "ids of the guests that it may migrate"] = ()
