# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the platform would run a migration, and the body of the request that starts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import NotFound, Refused
from ...protocol import MigrationRequest, Objection, all_of
from ...values import Row, row, rows
from ..api.connection import VMManagerConnection
from ..api.filters import ids
from ..api.lists import Lists
from ..api.session import Session
from ..api.values import flag, part, reference, release, whole
from ..read.clusters import ClusterPlace
from ..read.guests import GUESTS, STATES, GuestDisk, disks_unknown, node_of, obstacles, power_of
from ..read.history import MigrationHistory
from ..read.live_state import LiveStateReader
from ..read.nodes import in_maintenance


@dataclass(frozen=True, slots=True)
class Preconditions:
    """`objection` is why not, or None; `body` is what to send, after the `newest` entry of its history."""

    objection: Objection | None
    body: Row
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as a check needs it."""

    session: Session
    lists: Lists
    connection: VMManagerConnection
    place: ClusterPlace
    live_state: LiveStateReader


def preconditions(cluster: Cluster, request: MigrationRequest, disks: Sequence[GuestDisk]) -> Preconditions:
    """`disks` are those of the guest."""
    entry = _guest(cluster, request.guest)
    if node_of(entry) != request.source:
        where = cluster.live_state.name_of_node(str(node_of(entry)))
        why = f"the guest is on {where}, not on {request.source}"
        return Preconditions(Objection(why, passing=True), {})
    history = MigrationHistory.read(cluster.session, request.guest)
    cluster.live_state.remember(request.guest, history)
    found = [
        *_of_guest(entry, history, disks),
        *_of_container(cluster, entry),
        *_of_local_disks(cluster, request, disks),
    ]
    if not found:
        found = list(_of_platform(cluster, request, entry))
    objection = all_of(found)
    body = _body(cluster, request, disks) if objection is None else {}
    return Preconditions(objection, body, history.newest)


def _guest(cluster: Cluster, identity: str) -> Row:
    found = cluster.lists.find(GUESTS, ids([identity])) if identity.isdigit() else []
    if not found or reference(found[0].get("cluster")) != cluster.place.id:
        raise NotFound(f"there is no guest {identity} in this cluster", where=f"GET {GUESTS}")
    return found[0]


def _of_container(cluster: Cluster, entry: Row) -> Iterator[Objection]:
    if (
        cluster.place.containers
        and power_of(entry) == "running"
        and not cluster.connection.restart_containers
    ):
        why = "a running container is migrated by a restart; set restart_containers to allow it"
        yield Objection(why)


def _of_local_disks(
    cluster: Cluster, request: MigrationRequest, disks: Sequence[GuestDisk]
) -> Iterator[Objection]:
    for name in sorted({disk.storage for disk in disks if not disk.shared}):
        if not cluster.connection.with_local_disks and name not in request.storage:
            why = f"it has disks on {name}, local to its node; set with_local_disks to copy them"
            yield Objection(why)
            continue
        target = cluster.connection.storage_for(name, request.storage)
        if cluster.place.storage_id(target) is None:
            yield Objection(f"the cluster has no storage {target}")


def _of_platform(cluster: Cluster, request: MigrationRequest, entry: Row) -> Iterator[Objection]:
    """The objections of the platform itself to the target."""
    path = f"vm/v3/host/{request.guest}/migrate"
    call = f"GET {path}"
    try:
        nodes = rows(row(cluster.session.get(path), call).get("nodes"), call)
    except (NotFound, Refused) as refused:
        yield Objection(refused.what)
        return
    target = next((node for node in nodes if reference(node) == request.target), None)
    name = cluster.live_state.name_of_node(request.target)
    if target is None:
        yield Objection(f"{name} is not among the nodes that it may go to")
    elif not flag(target.get("suitable")):
        reasons = list(_against(cluster, request, entry, target))
        listed = ", ".join(reason.why for reason in reasons)
        yield Objection(
            f"{name} is not suitable for it{': ' + listed if listed else ''}",
            passing=bool(reasons) and all(reason.passing for reason in reasons),
        )


def _against(cluster: Cluster, request: MigrationRequest, entry: Row, target: Row) -> Iterator[Objection]:
    """The platform returns no reason: possible reasons, from what it reports of the target."""
    if in_maintenance(cluster.live_state.nodes.get(request.target, {})):
        yield Objection("it is in maintenance mode", passing=True)
    if target.get("state") not in (None, "active"):
        yield Objection(f"its state is {target['state']}", passing=True)
    if flag(target.get("host_creation_blocked")):
        yield Objection("creating virtual machines is blocked there", passing=True)
    limit, count = whole(target.get("host_limit")), whole(target.get("host_count"))
    if limit and count is not None and count >= limit:
        yield Objection(f"it has {count} of at most {limit} virtual machines", passing=True)
    wanted, unused = whole(entry.get("ram_mib")), whole(part(target.get("ram_mib"), "unused"))
    if wanted is not None and unused is not None and unused < wanted:
        yield Objection(f"{unused} of {wanted} MiB of memory are left", passing=True)
    here, there = (cluster.live_state.nodes.get(node, {}) for node in (request.source, request.target))
    for what, key in (("QEMU", "qemu_version"), ("kernel", "kernel_version")):
        old, new = release(here.get(key)), release(there.get(key))
        if old is not None and new is not None and old != new:
            yield Objection(f"{what} {old} here, {new} there")


def _body(cluster: Cluster, request: MigrationRequest, disks: Sequence[GuestDisk]) -> Row:
    """The node alone, unless disks are to go to another storage."""
    moved = []
    for disk in disks:
        target = request.storage.get(disk.storage, disk.storage)
        if not disk.shared:
            target = cluster.connection.storage_for(disk.storage, request.storage)
        storage = cluster.place.storage_id(target)
        if target != disk.storage and storage is not None:
            moved.append({"id": int(disk.id), "dst_storage": int(storage)})
    if not request.target.isdigit():
        raise NotFound(f"there is no node {request.target} in this cluster", where=f"guest {request.guest}")
    body: dict[str, object] = {"node": int(request.target)}
    return {**body, "plain": False, "disks": moved} if moved else body


def _of_guest(entry: Row, history: MigrationHistory, disks: Sequence[GuestDisk]) -> Iterator[Objection]:
    if history.under_way is not None:
        yield Objection(f"a task is under way ({history.under_way.get('name')})", passing=True)
    if disks_unknown(entry, disks):
        yield Objection("the location of some of its disks is not known", passing=True)
    for blocker, words in obstacles(entry):
        yield Objection(words, passing=blocker in STATES)
