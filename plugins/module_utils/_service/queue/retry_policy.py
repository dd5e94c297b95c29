# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When what failed is tried again, and when no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ..._model.codec import Bounds

# Asking again would be answered alike.
FINAL = frozenset(
    {
        "InputError", "Impossible", "UnknownPool", "LeaseDiffers", "LeaseNotHeld", "PoolInUse", "NotAsked",
        "NotReady",
    }
)  # fmt: skip
# There is no room now; the request says for how long to wait for some.
NO_ROOM = frozenset({"NoRoom", "NotFulfilled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number of tries, and the delays between them: random, below a limit that doubles from
    `first_seconds` to `most_seconds`.
    """

    tries: Annotated[int, Bounds(1, 100)] = 5
    first_seconds: Annotated[float, Bounds(0.01, 86_400)] = 2.0
    most_seconds: Annotated[float, Bounds(0.01, 86_400)] = 300.0

    def delay(self, tried: int, rng: float) -> float:
        """Returns seconds until the next try after `tried` ones, by `rng` (0 to 1) half the limit to all."""
        limit = min(self.most_seconds, self.first_seconds * 2.0 ** min(tried - 1, 60))
        return limit * (0.5 + rng / 2)
