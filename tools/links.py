# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the links at the end of README.md, and those of docs/docsite, from the addresses in galaxy.yml.

Galaxy shows no relative ones.
"""

from __future__ import annotations

import re

import yaml

from .run import ROOT

README = ROOT / "README.md"
DOCSITE = ROOT / "docs" / "docsite" / "links.yml"
ADDRESSES = ("documentation", "issues", "repository")
HEAD = """---
# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by tools/links.py from galaxy.yml.
"""
LINK = re.compile(r"^\[([\w-]+)\]: (\S+)$", re.MULTILINE)


def addresses() -> dict[str, str]:
    """The addresses of galaxy.yml that links begin with."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
    return {name: galaxy[name] for name in ADDRESSES}


def links(text: str) -> dict[str, str]:
    """Name and address of each link at the end of a page."""
    return dict(LINK.findall(text))


def renewed(text: str, before: dict[str, str], after: dict[str, str]) -> str:
    """The page with links to the addresses of `after` instead of those of `before`."""

    def replaced(match: re.Match[str]) -> str:
        name, address = match.groups()
        for kind in ADDRESSES:
            if address.startswith(before[kind]):
                return f"[{name}]: {after[kind]}{address.removeprefix(before[kind])}"
        return match.group()

    return LINK.sub(replaced, text)


def docsite(to: dict[str, str]) -> str:
    """The file of the links that antsibull-docs shows in addition to those of galaxy.yml."""
    return f"{HEAD}extra_links:\n  - description: Guides\n    url: {to['documentation']}\n"


def main() -> None:
    """Replace the addresses of README.md; its links `docs`, `issues` and `licence` tell which they are."""
    text = README.read_text("utf-8")
    found = links(text)
    before = {
        "documentation": found["docs"],
        "issues": found["issues"],
        "repository": found["licence"].removesuffix("/blob/main/COPYING"),
    }
    README.write_text(renewed(text, before, addresses()), "utf-8")
    DOCSITE.write_text(docsite(addresses()), "utf-8")


if __name__ == "__main__":
    main()
