# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guide begins with what it is for and ends with where to go next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

DOCS: Final = Path(__file__).parents[2] / "docs"
GUIDES: Final = sorted(
    path for path in (*DOCS.glob("*.md"), *DOCS.glob("coming-from/*.md")) if path != DOCS / "index.md"
)
NAMES: Final = [str(path.relative_to(DOCS)) for path in GUIDES]
LINK: Final = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("guide", GUIDES, ids=NAMES)
def test_a_guide_begins_with_what_it_is_for(guide: Path) -> None:
    title, empty, *rest = guide.read_text(encoding="utf-8").splitlines()
    assert (title[:2], empty) == ("# ", "")
    intro = "\n".join(rest).partition("\n\n")[0]
    assert re.match(r"[\w*`\[]", intro), "the first paragraph is a table, a list or a picture"
    assert not intro.startswith("```"), "the first paragraph is code"
    assert intro.endswith((".", ":")), "the first paragraph is a sentence"


@pytest.mark.parametrize("guide", GUIDES, ids=NAMES)
def test_a_guide_ends_with_what_next(guide: Path) -> None:
    _before, heading, last = guide.read_text(encoding="utf-8").rpartition("\n## ")
    title, _line, text = last.partition("\n")
    assert (heading != "", title) == (True, "What next")
    links = LINK.findall(text)
    assert 2 <= len(links) <= 6
    # Pages of the reference are made of the modules.
    pages = [link for link in links if "reference/" not in link]
    assert [link for link in pages if not (guide.parent / link).is_file()] == []
    assert guide.name not in links


def test_the_contents_name_every_guide() -> None:
    for folder in (DOCS, DOCS / "coming-from"):
        lines = (folder / "index.md").read_text(encoding="utf-8").splitlines()
        assert {guide.stem for guide in GUIDES if guide.parent == folder} - {"index"} <= set(lines)


def test_facts_are_read_from_ansible_facts() -> None:
    """Ansible deprecates them as variables of their own."""
    pages = [*DOCS.rglob("*.md"), *(DOCS.parent / "roles").glob("*/README.md"), DOCS.parent / "README.md"]
    pages = [page for page in pages if "build" not in page.parts]
    assert [
        str(page)
        for page in pages
        if re.search(r"\{\{\s*evenkeel_snapshot", page.read_text(encoding="utf-8"))
    ] == []
