# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the whole cluster: five calls, and for each running guest its history, and what else is not in the
lists. Private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..._model.snapshot import ClusterRef, Host, Snapshot
from ..._model.tag_rules import tag_rules
from ..errors import (
    AuthenticationFailed,
    NotFound,
    PermissionMissing,
    Refused,
    SessionLost,
    UnexpectedAnswer,
)
from .answers import Row, row, rows
from .clusters import ClusterPlace
from .connection import VMManagerConnection
from .guests import (
    GuestFacts,
    disks_of,
    guest_of,
    guests_of,
    id_of,
    needs_snapshot_call,
    node_of,
    power_on,
    sizes_of,
    tags_of,
)
from .history import History
from .lists import Lists
from .loads import Loads, Meter, unknown
from .nodes import cores, host_of, memory, name_of, nodes_of, status_of
from .refusals import ADMIN, permission_missing
from .session import Session

WHOAMI = "auth/v4/whoami"
_NO_METRICS = (
    "VMmanager's API gives no loads by itself: what guests were given stands for what they use, unless"
    " vmmanager_metrics names the series of its statistics"
)
_OWN_BALANCER_UNKNOWN = (
    "whether VMmanager's own balancer runs in this cluster can't be told by its API: make sure that it does"
    " not, two balancers would move guests to and fro"
)


def demand_admin(session: Session) -> str | None:
    """Others see their own virtual machines only: facts would be partial without a word. Gives a notice where
    the role can't be found out, and raises PermissionMissing for another one.
    """
    call = f"GET {WHOAMI}"
    try:
        roles = row(session.get(WHOAMI), call).get("roles")
    except (
        AuthenticationFailed,
        NotFound,
        PermissionMissing,
        Refused,
        SessionLost,
        UnexpectedAnswer,
    ) as error:
        # Functions that are closed to the outside answer as if the token were wrong. If it is, the next call
        # will tell.
        return f"whether the account sees everything could not be found out: {error}"
    if isinstance(roles, list) and ADMIN not in roles:
        held = ", ".join(map(str, roles)) or "no role"
        raise permission_missing(f"the account sees only a part of the platform: it has {held}", call)
    return None


@dataclass(slots=True)
class Reader:
    """Reads one cluster; `notices` tells what could not be found out."""

    session: Session
    lists: Lists
    connection: VMManagerConnection
    place: ClusterPlace
    notices: list[str] = field(default_factory=list)

    def read(self, taken_at: str) -> Snapshot:
        """Raises PlatformError rather than to give a part of the cluster."""
        nodes = nodes_of(self.lists, self.place)
        guests = [entry for entry in guests_of(self.lists, self.place) if self._has_place(entry, nodes)]
        disks = disks_of(self.lists, self.place)
        meter = Meter(self.session, self.connection)
        facts = self._facts(guests, nodes, meter)
        hosts = self._hosts(nodes, meter)
        self._tell(meter)
        return Snapshot(
            platform="vmmanager",
            cluster=ClusterRef(id=self.place.id, name=self.place.name, instance=self.connection.host),
            taken_at=taken_at,
            window_seconds=self.connection.window_seconds,
            hosts=tuple(hosts),
            guests=tuple(
                guest_of(
                    entry,
                    facts.get(id_of(entry)),
                    disks.get(id_of(entry), ()),
                    self.place,
                    nodes[str(node_of(entry))],
                    taken_at,
                )
                for entry in guests
            ),
            rules=tuple(
                tag_rules(
                    {id_of(entry): tags_of(entry) for entry in guests},
                    {name_of(entry): identity for identity, entry in nodes.items()},
                )
            ),
            other_balancers=self.place.balancers or (),
        )

    def _has_place(self, entry: Row, nodes: Mapping[str, Row]) -> bool:
        if node_of(entry) in nodes:
            return True
        self.notices.append(
            f"guest {entry.get('name')} ({id_of(entry)}) is on no node of the cluster, and is left out"
        )
        return False

    def _facts(self, guests: Sequence[Row], nodes: Mapping[str, Row], meter: Meter) -> dict[str, GuestFacts]:
        running = [entry for entry in guests if power_on(nodes[str(node_of(entry))], entry) == "running"]
        found = self.session.concurrently(lambda entry: self._fact(entry, meter), running)
        return {id_of(entry): fact for entry, fact in zip(running, found, strict=True) if fact}

    def _fact(self, entry: Row, meter: Meter) -> GuestFacts | None:
        identity = id_of(entry)
        try:
            return GuestFacts(
                history=History.read(self.session, identity),
                snapshots=needs_snapshot_call(entry) and self._has_snapshots(identity),
                used=meter.read("vm", identity, sizes_of(entry)),
            )
        except (NotFound, Refused):
            # It went away since the list was made, or can't be asked about: it is left alone.
            return None

    def _has_snapshots(self, identity: str) -> bool:
        path = f"vm/v3/host/{identity}/snapshot"
        call = f"GET {path}"
        return bool(rows(row(self.session.get(path), call).get("list"), call))

    def _hosts(self, nodes: Mapping[str, Row], meter: Meter) -> list[Host]:
        def used(item: tuple[str, Row]) -> Loads:
            identity, entry = item
            if status_of(entry) != "online":
                return unknown()
            return meter.read("node", identity, {"cpu": cores(entry), "memory": memory(entry)})

        loads = self.session.concurrently(used, nodes.items())
        return [host_of(entry, self.place, load) for entry, load in zip(nodes.values(), loads, strict=True)]

    def _tell(self, meter: Meter) -> None:
        if not self.connection.metrics:
            self.notices.append(_NO_METRICS)
        if meter.failures:
            self.notices.append(
                f"{len(meter.failures)} loads could not be read; the first: {meter.failures[0]}"
            )
        if self.place.balancers is None:
            self.notices.append(_OWN_BALANCER_UNKNOWN)
