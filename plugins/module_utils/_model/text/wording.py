# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts: what can be kept and shown of those from outside, JSON in them, and sentences for people."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..errors import InputError


def is_storable(text: str) -> bool:
    """Whether every database and file can keep a text: it has no NUL and no half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """A text without what would end its line, colour a terminal or turn the order of letters: names come from
    outside.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def parsed_json(text: str | bytes, path: str) -> object:
    """Parsed JSON of any text whatever. `path` names it in the InputError that is raised for what is none.

    NaN and infinite numbers pass, so that whoever reads on can name the field that they stand in.
    """
    try:
        return json.loads(text)
    except (ValueError, OverflowError) as error:
        # Of bytes that are no UTF-8, of text that is no JSON, and of numbers with thousands of digits.
        raise _not_json(path, str(error)) from None
    except RecursionError:
        raise _not_json(path, "it is nested too deep") from None
    except MemoryError:
        raise _not_json(path, "it is too large for the free memory") from None


def sentence(text: str) -> str:
    """A text as a sentence: with a capital, unless its first word has one inside, and a full stop."""
    text = text.strip()
    first = text.partition(" ")[0]
    start = text[:1].upper() if first == first.lower() else text[:1]
    return f"{start}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def listed(texts: Iterable[str], most: int, joint: str = ", ") -> str:
    """The first of them, up to a maximum, and the number of the others."""
    found = list(texts)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return f"{joint.join(found[:most])}{more}"


def counted(number: int, noun: str) -> str:
    """1 host, 2 hosts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _not_json(path: str, why: str) -> InputError:
    return InputError(path, "the text", f"JSON: {why}")
