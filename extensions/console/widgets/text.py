# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts on the screen. Names come from outside: they are never markup, and what would move the cursor or turn
the order of letters is shown as an escape.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import duration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import readable

_BLOCKS = " ▏▎▍▌▋▊▉█"
UNKNOWN = "–"
_LEAST_SAID = len("not reported")


def plain(text: object, style: str = "", *, right: bool = False) -> Text:
    """A text as it is, without markup."""
    return Text(
        readable(str(text)),
        style=style,
        justify="right" if right else None,
        no_wrap=True,
        overflow="ellipsis",
    )


def number(value: float | None, digits: int = 1, unit: str = "", style: str = "") -> Text:
    """A number for a column, aligned to the right; a dash for what is not known."""
    shown = UNKNOWN if value is None else f"{value:.{digits}f}{unit}"
    return Text(shown, style=style, justify="right", no_wrap=True)


def gib(value: float | None) -> Text:
    """Bytes in GiB."""
    return number(None if value is None else value / GIB)


def ago(seconds: float | None) -> str:
    """How long ago something was."""
    if seconds is None:
        return "never"
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def level_bar(percent: float | None, width: int, band: tuple[float, float] | None = None) -> Text:
    """A bar of this width for 0 to 100 %, with the two ends of a band drawn into it as lines."""
    if percent is None:
        said = "not reported" if width >= _LEAST_SAID else "unknown"
        return Text(f"{said:<{width}}"[:width], style="dim")
    eighths = round(width * 8 * min(max(percent, 0.0), 100.0) / 100)
    cells = [_BLOCKS[min(8, max(0, eighths - 8 * index))] for index in range(width)]
    text = Text("".join(cells), no_wrap=True)
    text.style = _colour(percent, band)
    for end in band or ():
        at = min(width - 1, max(0, int(width * end / 100)))
        text.plain = f"{text.plain[:at]}│{text.plain[at + 1 :]}"
    return text


def _colour(percent: float, band: tuple[float, float] | None) -> str:
    """Colours that people who see no red or green tell apart; the sign beside the bar says the same."""
    if band is None:
        return "cyan"
    low, high = band
    return "dark_orange" if percent > high else "deep_sky_blue1" if percent < low else "cyan"


def mark(percent: float | None, band: tuple[float, float] | None) -> str:
    """The same as the colour, as a sign."""
    if percent is None or band is None:
        return " "
    return "▲" if percent > band[1] else "▼" if percent < band[0] else " "


def paragraphs(lines: Iterable[str], style: str = "") -> Text:
    """Lines that are wrapped where they are too long; empty ones are left out."""
    texts = [plain(line, style) for line in lines if line]
    for text in texts:
        text.no_wrap = False
    return Text("\n").join(texts)
