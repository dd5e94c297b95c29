# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations and moves of disks that a person leaves out of a plan, or insists on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from ..snapshot import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A migration that is not wanted."""

    guest: Annotated[Id, "Name or ID of the guest."]
    host: Annotated[
        Id | None,
        "Name or ID of a host to which the guest is not migrated. The guest stays where it is when this is "
        "left out.",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A migration that is wanted."""

    guest: Annotated[Id, "Name or ID of the guest."]
    host: Annotated[Id, "Name or ID of the host where the guest is to be."]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisksLeftOut:
    """A move of disks that is not wanted."""

    guest: Annotated[Id, "Name or ID of the guest."]
    disks: Annotated[tuple[Id, ...], "IDs of disks of the guest. Defaults to all of its disks."] = ()
    datastore: Annotated[
        Id | None,
        "Name or ID of a datastore to which these disks are not moved. They stay where they are when this is "
        "left out.",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The choices about single migrations and moves of disks that the plan has to respect."""

    left_out: Annotated[tuple[LeftOut, ...], "Migrations that are not planned."] = ()
    pinned: Annotated[
        tuple[Pinned, ...],
        "Guests that are to be on one host, whatever the goal is. Limits and rules of the cluster apply.",
    ] = ()
    disks_left_out: Annotated[tuple[DisksLeftOut, ...], "Moves of disks that are not planned."] = field(
        default=(), metadata={"omit": True}
    )

    def __bool__(self) -> bool:
        return bool(self.left_out or self.pinned or self.disks_left_out)
