# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...._model.text.wording import listed
from ...errors import NotFound
from ..api.collector import Found, again, properties, retrieve, step
from ..api.library import vim
from ..api.session import Session
from ..api.values import plain


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """`instance` is the vCenter's own id."""

    id: str
    name: str
    datacenter: str
    instance: str | None = None

    def __str__(self) -> str:
        return f"{self.datacenter}/{self.name}"


def find_cluster(session: Session, cluster: str | None, datacenter: str | None) -> ClusterPlace:
    """The one cluster that a name, `datacenter/name` or reference names; the only one there is when None."""
    places, standalone = _places(session)
    fitting = [place for place in places if datacenter in (None, place.datacenter)]
    if cluster is not None:
        named = (
            [place for place in fitting if place.id == cluster]
            or [place for place in fitting if str(place) == cluster]
            or [place for place in fitting if place.name == cluster]
        )
    else:
        named = fitting
    if len(named) == 1:
        return named[0]
    raise NotFound(
        _trouble(cluster, datacenter, bool(named), standalone),
        where=session.where,
        hint=_choice(cluster, named or places, standalone),
    )


def _trouble(cluster: str | None, datacenter: str | None, several: bool, standalone: Sequence[str]) -> str:
    if cluster is not None and cluster in standalone:
        return f"{cluster!r} is a standalone host, not a cluster"
    within = "" if datacenter is None else f" in datacenter {datacenter!r}"
    if cluster is None:
        return f"there are several clusters{within}" if several else f"there is no cluster{within}"
    if several:
        return f"there are several clusters named {cluster!r}{within}"
    return f"there is no cluster {cluster!r}{within}"


def _choice(cluster: str | None, places: list[ClusterPlace], standalone: Sequence[str]) -> str:
    if not places and standalone:
        few = listed(standalone, 5)
        return f"The hosts of this vCenter are in no cluster ({few}). Move the hosts into a cluster"
    if not places:
        return (
            "The account sees neither clusters nor hosts. Give it the role Read-only on the datacenter, "
            "propagated to its children"
        )
    names = ", ".join(sorted(str(place) for place in places))
    option = "Set cluster to one" if cluster is None else "Set cluster, and datacenter where needed, to one"
    return f"{option} of those that the account sees: {names}"


def clusters(session: Session) -> list[ClusterPlace]:
    """Every cluster that the account sees, in one call."""
    return _places(session)[0]


def _places(session: Session) -> tuple[list[ClusterPlace], list[str]]:
    """Every cluster, and the names of the hosts that are in none."""
    found = {
        item.id: item
        for item in retrieve(
            session,
            [session.manager("rootFolder")],
            [
                properties(vim.Folder, "parent"),
                properties(vim.Datacenter, "name"),
                properties(vim.ComputeResource, "name", "parent"),
            ],
            step(vim.Folder, "childEntity", again("folder"), again("datacenter"), name="folder"),
            step(vim.Datacenter, "hostFolder", again("folder"), name="datacenter"),
        )
    }
    places = [
        ClusterPlace(item.id, plain(item.text("name")), _datacenter(item, found), session.instance)
        for item in found.values()
        if item.kind == "ClusterComputeResource"
    ]
    standalone = [plain(item.text("name")) for item in found.values() if item.kind == "ComputeResource"]
    return places, sorted(standalone)


def _datacenter(item: Found, found: dict[str, Found]) -> str:
    place: Found | None = item
    while place is not None and place.kind != "Datacenter":
        place = found.get(place.text("parent") or "")
    return plain(place.text("name")) if place is not None else ""
