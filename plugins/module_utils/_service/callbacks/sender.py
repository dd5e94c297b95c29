# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dispatcher asks of a kind of receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .outbox import Delivery


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """Why a try has failed, without secrets. `final`: another would fail in the same way."""

    why: str
    final: bool = False


class Sender(Protocol):
    """The way to one receiver. `send` may run several times side by side, and connects when needed."""

    async def send(self, delivery: Delivery, body: bytes, headers: Mapping[str, str]) -> NotDelivered | None:
        """Returns None once the receiver has confirmed it. Never waits much longer than its timeout."""

    async def close(self) -> None:
        """End its connection."""
