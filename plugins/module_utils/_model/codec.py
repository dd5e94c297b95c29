# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses from JSON and back: the type hints are the only description.

Understood hints: str, int, float, bool, None in unions, Literal, `tuple[T, ...]`, `Mapping[str, T]`, other
dataclasses, and `Annotated[T, …]` with a `Bounds`, a `Pattern` or a text (the description in the schema). A
field whose JSON name is a Python keyword carries it as `metadata={"json": name}`; one with `metadata={"omit":
True}` is left out while it has its default.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import InputError
from .text.wording import is_storable

T = TypeVar("T")
# Sums and products of numbers up to this are finite, and no host has as much of anything: a yottabyte.
LARGEST = 1e24

Decoder = Callable[[Any], Any]
Encoder = Callable[[Any], Any]


@dataclass(frozen=True)
class Bounds:
    """Inclusive limits of a number."""

    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Pattern:
    """A regular expression that the whole text must match, and how to say so."""

    regex: str
    expected: str


def demand_schema(value: object, schema: str, name: str, readable: tuple[str, ...] = ()) -> None:
    """Raises InputError for parsed JSON that is marked as something else than `schema`, or one of the
    `readable` ones.
    """
    if not isinstance(value, Mapping) or value.get("schema") in (schema, *readable):
        return
    if value.get("schema") is None:
        raise InputError.required(f"{name}.schema", expected=repr(schema))
    raise InputError(f"{name}.schema", value["schema"], repr(schema), hint=f"Pass a {name}")


def decode(cls: type[T], value: object, name: str) -> T:
    """Build a `cls` from parsed JSON; `name` starts the path in the InputError that a wrong value raises."""
    try:
        result: T = _decoder(cast(Any, cls))(value)
    except InputError as error:
        raise error.under(name) from None
    return result


def encode(value: object) -> Any:
    """The parsed-JSON form of a dataclass."""
    return _encoder(cast(Any, type(value)))(value)


def encode_value(value: object) -> Any:
    """The parsed-JSON form of the value of a field."""
    return _encode_by_value(value)


def json_name(field: Field[Any]) -> str:
    return str(field.metadata.get("json", field.name))


