# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of the XML that vCenter answers with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from xml.etree.ElementTree import Element

NAMESPACE = "{urn:vim25}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@cache
def _qualified(path: str) -> str:
    return "/".join(NAMESPACE + step for step in path.split("/"))


def find(element: Element | None, path: str) -> Element | None:
    return None if element is None else element.find(_qualified(path))


def find_all(element: Element | None, path: str) -> list[Element]:
    return [] if element is None else element.findall(_qualified(path))


def descendants(element: Element, tag: str) -> Iterator[Element]:
    return element.iter(NAMESPACE + tag)


def text(element: Element | None, path: str = "") -> str | None:
    """The text of what is there, None where nothing is."""
    found = find(element, path) if path else element
    return None if found is None else found.text


def texts(element: Element | None, path: str) -> list[str]:
    return [found.text for found in find_all(element, path) if found.text]


def items(element: Element | None) -> list[str]:
    """The members of an array of references or texts."""
    return [] if element is None else [member.text for member in element if member.text]


def flag(element: Element | None, path: str = "") -> bool | None:
    value = text(element, path)
    return None if value is None else value in ("true", "1")


def whole(element: Element | None, path: str = "") -> int | None:
    value = text(element, path)
    return None if value is None else int(value)


def type_of(element: Element | None) -> str:
    """The API's name of the type of a value, empty where it is not said."""
    return "" if element is None else element.get(_TYPE, "").rpartition(":")[2]


def plain(name: str | None) -> str:
    """An inventory name as people know it: vCenter keeps /, \\ and % in it as %2f, %5c and %25."""
    result = name or ""
    for escaped, character in (("%2f", "/"), ("%5c", "\\"), ("%25", "%")):
        result = result.replace(escaped, character).replace(escaped.upper(), character)
    return result
