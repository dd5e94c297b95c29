# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters guests, hosts and migrations return: items of a document, as they are in there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar, get_args

from .._model.codec import decode
from .._model.errors import InputError
from .._model.outcome import OUTCOME_SCHEMA, MigrationOutcome, Outcome, Result
from .._model.plan import Migration, MigrationKind, Plan
from .._model.selector import Selector
from .._model.snapshot import Guest, Host, Snapshot
from .._model.text.nearest import nearest
from .._model.text.regexes import check_regex, compiled
from .._model.where import GUEST, HOST, Kind, check_selector, true_of
from .._planning.model.selectors import select_guests, select_hosts

Thing = TypeVar("Thing")


def _step(step: Any) -> str:
    return f"{step.step} ({step.guest.name})"


MIGRATION: Final = Kind("migration", Migration, _step)
ENDED: Final = Kind("migration", MigrationOutcome, _step)
# What a module returns, or sets as a fact, by the list that is in it.
_SNAPSHOTS = ("evenkeel_snapshot", "snapshot")
_RUNS = ("outcome", "plan")


def selected_guests(value: object, **options: Any) -> list[Any]:
    """The guests of a snapshot that match any of the options; all where there is none. Raises
    EvenKeelError.
    """
    raw, guests = _things(value, "guests", Guest, _SNAPSHOTS)
    selector = _selector("guests", options, ("names", "regex", "tags", "pools", "kinds", "where"), GUEST)
    if selector is None:
        return raw
    chosen = select_guests(guests, selector, "guests")
    return [item for item, guest in zip(raw, guests, strict=True) if guest.id in chosen]


def selected_hosts(value: object, **options: Any) -> list[Any]:
    """The hosts of a snapshot that match any of the options; all where there is none. Raises
    EvenKeelError.
    """
    raw, hosts = _things(value, "hosts", Host, _SNAPSHOTS)
    selector = _selector("hosts", options, ("names", "regex", "pools", "labels", "where"), HOST)
    if selector is None:
        return raw
    chosen = select_hosts(hosts, selector, "hosts")
    return [item for item, host in zip(raw, hosts, strict=True) if host.id in chosen]


def selected_migrations(value: object, **options: Any) -> list[Any]:
    """The migrations of a plan or an outcome that match any of the options; all where there is none. Raises
    EvenKeelError.
    """
    value = _whole(value, "migrations", _RUNS)
    ended = _has_ended(value)
    cls: type[Any] = MigrationOutcome if ended else Migration
    raw, migrations = _things(value, "migrations", cls, ())
    given = _given("migrations", options, ("names", "regex", "kinds", "results", "where"))
    if "kinds" in given and ended:
        raise InputError.unsupported(
            "migrations.kinds", "", "an outcome", hint="Use results, or pass the plan"
        )
    if "results" in given and not ended:
        raise InputError.unsupported(
            "migrations.results", "", "a plan", hint="Use kinds, or pass the outcome"
        )
    names = _texts(given, "names")
    kinds, results = _among(given, "kinds", MigrationKind), _among(given, "results", Result)
    regex = given.get("regex")
    check_regex(regex, "migrations.regex")
    kind = ENDED if ended else MIGRATION
    true = {step.step for step in true_of(migrations, given.get("where"), "migrations.where", kind)}

    def matches(step: Any) -> bool:
        guest = step.guest
        return (
            step.step in true
            or guest.id in names
            or any(name == guest.name or fnmatchcase(guest.name, name) for name in names)
            or (regex is not None and compiled(regex).match(guest.name) is not None)
            or (not ended and step.kind in kinds)
            or (ended and step.result in results)
        )

    return [item for item, step in zip(raw, migrations, strict=True) if not given or matches(step)]


def _has_ended(value: object) -> bool:
    """Whether it is an outcome, or a list of its migrations."""
    if isinstance(value, Mapping):
        return value.get("schema") == OUTCOME_SCHEMA
    return isinstance(value, list) and any(isinstance(item, Mapping) and "result" in item for item in value)


def _given(name: str, options: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    for option in options:
        if option not in known:
            close = nearest(option, known)
            raise InputError(
                name, option, f"an option; known are {', '.join(known)}",
                hint=f"Did you mean {close}?" if close else "",
            )  # fmt: skip
    return {option: _plain(value) for option, value in options.items() if value is not None}


def _selector(name: str, options: Mapping[str, Any], known: Sequence[str], kind: Kind) -> Selector | None:
    given = _given(name, options, known)
    if not given:
        return None
    for part in ("names", "tags", "pools", "kinds"):
        if isinstance(given.get(part), str):
            given[part] = [given[part]]
    selector: Selector = decode(Selector, given, name)
    check_selector(selector, name, kind)
    return selector


def _texts(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"migrations.{name}", value, "a list of texts")
    return texts


def _among(given: Mapping[str, Any], name: str, choices: Any) -> list[str]:
    texts = _texts(given, name)
    for text in texts:
        if text not in get_args(choices):
            raise InputError(f"migrations.{name}", text, f"one of {', '.join(get_args(choices))}")
    return texts


def _things(
    value: object, part: str, cls: type[Thing], inside: Sequence[str]
) -> tuple[list[Any], list[Thing]]:
    """A list of a document as it is, and its items as they are read."""
    document = _whole(value, part, inside)
    if isinstance(document, Mapping):
        readers: Mapping[type, Callable[[object], Any]] = {
            Guest: Snapshot.from_json,
            Host: Snapshot.from_json,
            Migration: Plan.from_json,
            MigrationOutcome: Outcome.from_json,
        }
        return list(document[part]), list(getattr(readers[cls](document), part))
    if not isinstance(document, list):
        raise InputError(part, document, f"a document with {part}, or a list of {part}")
    return document, [decode(cls, item, f"{part}[{index}]") for index, item in enumerate(document)]


def _whole(value: object, part: str, inside: Sequence[str]) -> object:
    """The document that holds a list: it may be the text of a file, or lie within what a module returned."""
    document = _plain(value)
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise InputError(part, document, f"JSON: {error}") from None
    for name in inside:
        if isinstance(document, Mapping) and part not in document and isinstance(document.get(name), Mapping):
            document = document[name]
    if isinstance(document, Mapping) and part not in document:
        raise InputError.required(part, expected=f"a document with {part}, or a list of {part}")
    return document


def _plain(value: object) -> Any:
    """A value of a template as the plain JSON that it stands for: ansible-core marks texts and containers."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value
