# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a snapshot for a what-if plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .codec import Bounds, decode, encode
from .snapshot import Id, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHost:
    """An empty host of a new name, in all else like one that exists."""

    name: Id
    like: Annotated[Id, "name or id of the host that it resembles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownGuest:
    """A guest whose use and assigned resources are multiplied by a factor."""

    guest: Annotated[Id, "its id, or its name if no other guest has it"]
    factor: Annotated[float, Bounds(least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """All changes together; they are made before the plan."""

    hosts_removed: tuple[Id, ...] = ()
    hosts_returned: tuple[Id, ...] = ()
    hosts_added: tuple[NewHost, ...] = ()
    guests_grown: tuple[GrownGuest, ...] = ()
    rules_added: tuple[Rule, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> Overrides:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        return decode(cls, value, "what_if")

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result
