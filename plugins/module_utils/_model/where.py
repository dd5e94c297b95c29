# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests, hosts, datastores and the like for which an expression is true.

It is asked of each as in the JSON of a snapshot; what is left out there has its default. `percent` is
added to guests and hosts, since JMESPath cannot divide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar

from .codec import encode_value, json_name
from .errors import InputError, NotEvaluated
from .loads import host_capacity, host_used
from .selector import Selector
from .snapshot import Amounts, Datastore, Guest, HiddenFact, Host
from .text.expressions import is_true, parsed, require
from .text.field_check import fields_of, fields_read
from .text.regexes import check_regex

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Kind:
    """What is selected: its name in messages, its class, the facts that may not have been read by the fields
    that rest on them, fields that are added, and how one is named.
    """

    word: str
    cls: type
    name_of: Callable[[Any], str]
    facts: Mapping[str, HiddenFact] = field(default_factory=dict)
    more: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The hints of its fields, by their names in JSON."""
        return fields_of(self.cls) | dict.fromkeys(self.more, Amounts)

    @cached_property
    def readers(self) -> Mapping[str, Callable[[Any], object]]:
        """How the value of each field is read."""
        return {**{json_name(part): _reader(part.name) for part in fields(self.cls)}, **self.more}


def _reader(name: str) -> Callable[[Any], object]:
    return lambda thing: encode_value(getattr(thing, name))


def _percent_of_guest(guest: Guest) -> dict[str, float | None]:
    return {name: _share(guest.used.get(name), guest.assigned.get(name)) for name in ("cpu", "memory")}


def _percent_of_host(host: Host) -> dict[str, float | None]:
    return {name: _share(host_used(host, name), host_capacity(host, name)) for name in host.capacity}


def _share(used: float | None, whole: float | None) -> float | None:
    return None if used is None or not whole else 100 * used / whole


def _name(thing: Guest | Host | Datastore) -> str:
    return f"{thing.name} ({thing.id})"


_LOADS: Final[Mapping[str, HiddenFact]] = {
    "used": "loads", "pressure": "loads", "sources": "loads", "percent": "loads",
}  # fmt: skip
GUEST: Final = Kind(
    "guest",
    Guest,
    _name,
    {
        **_LOADS,
        "tags": "tags",
        "pool": "pools",
        "networks": "networks",
        "disks": "datastores",
        "last_migrated_at": "history",
        "last_failed_at": "history",
    },
    {"percent": _percent_of_guest},
)
HOST: Final = Kind(
    "host",
    Host,
    _name,
    {**_LOADS, "pool": "pools", "networks": "networks", "datastores": "datastores"},
    {"percent": _percent_of_host},
)
DATASTORE: Final = Kind("datastore", Datastore, _name)


def check_selector(selector: Selector, path: str, kind: Kind) -> None:
    """Raises InputError for a wrong regular expression or JMESPath expression, and LibraryMissing."""
    check_regex(selector.regex, f"{path}.regex")
    if selector.where is not None:
        check_where(selector.where, f"{path}.where", kind)


def check_where(where: str, path: str, kind: Kind) -> None:
    """Raises InputError for a wrong expression, with the column in it, and LibraryMissing."""
    require(path)
    try:
        _reads(where, kind)
    except InputError as error:
        raise error.under(path) from None


def facts_read(where: str, kind: Kind) -> Iterator[tuple[str, HiddenFact]]:
    """The fields that an expression reads and that may not have been seen, with the kind of their facts."""
    known = kind.facts
    for name in sorted(_reads(where, kind)):
        if name in known:
            yield name, known[name]


def true_of(things: Iterable[Thing], where: str | None, path: str, kind: Kind) -> Iterator[Thing]:
    """Those for which an expression is true; none for no expression.

    Raises InputError that names the first for which it does not work, and LibraryMissing; `path` is that of
    the expression.
    """
    if where is None:
        return
    check_where(where, path, kind)
    evaluate = parsed(where).evaluator()
    readers = [(name, kind.readers[name]) for name in sorted(_reads(where, kind))]
    for thing in things:
        view = {name: read(thing) for name, read in readers}
        try:
            if is_true(evaluate(view)):
                yield thing
        except NotEvaluated as error:
            raise InputError(
                path,
                where,
                f"an expression that works for {kind.word} {kind.name_of(thing)}: {error.what}",
                hint=error.hint,
            ) from None


@lru_cache(maxsize=256)
def _reads(where: str, kind: Kind) -> frozenset[str]:
    return fields_read(parsed(where), kind.word, kind.hints)
