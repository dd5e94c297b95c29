# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a module as a dataclass, from which its argument spec is made.

The dataclass is the only place where an option, its type and its default are written, and for a policy its
text: tools/options.py makes the documentation of that with the same functions.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from ..._model.codec import Bounds, hints_of, is_required, json_name
from ..._model.quantities import in_plain_numbers, quantity_of

_SCALARS = {str: "str", int: "int", float: "float", bool: "bool"}
_MAX_CHOICES = 10

_Options = TypeVar("_Options")


class Spec:
    """Entries of an argument spec that do not follow from the type of a field, such as no_log=True."""

    def __init__(self, **entries: object) -> None:
        self.entries: Mapping[str, Any] = entries


Path = Annotated[str, Spec(type="path")]
Secret = Annotated[str, Spec(no_log=True)]
# Ansible takes an option for a secret by its name.
NoSecret = Annotated[str, Spec(no_log=False)]


def options_of(cls: type[_Options], params: Mapping[str, Any]) -> _Options:
    """The options of a module as AnsibleModule has validated them, with plain numbers for sizes and times;
    what is within options stays as it is.
    """
    given = {field.name: params[field.name] for field in fields(cls)}  # type: ignore[arg-type]
    return cls(**in_plain_numbers(cls, given))


def argument_spec(cls: type, *, texts: bool = False) -> dict[str, Any]:
    """The options of a dataclass, by name; with `texts` each has the paragraphs of its `description`."""
    hints = hints_of(cls)
    return {json_name(field): _option(field, hints[field.name], texts) for field in fields(cls)}


def _option(field: Field[Any], hint: Any, texts: bool) -> dict[str, Any]:
    option: dict[str, Any] = {}
    if texts:
        text = next(note for note in get_args(hint) if isinstance(note, str))
        option["description"] = text.split("\n")
    option |= _type(hint, texts)
    if is_required(field):
        option["required"] = True
    default = field.default
    if isinstance(default, (str, int, float)) or (isinstance(default, tuple) and default):
        option["default"] = str(_plain(default)) if option["type"] == "str" else _plain(default)
    # What is empty by default, or made of parts with defaults of their own, is documented by its text.
    return option


def _plain(default: object) -> object:
    if isinstance(default, tuple):
        return list(default)
    return int(default) if isinstance(default, float) and default.is_integer() else default


def _type(hint: Any, texts: bool) -> dict[str, Any]:
    """Type, elements, choices and suboptions."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *notes = get_args(hint)
        quantity = quantity_of(hint)
        if quantity is not None and quantity.has_units:
            # Such as 16G or 30m.
            return {"type": "str"}
        choices = next((_choices(inner, note) for note in notes if isinstance(note, Bounds)), None)
        found = _type(inner, texts) | ({"choices": choices} if choices else {})
        for note in notes:
            found |= note.entries if isinstance(note, Spec) else {}
        return found
    if origin in (Union, types.UnionType):
        others = [option for option in get_args(hint) if option is not type(None)]
        return _type(others[0], texts) if len(others) == 1 else {"type": "raw"}
    if origin is Literal:
        choices = list(get_args(hint))
        return {"type": _SCALARS[type(choices[0])], "choices": choices}
    if origin in (tuple, Sequence):
        element = _type(get_args(hint)[0], texts)
        return {"type": "list", "elements": element.pop("type"), **element}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "dict"}
    if isinstance(hint, type) and is_dataclass(hint):
        return {"type": "dict", "options": argument_spec(hint, texts=texts)}
    return {"type": "raw" if hint is Any else _SCALARS[hint]}


def _choices(hint: Any, bounds: Bounds) -> list[int] | None:
    if hint is not int or bounds.least is None or bounds.most is None:
        return None
    numbers = list(range(int(bounds.least), int(bounds.most) + 1))
    return numbers if len(numbers) <= _MAX_CHOICES else None
