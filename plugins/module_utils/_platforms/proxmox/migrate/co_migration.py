# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partners under HA: what a positive affinity rule moves along with a guest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...._model.outcome import CoMigrated
from ...._model.plan import GuestRef
from ...protocol import MigrationRequest
from ...values import Row
from ..api.values import whole
from ..read.guests import id_of, power_of
from ..read.ha import BUSY

# A disarmed HA manager holds its guests, but does nothing with them.
MOVING = BUSY - {"freeze"}


@dataclass(frozen=True, slots=True)
class Partners:
    """`coming` are lines of /cluster/resources, of those that are not on the target yet; `unseen` are HA
    resources that the account does not see.
    """

    coming: tuple[Row, ...]
    unseen: tuple[str, ...]

    @classmethod
    def of(cls, sids: Iterable[str], target: str, guests: Iterable[Row]) -> Partners:
        entries = {id_of(entry): entry for entry in guests}
        found = {sid: entries.get(guest_id(sid)) for sid in sids}
        return cls(
            tuple(entry for entry in found.values() if entry is not None and entry.get("node") != target),
            tuple(sid for sid, entry in found.items() if entry is None),
        )

    def moved_along(self) -> tuple[CoMigrated, ...]:
        return tuple(
            CoMigrated(
                guest=GuestRef(id=id_of(entry), name=str(entry.get("name") or id_of(entry))),
                source=str(entry.get("node")),
                memory=_memory(entry),
            )
            for entry in self.coming
        )

    def requests(self, target: str) -> Iterator[tuple[Row, MigrationRequest]]:
        """The moves by HA for each guest, without those that it moves already."""
        for entry in self.coming:
            if not is_moving(entry):
                yield (
                    entry,
                    MigrationRequest(guest=id_of(entry), source=str(entry.get("node")), target=target),
                )


def guest_id(sid: str) -> str:
    """Of an HA resource such as vm:100."""
    return sid.partition(":")[2] or sid


def label(entry: Row) -> str:
    return f"{entry.get('name') or id_of(entry)} ({id_of(entry)})"


def is_moving(entry: Row) -> bool:
    """Whether HA has it in its hands, or a migration of it is under way."""
    return in_motion(entry) or entry.get("lock") == "migrate"


def in_motion(entry: Row) -> bool:
    """Whether HA itself says so: a lock alone may have been left behind."""
    return entry.get("hastate") in MOVING


def not_yet_arrived(ids: Iterable[str], places: Mapping[str, Row]) -> bool:
    return any(guest in places and in_motion(places[guest]) for guest in ids)


def arrived(ids: Iterable[str], target: str, places: Mapping[str, Row]) -> tuple[str, ...]:
    return tuple(guest for guest in ids if guest in places and places[guest].get("node") == target)


def _memory(entry: Row) -> int:
    """Bytes that it takes of its host: all that it may have, where nothing is measured yet."""
    if power_of(entry) in ("stopped", "suspended"):
        return 0
    return whole(entry.get("memhost")) or whole(entry.get("mem")) or whole(entry.get("maxmem")) or 0
