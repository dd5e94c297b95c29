# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere tags of hosts and guests. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from .rest import Rest

_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags by the reference of the object that they are attached to."""

    attached: Mapping[str, tuple[Tag, ...]] = field(default_factory=dict)

    def names(self, identity: str) -> tuple[str, ...]:
        return tuple(sorted({tag.name for tag in self.attached.get(identity, ())}))

    def labels(self, identity: str) -> dict[str, str]:
        """Names by category; several of one category are joined by commas."""
        labels: dict[str, list[str]] = {}
        for tag in self.attached.get(identity, ()):
            labels.setdefault(tag.category, []).append(tag.name)
        return {category: ",".join(sorted(names)) for category, names in sorted(labels.items())}


def read_tags(rest: Rest, objects: Sequence[tuple[str, str]]) -> Tags:
    """The tags of objects, given as type and reference: a call a thousand objects, one a tag and category."""
    with closing(rest):
        attached: dict[str, list[str]] = {}
        for start in range(0, len(objects), _OBJECTS):
            body = {
                "object_ids": [{"type": kind, "id": item} for kind, item in objects[start : start + _OBJECTS]]
            }
            for entry in rest.objects("tagging/tag-association", "list-attached-tags-on-objects", body):
                attached[entry["object_id"]["id"]] = entry["tag_ids"] or []
        known = _known(rest, sorted({tag for tags in attached.values() for tag in tags}))
    return Tags(
        {
            identity: tuple(known[tag] for tag in tags if tag in known)
            for identity, tags in attached.items()
            if tags
        }
    )


def _known(rest: Rest, identities: Sequence[str]) -> dict[str, Tag]:
    known = {}
    categories: dict[str, str] = {}
    for identity in identities:
        tag = rest.object("tagging/tag", identity)
        if tag is None:
            continue
        category = tag["category_id"]
        if category not in categories:
            found = rest.object("tagging/category", category)
            categories[category] = category if found is None else found["name"]
        known[identity] = Tag(tag["name"], categories[category])
    return known
