# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine's line in the list ("host", as the platform calls it)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Optional

from ...._model.policy.tag_rules import is_ignored
from ...._model.snapshot import Disk, Guest
from ...values import Row
from ..api.lists import Lists
from ..api.values import flag, mib, number, part, reference, release, whole
from .clusters import ClusterPlace
from .history import MigrationHistory
from .loads import Loads, Reading, nothing, unknown
from .nodes import status_of

GUESTS = "vm/v3/host"
DISKS = "vm/v3/disk"

Power = Literal["running", "stopped", "suspended", "unknown"]
# Plain states need no word besides; of the others it is known whether they hold memory, but which states
# there are is not published: any other word is that of a guest that may hold memory.
_PLAIN: Mapping[object, Power] = {"active": "running", "stopped": "stopped"}
_PAUSED = frozenset({"paused", "suspended", "pmsuspended"})
STATES = frozenset({"paused", "locked", "unknown_state"})
_BETWEEN = frozenset({"migrating", "rebooting", "restarting", "stopping", "resuming", "pausing"})
_POWER: Mapping[object, Power] = {
    **_PLAIN,
    **dict.fromkeys(_PAUSED | _BETWEEN, "running"),
    "saved": "suspended",
    "hibernated": "suspended",
}


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A disk and where it lies."""

    id: str
    storage: str
    shared: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """Of one guest that is on its node, what its line does not report; None for what could not be read."""

    history: MigrationHistory | None
    snapshots: bool | None
    reading: Reading


def guests_of(lists: Lists, place: ClusterPlace) -> list[Row]:
    return [entry for entry in lists.whole(GUESTS) if reference(entry.get("cluster")) == place.id]


def disks_of(lists: Lists, place: ClusterPlace) -> dict[str, list[GuestDisk]]:
    """All disks that belong to a guest, by its id."""
    result: dict[str, list[GuestDisk]] = {}
    for entry in lists.whole(DISKS):
        guest = reference(entry.get("host"))
        if guest is None:
            continue
        storage = reference(entry.get("storage"))
        known = place.storages.get(str(storage))
        result.setdefault(guest, []).append(
            GuestDisk(
                id=str(reference(entry)),
                storage=known.name if known else str(part(entry.get("storage"), "name") or storage),
                shared=known is not None and known.shared,
                size=mib(entry.get("size_mib")),
            )
        )
    return result


def id_of(entry: Row) -> str:
    return str(reference(entry))


def node_of(entry: Row) -> str | None:
    return reference(entry.get("node"))


def power_of(entry: Row) -> Power:
    return _POWER.get(entry.get("state"), "unknown")


def run_state(entry: Row) -> str | None:
    """The platform's word, where `power_of` says less."""
    state = entry.get("state")
    return None if state in _PLAIN else str(state)


def is_plain(entry: Row) -> bool:
    """Whether it simply runs."""
    return entry.get("state") == "active"


def power_on(node: Row, entry: Row) -> Power:
    """The power state; unknown where the node is away, because the report is of the past."""
    return power_of(entry) if status_of(node) == "online" else "unknown"


def tags_of(entry: Row) -> tuple[str, ...]:
    listed = entry.get("tags")
    tags: Sequence[object] = listed if isinstance(listed, list) else ()
    return tuple(dict.fromkeys(str(part(tag, "name") or tag) for tag in tags))


def sizes_of(entry: Row) -> dict[str, Optional[float]]:
    return {"cpu": number(entry.get("cpu_number")), "memory": mib(entry.get("ram_mib"))}


def disks_unknown(entry: Row, disks: Sequence[GuestDisk]) -> bool:
    """Whether its line speaks of disks that the list of disks does not know as its own."""
    count = whole(entry.get("disk_count")) or (1 if reference(part(entry.get("disk"), "id")) else 0)
    return len(disks) < count


def needs_snapshot_call(entry: Row) -> bool:
    """Whether the line does not say how many snapshots there are."""
    return whole(entry.get("snapshot_count")) is None


