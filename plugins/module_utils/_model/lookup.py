# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host, guest or datastore that a person means by an id or a name: the one way to find it.

An id comes before a name, because a host may be called as another one is numbered. A name that several have
means none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from .errors import AmbiguousName, UnknownName, shortened
from .snapshot import Datastore, Guest, Host
from .text.nearest import nearest

Kind = Literal["host", "guest", "datastore"]
Thing = TypeVar("Thing", Host, Guest, Datastore)
Things = Sequence[Host] | Sequence[Guest] | Sequence[Datastore]
_MAX_NAMES = 10


class Directory:
    """Hosts, guests or datastores by id and by name, for many lookups."""

    def __init__(self, things: Things, kind: Kind) -> None:
        self._things = things
        self._kind = kind
        self._ids = {thing.id for thing in things}
        self._names: dict[str, list[str]] = {}
        for thing in things:
            self._names.setdefault(thing.name, []).append(thing.id)

    def find(self, name: str, field: str) -> str | None:
        """The id; None where there is none. Raises AmbiguousName."""
        if name in self._ids:
            return name
        found = self._names.get(name, [])
        if len(found) > 1:
            ids = ", ".join(found[:_MAX_NAMES])
            raise AmbiguousName(
                f"{len(found)} {self._kind}s have the name {shortened(name)}",
                where=field,
                hint=f"Use one of their ids instead: {ids}{', …' if found[_MAX_NAMES:] else ''}",
            )
        return found[0] if found else None

    def one(self, name: str, field: str) -> str:
        """The id. Raises UnknownName and AmbiguousName."""
        found = self.find(name, field)
        if found is None:
            raise UnknownName(
                f"no {self._kind} has the name or id {shortened(name)}",
                where=field,
                hint=known_names(self._kind, self._things, name),
            )
        return found


def find_one(things: Sequence[Thing], kind: Kind, name: str, field: str) -> Thing:
    """The host, guest or datastore of that id, or else of that name. Raises UnknownName and AmbiguousName."""
    identity = Directory(things, kind).one(name, field)
    known: Mapping[str, Thing] = {thing.id: thing for thing in things}
    return known[identity]


def known_names(kind: Kind, things: Things, wanted: str = "") -> str:
    """Some names to choose from, for whoever gave one that nothing has, `wanted`."""
    names = sorted(thing.name for thing in things)
    near = nearest(wanted, names)
    meant = f"Did you mean {near}? " if near is not None else ""
    more = ", …" if names[_MAX_NAMES:] else ""
    return f"{meant}{kind.capitalize()}s of this cluster: {', '.join(names[:_MAX_NAMES])}{more}"
