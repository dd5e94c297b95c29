# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of a request, whose kinds share one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._capacity.pool import Name
from .._capacity.request import Request as LeaseRequest
from .._model.schema import json_schema
from .request import Id, Lease, Place, Release, Renew, Spare

_KINDS: Mapping[str, tuple[type, ...]] = {
    "place": (Place,),
    "spare": (Spare,),
    "lease": (Lease, LeaseRequest),
    "renew": (Renew,),
    "release": (Release,),
}
_WITH_UNITS = {"memory": "8G", "storage": "8G", "size": "8G", "wait": "30m", "lifetime": "2h"}


@dataclass(frozen=True, kw_only=True)
class _Common:
    id: Id | None = None
    notify: tuple[Name, ...] = ()


def request_schema(title: str) -> dict[str, Any]:
    """The schema (draft 2020-12) of what `asked_of` accepts. Sizes and times may be texts, too."""
    definitions: dict[str, Any] = {}
    kinds = []
    for kind, classes in _KINDS.items():
        properties: dict[str, Any] = {"kind": {"const": kind}}
        required = ["kind"]
        says = ""
        for cls in (_Common, *classes):
            found = json_schema(cls, title)["$defs"]
            own = found.pop(cls.__name__)
            says = says or (own["description"] if cls is not _Common else "")
            # The fields of a lease stand beside the others.
            properties |= {name: field for name, field in own["properties"].items() if name != "lease"}
            required += [name for name in own["required"] if name != "lease"]
            definitions |= {name: part for name, part in found.items() if name != LeaseRequest.__name__}
        kinds.append(
            {
                "type": "object",
                "description": says,
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            }
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "oneOf": [_sized(kind) for kind in kinds],
        "$defs": {name: _sized(part) for name, part in sorted(definitions.items())},
    }


def _sized(definition: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {"anyOf": [field, {"type": "string", "description": f"such as {_WITH_UNITS[name]}"}]}
        if name in _WITH_UNITS
        else field
        for name, field in definition.get("properties", {}).items()
    }
    return {**definition, "properties": properties} if properties else definition