def guest_of(
    entry: Row,
    facts: GuestFacts | None,
    disks: Sequence[GuestDisk],
    place: ClusterPlace,
    nodes: Mapping[str, Row],
    taken_at: str,
) -> Guest:
    """`facts` is None for one that is not on its node, or whose node is away. Nothing has happened after
    `taken_at`, whatever the time zone of the platform's history.
    """
    node = nodes[str(node_of(entry))]
    power = power_on(node, entry)
    blockers = tuple(dict.fromkeys(_blockers(entry, facts, disks, place, node)))
    history = facts.history if facts else None
    bound_for = history.bound_for if history else None
    return Guest(
        id=id_of(entry),
        name=str(entry.get("name") or id_of(entry)),
        kind="container" if place.containers else "vm",
        host=str(node_of(entry)),
        power=power,
        run_state=run_state(entry) if status_of(node) == "online" else None,
        assigned=sizes_of(entry),
        used=_used(power, facts),
        sources=facts.reading.sources if facts else {},
        disks=tuple(Disk(datastore=disk.storage, size=disk.size) for disk in disks),
        tags=tags_of(entry),
        migratable=not blockers,
        blockers=blockers,
        last_migrated_at=_by_then(history.migrated_at if history else None, taken_at),
        last_failed_at=_by_then(history.failed_at if history else None, taken_at),
        # A running machine goes to the same or a newer QEMU, never to an older one.
        min_version=None if power != "running" or place.containers else release(node.get("qemu_version")),
        migrating_to=bound_for if bound_for in nodes and bound_for != node_of(entry) else None,
    )


def obstacles(entry: Row) -> Iterator[tuple[str, str]]:
    """Obstacles to a migration in a guest's own line: the blocker, and the same in words."""
    state = entry.get("state")
    if state in _PAUSED:
        yield "paused", f"its state is {state}: resume it, or shut it down"
    elif state in _BETWEEN:
        yield "locked", f"its state is {state}: wait until that is over"
    elif power_of(entry) == "unknown":
        yield "unknown_state", f"its state is {state}: bring it to active or stopped in VMmanager"
    if flag(entry.get("disabled")):
        yield "disabled", "it is disabled"
    if flag(entry.get("rescue_mode")):
        yield "rescue_mode", "it is in rescue mode"
    if flag(entry.get("iso_mounted")):
        yield "iso_mounted", "an ISO image is mounted: unmount it"
    if flag(entry.get("nesting")):
        yield "nested_virtualization", "it uses nested virtualization"
    if whole(entry.get("snapshot_count")):
        yield "snapshot", "it has snapshots"


def _by_then(moment: str | None, taken_at: str) -> str | None:
    return None if moment is None else min(moment, taken_at)


def _used(power: Power, facts: GuestFacts | None) -> Loads:
    if power in ("stopped", "suspended"):
        return nothing()
    return facts.reading.used if facts else unknown()


def _blockers(
    entry: Row, facts: GuestFacts | None, disks: Sequence[GuestDisk], place: ClusterPlace, node: Row
) -> Iterator[str]:
    yield from _of_present(entry, facts, disks, node)
    if facts is not None and facts.snapshots:
        yield "snapshot"
    if "balancer_mode" in entry and not flag(entry["balancer_mode"]):
        yield "balancing_disabled"
    if is_ignored(tags_of(entry)):
        yield "balancing_disabled"
    if entry.get("cpu_mode") == "host-passthrough":
        # On another processor it may freeze, and the processors of nodes are not reported.
        yield "host_cpu"
    if any(not disk.shared for disk in disks):
        yield "local_disk"
    if place.containers:
        yield "container_restart"


def _of_present(entry: Row, facts: GuestFacts | None, disks: Sequence[GuestDisk], node: Row) -> Iterator[str]:
    """Obstacles in its state, in running tasks, and in what could not be read."""
    online = status_of(node) == "online"
    if not online:
        yield "disconnected"
    elif facts is not None:
        if facts.history is not None and facts.history.under_way:
            yield "locked"
        if facts.history is None or facts.snapshots is None or disks_unknown(entry, disks):
            yield "not_readable"
    for blocker, _words in obstacles(entry):
        # The state of a guest whose node is away is of the past.
        if online or blocker not in STATES:
            yield blocker