def is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@cache
def hints_of(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


@cache
def _decoder(hint: Any) -> Decoder:
    origin = get_origin(hint)
    if origin is Annotated:
        return _checked(hint)
    if origin in (Union, types.UnionType):
        return _union(get_args(hint))
    if origin is Literal:
        return _one_of(get_args(hint))
    if origin is tuple:
        return _list(_decoder(get_args(hint)[0]))
    if origin is not None and issubclass(origin, Mapping):
        key, item = get_args(hint)
        return _object(_decoder(key), _decoder(item))
    if is_dataclass(hint):
        return _dataclass(cast(type, hint))
    return _SCALARS[hint]


def _string(value: Any) -> Any:
    if not isinstance(value, str):
        raise InputError("", value, "a text")
    if not is_storable(value):
        raise InputError("", value, "a text without NUL and without halves of surrogate pairs")
    return value


def _integer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return _reckonable(value)
    raise InputError("", value, "a whole number")


def _number(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return _reckonable(value)
    if isinstance(value, float) and math.isfinite(value):
        return _reckonable(value)
    raise InputError("", value, "a finite number")


def _reckonable(value: float) -> float:
    if -LARGEST <= value <= LARGEST:
        return value
    raise InputError("", value, f"a number between -{LARGEST:g} and {LARGEST:g}")


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise InputError("", value, "true or false")


_SCALARS: dict[Any, Decoder] = {str: _string, int: _integer, float: _number, bool: _boolean}


def _checked(hint: Any) -> Decoder:
    inner_hint, *notes = get_args(hint)
    result = _decoder(inner_hint)
    for note in notes:
        if isinstance(note, Bounds):
            result = _bounded(result, note)
        elif isinstance(note, Pattern):
            result = _matching(result, note)
    return result


def _bounded(inner: Decoder, bounds: Bounds) -> Decoder:
    least = -math.inf if bounds.least is None else bounds.least
    most = math.inf if bounds.most is None else bounds.most
    expected = _bounds_text(bounds)

    def decoder(value: Any) -> Any:
        number = inner(value)
        if least <= number <= most:
            return number
        raise InputError("", value, expected)

    return decoder


def _bounds_text(bounds: Bounds) -> str:
    if bounds.most is None:
        return f"a number of at least {bounds.least:.15g}"
    if bounds.least is None:
        return f"a number of at most {bounds.most:.15g}"
    return f"a number from {bounds.least:.15g} to {bounds.most:.15g}"


def _matching(inner: Decoder, pattern: Pattern) -> Decoder:
    match = re.compile(pattern.regex).fullmatch

    def decoder(value: Any) -> Any:
        text = inner(value)
        if match(text):
            return text
        raise InputError("", value, pattern.expected)

    return decoder


def _one_of(choices: tuple[Any, ...]) -> Decoder:
    expected = f"one of {', '.join(map(str, choices))}" if len(choices) > 1 else repr(choices[0])

    def decoder(value: Any) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        raise InputError("", value, expected)

    return decoder


def _union(options: tuple[Any, ...]) -> Decoder:
    others = [option for option in options if option is not type(None)]
    nullable = len(others) < len(options)
    if len(others) == 1:
        inner = _decoder(others[0])
    else:
        inner = _first_fitting([_decoder(option) for option in others])
    if not nullable:
        return inner
    return lambda value: None if value is None else inner(value)


def _first_fitting(decoders: list[Decoder]) -> Decoder:
    def decoder(value: Any) -> Any:
        errors = []
        for option in decoders:
            try:
                return option(value)
            except InputError as error:
                errors.append(error)
        # An error from deeper inside means that the outer shape fitted: it is the one worth telling.
        deepest = max(errors, key=lambda error: len(error.path))
        if deepest.path:
            raise deepest
        raise InputError("", value, " or ".join(error.expected for error in errors))

    return decoder


def _list(inner: Decoder) -> Decoder:
    def decoder(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise InputError("", value, "a list")
        result = []
        try:
            for item in value:
                result.append(inner(item))
        except InputError as error:
            raise error.under(f"[{len(result)}]") from None
        return tuple(result)

    return decoder


def _object(key_decoder: Decoder, inner: Decoder) -> Decoder:
    def decoder(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise InputError("", value, "an object")
        result = {}
        for key, item in value.items():
            try:
                result[key_decoder(key)] = inner(item)
            except InputError as error:
                raise error.under(str(key)) from None
        return result

    return decoder


def _dataclass(cls: type) -> Decoder:
    hints = hints_of(cls)
    parts = {json_name(field): (field.name, _decoder(hints[field.name])) for field in fields(cls)}
    required = {json_name(field) for field in fields(cls) if is_required(field)}

    def decoder(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise InputError("", value, "an object")
        arguments = {}
        key: Any = ""
        try:
            for key, item in value.items():
                name, inner = parts[key]
                arguments[name] = inner(item)
        except InputError as error:
            raise error.under(key) from None
        except KeyError:
            raise InputError(str(key), key, f"a known field; known are {', '.join(sorted(parts))}") from None
        if not required <= value.keys():
            missing = min(required - value.keys())
            raise InputError.required(missing)
        return cls(**arguments)

    return decoder


@cache
def _encoder(hint: Any) -> Encoder:
    origin = get_origin(hint)
    if origin is Annotated:
        return _encoder(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return _encode_by_value
    if origin is tuple:
        inner = _encoder(get_args(hint)[0])
        return list if inner is _as_is else lambda value: [inner(item) for item in value]
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        inner = _encoder(get_args(hint)[1])
        return dict if inner is _as_is else lambda value: {key: inner(item) for key, item in value.items()}
    if is_dataclass(hint):
        return _encode_dataclass(cast(type, hint))
    return _as_is


def _as_is(value: Any) -> Any:
    return value


def _encode_by_value(value: Any) -> Any:
    if is_dataclass(value):
        return _encoder(cast(Any, type(value)))(value)
    if isinstance(value, tuple):
        return [_encode_by_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _encode_by_value(item) for key, item in value.items()}
    return value


def _encode_dataclass(cls: type) -> Encoder:
    hints = hints_of(cls)
    parts = [
        (
            field.name,
            json_name(field),
            _encoder(hints[field.name]),
            _default(field) if field.metadata.get("omit") else MISSING,
        )
        for field in fields(cls)
    ]

    def encoder(value: Any) -> Any:
        result = {}
        for name, key, inner, omitted in parts:
            item = getattr(value, name)
            if omitted is MISSING or item != omitted:
                result[key] = inner(item)
        return result

    return encoder


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
