# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts rely on, in one file for whoever reviews a change: surface.json.

An addition belongs to a minor version. A change or a removal belongs to a major version. To write it anew:

    EVENKEEL_WRITE_SURFACE=1 .venv/bin/pytest -q -p no:xdist tests/unit/python_api
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel

FILE = Path(__file__).with_name("surface.json")


def described(thing: Any) -> Any:
    """A function by its signature; a class by its bases, fields and public methods."""
    if not inspect.isclass(thing):
        return str(inspect.signature(thing))
    kept: dict[str, Any] = {"is a": [base.__name__ for base in thing.__mro__[1:-1]]}
    if dataclasses.is_dataclass(thing):
        kept["fields"] = {
            field.name: str(field.type) + ("" if required(field) else " = …")
            for field in dataclasses.fields(thing)
        }
    names = [name for name in dir(thing) if not name.startswith("_") and name not in kept.get("fields", ())]
    kept["methods"] = {
        name: str(inspect.signature(getattr(thing, name))) if callable(getattr(thing, name)) else "property"
        for name in names
        if not issubclass(thing, BaseException)
    }
    return kept


def required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def test_the_surface_is_the_reviewed_one() -> None:
    found = {name: described(getattr(evenkeel, name)) for name in evenkeel.__all__}
    if os.environ.get("EVENKEEL_WRITE_SURFACE"):
        FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert json.loads(FILE.read_text(encoding="utf-8")) == found


def test_names_are_sorted_and_there() -> None:
    assert list(evenkeel.__all__) == sorted(evenkeel.__all__)
    assert [name for name in evenkeel.__all__ if not hasattr(evenkeel, name)] == []
