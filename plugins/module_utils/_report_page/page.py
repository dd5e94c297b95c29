# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .._model.errors import LibraryMissing
from .._model.text.wording import readable
from .content import view_of
from .datastores import datastores
from .disk_moves import disk_moves
from .given import Given
from .headroom import headroom
from .history import history
from .migrations import migrations
from .picture import picture
from .placement import placement
from .rules import rules, undone
from .section import Section
from .storage import storage_of
from .summary import head_of, summary
from .texts import listed

jinja2: Any = None
markupsafe: Any = None
try:
    import jinja2 as _jinja2
    import markupsafe as _markupsafe
except ImportError:
    pass
else:
    jinja2 = _jinja2
    markupsafe = _markupsafe

FOLDER: Final = Path(__file__).parent

# In the order of the page.
SECTIONS: Final[tuple[Callable[[Given], Section | None], ...]] = (
    summary,
    placement,
    picture,
    datastores,
    migrations,
    disk_moves,
    rules,
    undone,
    headroom,
    history,
)
_UNSAFE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(given: Given) -> str:
    """The HTML of one file that needs no other. The same documents make the same text.

    Raises LibraryMissing without Jinja2, which Ansible requires anyway.
    """
    if jinja2 is None:
        raise LibraryMissing("the Python library jinja2 is not installed", hint="Install jinja2.")
    sections = _sections(given)
    style, script = _joined("style*.css"), _joined("script*.js")
    html: str = (
        _environment()
        .get_template("page.j2")
        .render(
            given=given,
            head=head_of(given),
            sources=_sources(given),
            sections=sections,
            style=markupsafe.Markup(style),
            script=markupsafe.Markup(script),
            policy=_content_policy(style, script),
        )
    )
    return html


def section_ids(given: Given) -> list[str]:
    """The ids of the sections, in their order."""
    return [section.id for section in _sections(given)]


def _sections(given: Given) -> tuple[Section, ...]:
    return given.once("sections", _made_sections)


def _made_sections(given: Given) -> tuple[Section, ...]:
    makers = [*SECTIONS]
    if not is_about_hosts(given):
        # What changes stands first.
        makers.remove(picture)
        makers.insert(makers.index(disk_moves) + 1, picture)
    return tuple(section for make in makers if (section := make(given)) is not None)


def is_about_hosts(given: Given) -> bool:
    """Whether any guest is migrated or placed, or no disk is moved."""
    view, storage = view_of(given), storage_of(given)
    if storage is None or storage.changes == "none":
        return True
    return view is not None and view.changes != "none"


def _sources(given: Given) -> str:
    """Which documents the page was made from, with the digest by which its snapshot is known."""
    names = ("plan", "snapshot", "outcome", "placement", "history")
    found = [name for name in names if getattr(given, name)] or ["error of the run"]
    digest = given.plan.snapshot_digest if given.plan else given.snapshot.digest() if given.snapshot else ""
    return f"{listed([f'the {name}' for name in found], 5)}{f' (snapshot {digest[:19]})' if digest else ''}"


def _joined(pattern: str) -> str:
    """The files of one kind, style.css and script.js first."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob(pattern)))


def _environment() -> Any:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates", encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: _shown(value) if isinstance(value, str) else value,
    )
    environment.filters["json"] = json_in_html
    return environment


def json_in_html(value: object) -> Any:
    """JSON for a <script> element: nothing in it can end the element, whatever names it holds."""
    text = json.dumps(_shown(value), separators=(",", ":"), ensure_ascii=False)
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return markupsafe.Markup(text)


def _shown(value: Any) -> Any:
    """A value whose texts turn no order of letters: names come from outside."""
    if isinstance(value, str):
        return value if isinstance(value, markupsafe.Markup) else readable(value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, (list, tuple)) else value


def _content_policy(style: str, script: str) -> str:
    """Only the script and the style of the page itself work, and nothing is loaded."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
