# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a snapshot for a what-if plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from .codec import Bounds, decode, encode
from .errors import InputError
from .quantities import DISK_SIZE, PERCENT, in_plain_numbers
from .snapshot import Id, Rule

Space = Annotated[int, Bounds(least=0), DISK_SIZE]
Points = Annotated[float, Bounds(0, 10_000), PERCENT]


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
class NewDatastore:
    """An empty datastore of a new name, in all else like one that exists."""

    name: Id
    like: Annotated[Id | None, "name or id of the datastore that it resembles; null for none"] = None
    capacity: Annotated[Space | None, "bytes; those of `like` when it is left out"] = None
    free: Annotated[Space | None, "bytes; all of the capacity when it is left out"] = None
    type: Annotated[Id | None, "as in the snapshot; that of `like` when it is left out"] = None
    kind: Annotated[Id | None, "its class; that of `like` when it is left out"] = field(
        default=None, metadata={"json": "class"}
    )
    hosts: Annotated[
        tuple[Id, ...],
        "ids or names of the hosts that have it; those of `like`, or all hosts, when they are left out",
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDatastore:
    """A datastore of another size, with other free space, or closed. It may become fuller than it can be:
    then the plan says so.
    """

    datastore: Annotated[Id, "its id, or its name if no other datastore has it"]
    capacity: Annotated[Space | None, "bytes; what is in use stays in use"] = None
    free: Annotated[Space | None, "bytes"] = None
    filled_by: Annotated[Space | None, "bytes that are in use in addition"] = None
    filled_by_percent: Annotated[Points | None, "percentage of its capacity that is in use in addition"] = (
        None
    )
    closed: Annotated[bool, "true when no disk may be moved to it; its disks may stay"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownDisks:
    """Thin disks that take more than they do now, at most their size."""

    percent: Annotated[Points, "how much more they take, in percent of what they take now"]
    datastore: Annotated[Id | None, "only those on this datastore, by id or name"] = None
    guest: Annotated[Id | None, "only those of this guest, by id or name"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisk:
    """A disk of a new guest."""

    datastore: Annotated[Id, "name or id of the datastore"]
    size: Space
    used: Annotated[Space | None, "bytes that it takes there; all of its size when they are left out"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGuest:
    """A guest of a new name, in all else like one that exists, or several of them."""

    name: Annotated[Id, "its name; with a count of more than one, numbers from 1 on are added to it"]
    like: Annotated[Id, "name or id of the guest that it resembles"]
    count: Annotated[int, Bounds(1, 10_000)] = 1
    host: Annotated[Id | None, "name or id of its host; that of `like` when it is left out"] = None
    disks: Annotated[tuple[NewDisk, ...] | None, "those of `like` when they are left out"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """All changes together; they are made before the plan."""

    hosts_removed: tuple[Id, ...] = ()
    hosts_returned: tuple[Id, ...] = ()
    hosts_added: tuple[NewHost, ...] = ()
    datastores_removed: tuple[Id, ...] = ()
    datastores_returned: tuple[Id, ...] = ()
    datastores_added: tuple[NewDatastore, ...] = ()
    datastores_changed: tuple[ChangedDatastore, ...] = ()
    guests_added: tuple[NewGuest, ...] = ()
    guests_grown: tuple[GrownGuest, ...] = ()
    disks_grown: tuple[GrownDisks, ...] = ()
    rules_added: tuple[Rule, ...] = ()

    @property
    def of_datastores(self) -> bool:
        """Whether any of the changes is about datastores or disks."""
        return bool(
            self.datastores_removed
            or self.datastores_returned
            or self.datastores_added
            or self.datastores_changed
            or self.disks_grown
        )

    @classmethod
    def from_json(cls, value: object) -> Overrides:
        """Read parsed JSON; sizes may have a unit, such as 500G. Raises InputError with the path of the first
        field that is wrong.
        """
        if isinstance(value, Mapping):
            value = in_plain_numbers(cls, value, "what_if")
        found = decode(cls, value, "what_if")
        for index, item in enumerate(found.datastores_changed):
            if item == ChangedDatastore(datastore=item.datastore):
                raise InputError(
                    f"what_if.datastores_changed[{index}]",
                    item.datastore,
                    "a datastore with a change",
                    statement=f": no change is set for datastore {item.datastore}",
                    hint="Set capacity, free, filled_by, filled_by_percent or closed",
                )
        return found

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result
