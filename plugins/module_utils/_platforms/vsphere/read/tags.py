# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere tags of hosts, guests and datastores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from ..api.rest import Rest

_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Tags:
    """Names of tags by guest and by datastore; and by host, by category, several of one category joined by
    commas.
    """

    guests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    datastores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_tags(rest: Rest, hosts: Sequence[str], guests: Sequence[str], datastores: Sequence[str]) -> Tags:
    """The tags of all these: a call a thousand objects, one a tag, one a category on hosts."""
    with closing(rest):
        attached = _attached(
            rest,
            [("HostSystem", host) for host in hosts]
            + [("VirtualMachine", guest) for guest in guests]
            + [("Datastore", datastore) for datastore in datastores],
        )
        known = {tag: rest.object("tagging/tag", tag) for tag in sorted({*chain(*attached.values())})}
        # A tag that was deleted meanwhile is not there any more.
        tags = {identity: tag for identity, tag in known.items() if tag is not None}
        on_hosts = {
            tags[tag]["category_id"] for host in hosts for tag in attached.get(host, ()) if tag in tags
        }
        categories = {
            identity: (rest.object("tagging/category", identity) or {}).get("name", identity)
            for identity in sorted(on_hosts)
        }

    def names(objects: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {
            item: tuple(sorted({tags[tag]["name"] for tag in attached.get(item, ()) if tag in tags}))
            for item in objects
        }

    return Tags(
        guests=names(guests),
        datastores=names(datastores),
        hosts={
            host: _labels((tags[tag] for tag in attached.get(host, ()) if tag in tags), categories)
            for host in hosts
        },
    )


def _attached(rest: Rest, objects: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Identities of tags by the reference of the object."""
    attached: dict[str, list[str]] = {}
    for start in range(0, len(objects), _OBJECTS):
        body = {
            "object_ids": [{"type": kind, "id": item} for kind, item in objects[start : start + _OBJECTS]]
        }
        for entry in rest.objects("tagging/tag-association", "list-attached-tags-on-objects", body):
            attached[entry["object_id"]["id"]] = entry["tag_ids"] or []
    return attached


def _labels(tags: Iterable[Mapping[str, str]], categories: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for tag in tags:
        names.setdefault(categories[tag["category_id"]], []).append(tag["name"])
    return {category: ",".join(sorted(names[category])) for category in sorted(names)}
