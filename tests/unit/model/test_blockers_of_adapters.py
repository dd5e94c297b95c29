# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every blocker that an adapter can emit has a sentence, and a row in the guide of its platform."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.blockers import in_words

ROOT = Path(__file__).parents[3]
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def emitted(platform: str) -> set[str]:
    """The codes that are written in the sources of an adapter where blockers are made."""
    found: set[str] = set()
    for file in (ROOT / "plugins/module_utils/_platforms" / platform).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found.update(text for text in _made(node) if CODE.fullmatch(text))
    return found


def _made(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef) and "blocker" in node.name:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Yield) and inner.value is not None:
                yield from _texts(inner.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        added = node.func.attr == "add" and isinstance(owner, ast.Name) and owner.id == "blockers"
        if added or node.func.attr == "block":
            for argument in node.args:
                yield from _texts(argument)
    elif isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "blocker" for target in node.targets
    ):
        yield from _texts(node.value)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def documented(platform: str) -> set[str]:
    """The codes of the tables in the guide: of guests, and of disks."""
    guide = (ROOT / "docs" / f"getting-started-{platform}.md").read_text(encoding="utf-8")
    tables = [text.partition("\n\n")[0] for text in guide.split("| blocker |")[1:]]
    return set(re.findall(r"^\| `([a-z0-9_]+)` \|", "\n".join(tables), re.MULTILINE))


@pytest.mark.parametrize("platform", ["vsphere", "proxmox", "vmmanager"])
def test_every_blocker_has_a_sentence_and_a_row_in_the_guide(platform: str) -> None:
    codes = emitted(platform)
    assert len(codes) > 3, "the sources are not read as they are written"
    assert sorted(code for code in codes | documented(platform) if in_words([code]) == code) == []
    assert sorted(codes - documented(platform)) == []
