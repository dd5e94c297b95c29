# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a method takes, and the check of what a caller sends, in Proxmox VE's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .errors import ApiError

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. `since` is the first major version that knows it."""

    type: str
    optional: bool = True
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    max_length: int | None = None
    format: str | None = None
    since: int = 8

    @property
    def required(self) -> Param:
        return replace(self, optional=False)


_TRUE, _FALSE = ("1", "on", "yes", "true"), ("0", "off", "no", "false")
BOOL = Param("boolean")
INT = Param("integer")
COUNT = Param("integer", minimum=0)
NUMBER = Param("number", minimum=0)
TEXT = Param("string")
NODE = Param("string", format="pve-node")
STORAGE = Param("string", format="pve-storage-id")
VMID = Param("integer", minimum=100, maximum=999999999, format="pve-vmid")

_PATTERNS = {
    "pve-node": (r"[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?", "value does not look like a valid node name"),
    "pve-storage-id": (r"(?i)[a-z][a-z0-9\-_.]*[a-z0-9]", "storage ID '{}' contains illegal characters"),
    "pve-configid": (r"(?i)[a-z][a-z0-9_-]+", "invalid configuration ID '{}'"),
}


def check(declared: Mapping[str, Param], given: Mapping[str, object], major: int) -> dict[str, Value]:
    """The values in their own types. Raises ApiError 400 with a reason for each wrong parameter."""
    errors: dict[str, str] = {}
    result: dict[str, Value] = {}
    known = {name: param for name, param in declared.items() if param.since <= major}
    for name, raw in given.items():
        # Of some there are many: net[n] is net0, net1, …
        param = known.get(name) or known.get(re.sub(r"[0-9]+\Z", "[n]", name))
        if param is None or "[" in name:
            errors[name] = (
                "property is not defined in schema and the schema does not allow additional properties"
            )
            continue
        value = _typed(param, raw)
        if value is None:
            errors[name] = f"type check ('{param.type}') failed - got '{raw}'"
            continue
        wrong = _out_of_bounds(param, value)
        if wrong:
            errors[name] = wrong
        result[name] = value
    for name, param in known.items():
        if not param.optional and name not in given:
            errors[name] = "property is missing and it is not optional"
    if errors:
        raise ApiError(400, "Parameter verification failed.", errors)
    return result


def _typed(param: Param, raw: object) -> Value | None:
    if param.type == "boolean":
        text = str(int(raw)) if isinstance(raw, bool) else str(raw).lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if isinstance(raw, (bool, dict, list)) or raw is None:
        return None
    text = str(raw)
    if param.type == "integer":
        return int(text) if re.fullmatch(r"[+-]?\d+", text, re.ASCII) else None
    if param.type == "number":
        return (
            float(text)
            if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.ASCII | re.IGNORECASE)
            else None
        )
    return text


def _out_of_bounds(param: Param, value: Value) -> str | None:
    if param.enum and value not in param.enum:
        return f"value '{value}' does not have a value in the enumeration '{', '.join(param.enum)}'"
    if isinstance(value, (int, float)) and param.minimum is not None and value < param.minimum:
        return f"value must have a minimum value of {param.minimum}"
    if isinstance(value, (int, float)) and param.maximum is not None and value > param.maximum:
        return f"value must have a maximum value of {param.maximum}"
    if param.max_length is not None and len(str(value)) > param.max_length:
        return f"value may only be {param.max_length} characters long"
    if param.format in _PATTERNS and not re.fullmatch(_PATTERNS[param.format][0], str(value), re.ASCII):
        return f"invalid format - {_PATTERNS[param.format][1].format(value)}"
    return None
