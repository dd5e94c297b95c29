# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of errors, and where errors are declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model import errors
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError

UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
DECLARED = re.compile(r"^class ([A-Z]\w*)\(\w*(?:Error|Refused)\):", re.MULTILINE)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InputError.required("hostname", when="platform is vsphere", hint="Set it"),
            "hostname is required when platform is vsphere. Set it",
        ),
        (InputError.required("kind", expected="one of a, b"), "kind is required: one of a, b"),
        (InputError.conflict("a", "b"), "a and b are mutually exclusive"),
        (
            InputError.unsupported("engine", "exact", "goal: relieve", hint="Use engine: search"),
            "engine: exact does not support goal: relieve. Use engine: search",
        ),
        (InputError.unsupported("evacuate", "", "goal: rules"), "evacuate does not support goal: rules"),
        (InputError.exceeds("step", 2, "range", 1, unit=" s"), "step (2 s) must not exceed range (1 s)"),
        (InputError("cpu", "x", "a number"), "cpu: 'x' is not a number"),
    ],
)
def test_every_constructor_keeps_its_sentence_at_every_depth(error: InputError, text: str) -> None:
    assert str(error) == text
    assert str(error.under("policy")) == f"policy.{text}"
    assert str(error.under("policy").inside("policy")) == text


def test_the_tree_names_every_error_that_is_declared() -> None:
    declared = {name for file in UTILS.glob("*/errors.py") for name in DECLARED.findall(file.read_text())}
    assert sorted(name for name in declared if not re.search(rf"\b{name}\b", errors.__doc__ or "")) == []


def test_errors_are_declared_in_errors_files_only() -> None:
    others = [file for file in UTILS.rglob("*.py") if file.name != "errors.py"]
    assert {file: names for file in others if (names := DECLARED.findall(file.read_text()))} == {}
