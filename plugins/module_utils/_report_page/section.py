# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A section of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page, with a heading and a link in its navigation.

    How to add one: write `your_section.py` in this package with a function
    `your_section(given: Given) -> Section | None` (None where the documents have nothing for it), a template
    `templates/your_section.j2`, and add the function to SECTIONS in page.py, at its place on the page.

    The template is rendered with `data` (any frozen dataclass, made by the function without HTML) and
    `section`. It writes what is inside of <section>, below the heading, which page.j2 writes itself. Every
    name is escaped, because autoescape is on: never use `| safe`, `style="…"` or `on…="…"`, which the page's
    Content-Security-Policy blocks anyway. Colours and classes are in style.css; macros.j2 has tables, tags
    and figures. `script` is JSON for script.js, which finds it by `Page.data("<id>")`.

    A picture is an inline SVG with role="img" and an aria-label, whose numbers are in a table below it, in
    <details>. Positions within it are in percent, so that it is as wide as the screen.
    """

    id: str
    title: str
    template: str
    data: object
    script: Mapping[str, object] | None = field(default=None)
