# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The treatment of hosts and guests whose load is not available."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from .._model.snapshot import Snapshot

Fallback = Literal["platform", "exclude", "fail"]
"platform: the platform's own figures stay. exclude: it takes no part. fail: nothing is planned at all."

BLOCKER = "load_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLoad:
    """A host or guest whose load is not known, or one `metric` of it, and why."""

    kind: Literal["host", "guest"]
    id: str
    name: str
    why: str
    metric: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.why}"


def excluding_unmeasured(snapshot: Snapshot, missing: Collection[MissingLoad]) -> Snapshot:
    """The same, with the hosts closed to arriving guests and the guests kept where they are."""
    hosts = {item.id for item in missing if item.kind == "host"}
    guests = {item.id for item in missing if item.kind == "guest"}
    return replace(
        snapshot,
        hosts=tuple(
            replace(host, schedulable=False) if host.id in hosts else host for host in snapshot.hosts
        ),
        guests=tuple(
            replace(guest, migratable=False, blockers=(*guest.blockers, BLOCKER))
            if guest.id in guests and BLOCKER not in guest.blockers
            else guest
            for guest in snapshot.guests
        ),
    )
