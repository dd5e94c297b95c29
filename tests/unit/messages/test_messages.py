# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message that a user can meet, in one file for whoever reviews the language: messages.yml.

Each case runs the `main` of a module with wrong options, in this process and through Ansible's own check of
the argument spec. `says` is the whole text of the failure. To write the texts anew and read them in the diff:

    EVENKEEL_WRITE_MESSAGES=1 .venv/bin/pytest -q -p no:xdist -k reviewed tests/unit/messages
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure

FILE = Path(__file__).with_name("messages.yml")
HEAD = """---
# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
# What modules say when they are called wrongly. FOLDER is a new folder, CLUSTER a snapshot of three hosts.
"""
CASES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
WRITE = "EVENKEEL_WRITE_MESSAGES"
CLUSTER = generate(Shape(hosts=3, guests=9, seed=1)).to_json()


def message(case: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the module fails with the options of a case; FOLDER and CLUSTER in them are filled in."""
    for name, text in case.get("files", {}).items():
        (folder / name).write_text(json.dumps(CLUSTER) if text == "CLUSTER" else text, encoding="utf-8")
    environment = {"HOME": str(folder), **case.get("environment", {})}
    said = failure(case["module"], filled(case["options"], folder), monkeypatch, environment)
    return said.replace(str(folder), "FOLDER")


def filled(value: Any, folder: Path) -> Any:
    if value == "CLUSTER":
        return CLUSTER
    if isinstance(value, str):
        return value.replace("FOLDER", str(folder))
    if isinstance(value, dict):
        return {key: filled(item, folder) for key, item in value.items()}
    return [filled(item, folder) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def texts(request: pytest.FixtureRequest) -> Iterator[dict[int, str]]:
    """The texts of the failures by number of the case. They are written at the end, if that is requested."""
    found: dict[int, str] = {}
    if os.environ.get(WRITE) and hasattr(request.config, "workerinput"):
        pytest.exit(f"{WRITE} requires a single process: pass -p no:xdist", returncode=2)
    yield found
    if os.environ.get(WRITE):
        cases = [case | {"says": found.get(number, case["says"])} for number, case in enumerate(CASES)]
        text = yaml.safe_dump(cases, sort_keys=False, width=110, allow_unicode=True, default_flow_style=None)
        FILE.write_text(HEAD + text, encoding="utf-8")


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_wrong_input_is_answered_with_the_reviewed_message(
    number: int, texts: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[number]
    said = message(case, tmp_path, monkeypatch)
    assert said, "the module did not fail"
    texts[number] = said
    assert os.environ.get(WRITE) or said == case["says"]


def test_no_message_uses_a_word_that_the_style_guide_replaces() -> None:
    words = (
        r"\b(told|tells|unless told|gives|whoever|whatever|wanted|put up with|goes home|by itself)\b|, since "
    )
    assert [case["says"] for case in CASES if re.search(words, case["says"])] == []
