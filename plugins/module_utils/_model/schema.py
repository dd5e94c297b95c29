# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of a dataclass, from its type hints."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from .codec import Bounds, Pattern, hints_of, is_required, json_name


def json_schema(cls: type, title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a dataclass: what `decode` accepts and `encode` gives."""
    definitions: dict[str, Any] = {}
    root = _schema(cls, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


_SCALAR_SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(hint)
    if origin is Annotated:
        return _annotated_schema(hint, definitions)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, definitions) for option in get_args(hint)]}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        key, item = get_args(hint)
        keys = {key_: value for key_, value in _schema(key, definitions).items() if key_ != "type"}
        result = {"type": "object", "additionalProperties": _schema(item, definitions)}
        return {**result, "propertyNames": keys} if keys else result
    if is_dataclass(hint):
        return _dataclass_schema(cast(type, hint), definitions)
    return dict(_SCALAR_SCHEMAS[hint])


_REFERENCE = re.compile(r"\b(?:O|RV|V|C|E)\((?:[\w.]+#module:)?([^()]*)\)|\bM\(evenkeel\.cluster\.(\w+)\)")


def _without_markup(text: str) -> str:
    """Texts of options have Ansible's markup and paragraphs, which readers of a schema do not expect."""
    return _REFERENCE.sub(lambda found: found[1] or found[2], text).replace("\n", " ")


def _annotated_schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    inner, *notes = get_args(hint)
    result = _schema(inner, definitions)
    for note in notes:
        if isinstance(note, Bounds):
            limits = {"minimum": note.least, "maximum": note.most}
            result.update({key: value for key, value in limits.items() if value is not None})
        elif isinstance(note, Pattern):
            result["pattern"] = f"^(?:{note.regex})$"
        elif isinstance(note, str):
            result["description"] = _without_markup(note)
    return result


def _dataclass_schema(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if cls.__name__ not in definitions:
        definitions[cls.__name__] = {}
        hints = hints_of(cls)
        definitions[cls.__name__] = {
            "type": "object",
            "description": " ".join((cls.__doc__ or "").split()),
            "properties": {
                json_name(field): _schema(hints[field.name], definitions) for field in fields(cls)
            },
            "required": [json_name(field) for field in fields(cls) if is_required(field)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{cls.__name__}"}
