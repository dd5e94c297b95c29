# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many objects' properties in few calls: the property collector, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from ...errors import SessionLost
from .errors import missing_permission
from .https import AnswerLost
from .library import vmodl
from .session import Session
from .soap import returned
from .values import find, find_all, flag, items, text, type_of, whole

# A guest with its devices is about 9 KB of XML: a page of them is parsed while it is small enough to keep.
PAGE = 1000
# How often a retrieval is begun again when an answer to one of its pages is lost: a page is handed out once.
_RESTARTS = 2


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its type and reference as the API names them, and the values by property path.

    A path whose value is not set is not there. One that vCenter could not read is in `failed`, with the
    fault's name.
    """

    kind: str
    id: str
    values: Mapping[str, Element]
    failed: Mapping[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        return text(self.values.get(path))

    def whole(self, path: str) -> int | None:
        return whole(self.values.get(path))

    def flag(self, path: str) -> bool | None:
        return flag(self.values.get(path))

    def items(self, path: str) -> list[str]:
        return items(self.values.get(path))


def properties(kind: Any, *paths: str) -> Any:
    """Which properties to read of objects of a type."""
    return vmodl.query.PropertyCollector.PropertySpec(type=kind, pathSet=list(paths))


def step(kind: Any, path: str, *onwards: Any, name: str | None = None) -> Any:
    """From objects of a type to those that a property of theirs refers to, and onwards from these."""
    return vmodl.query.PropertyCollector.TraversalSpec(
        name=name, type=kind, path=path, skip=False, selectSet=list(onwards)
    )


def again(name: str) -> Any:
    """The step of that name, once more."""
    return vmodl.query.PropertyCollector.SelectionSpec(name=name)


def retrieve(
    session: Session, starts: Sequence[Any], wanted: Sequence[Any], *onwards: Any, page: int = PAGE
) -> list[Found]:
    """The `wanted` properties of the objects `starts` and of all that the steps `onwards` lead to.

    Objects that are gone are left out. Raises PermissionMissing when the account may not read a value.
    """
    kinds = vmodl.query.PropertyCollector
    spec = kinds.FilterSpec(
        objectSet=[kinds.ObjectSpec(obj=start, skip=False, selectSet=list(onwards)) for start in starts],
        propSet=list(wanted),
        reportMissingObjectsInResults=True,
    )
    for _restart in range(_RESTARTS):
        try:
            return _pages(session, spec, page)
        except AnswerLost as lost:
            if isinstance(lost.__cause__, TimeoutError):
                raise
    return _pages(session, spec, page)


def _pages(session: Session, spec: Any, page: int) -> list[Found]:
    collector = session.manager("propertyCollector")
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=page)
    found: list[Found] = []
    result = returned(session.call(collector, "RetrievePropertiesEx", [spec], options))
    while result is not None:
        found.extend(_found(content, session.where) for content in find_all(result, "objects"))
        token = text(result, "token")
        if not token:
            break
        # A token is spent by its first use and belongs to its session: it is never sent again.
        result = returned(session.call_once(collector, "ContinueRetrievePropertiesEx", token))
    return found


def _found(content: Element, where: str) -> Found:
    obj = content[0]
    failed: dict[str, str] = {}
    for missing in find_all(content, "missingSet"):
        fault = find(missing, "fault/fault")
        if type_of(fault) == "NoPermission":
            raise missing_permission(fault, f"{where}, {obj.get('type')} {obj.text}, {text(missing, 'path')}")
        if type_of(fault) == "NotAuthenticated":
            raise SessionLost("the session has ended", where=where)
        failed[text(missing, "path") or ""] = type_of(fault) or "Fault"
    values = {}
    for entry in find_all(content, "propSet"):
        if len(entry) > 1 and entry[0].text:
            values[entry[0].text] = entry[1]
    return Found(obj.get("type", ""), obj.text or "", values, failed)
