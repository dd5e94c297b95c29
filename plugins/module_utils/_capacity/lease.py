# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease: what was asked for, what was given, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._model.codec import encode
from .._model.reservation import Reservation
from .._model.text.moments import written_at
from .._state.owner import Owner
from .environment import environment
from .pool import Pool
from .request import Request

Phase = Literal["Pending", "Fulfilled", "Failed", "Released"]
EndCause = Literal[
    "released",  # by a task
    "withdrawn",  # from the queue, by a task
    "expired",  # its lifetime is over
    "owner gone",
    "lapsed",  # nobody waits in its place of the queue any more
    "unclaimed",  # it was granted, and nobody waits for it any more
    "unfulfilled",  # not granted in time
    "impossible",  # no pool can ever fulfil it
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReservations:
    """The reservations of a lease for new guests on the hosts of one cluster."""

    cluster: str
    reservations: tuple[Reservation, ...]


@dataclass(frozen=True, slots=True)
class LeaseEnd:
    """How a lease ends: its last phase, why, and the same for people."""

    phase: Literal["Failed", "Released"]
    cause: EndCause
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A request for capacity and what became of it. Moments are seconds since 1970 on the database's clock,
    and None until they have come. `end_cause` is None until the lease has ended.

    `pools` are as they were when they were leased, each with the networks that the lease has there.
    `place_until` is when a place in the queue lapses, or a grant that nobody has claimed yet. `waiter` is the
    process that waits, `holder` the process whose end ends the lease.
    """

    id: str
    name: str
    number: int
    phase: Phase
    reason: str
    request: Request
    pools: tuple[Pool, ...] = ()
    reservations: tuple[ClusterReservations, ...] = ()
    requested_at: float
    granted_at: float | None = None
    until: float | None = None
    ended_at: float | None = None
    end_cause: EndCause | None = None
    place_until: float | None = None
    waiter: Owner | None = None
    holder: Owner | None = None

    def to_json(self) -> dict[str, Any]:
        """The lease as modules return it."""
        request = self.request
        pools = [self._pool(pool) for pool in self.pools]
        return {
            "name": self.name,
            "id": self.id,
            "phase": self.phase,
            "reason": self.reason,
            "end_cause": self.end_cause,
            "owner": request.owner,
            "purpose": request.purpose,
            "group": request.group,
            "priority": request.priority,
            "request": request.to_json(),
            "requested_at": moment(self.requested_at),
            "granted_at": moment(self.granted_at),
            "until": moment(self.until),
            "ended_at": moment(self.ended_at),
            "pools": pools,
            "placements": placements(self.reservations),
            "env": pools[0]["env"] if pools else {},
        }

    def is_from(self, pool: Pool) -> bool:
        """Whether anything was leased from a pool, which may have changed since."""
        return any(leased.name == pool.name for leased in self.pools)

    def _pool(self, pool: Pool) -> dict[str, Any]:
        request = self.request
        facts = pool.to_json()
        shown = (
            "name", "platform", "server", "port", "username", "datacenter", "cluster", "datastore",
            "resource_pool", "folder", "template", "region", "zone",
        )  # fmt: skip
        return {
            **{key: facts[key] for key in shown},
            "networks": [{**encode(network), "port_group": network.port} for network in pool.networks],
            "vcpus": request.vcpus,
            "memory": request.memory,
            "storage": request.storage,
            "env": environment(self.name, moment(self.until), request, pool),
        }


def placements(reservations: Sequence[ClusterReservations]) -> list[dict[str, Any]]:
    """One entry per guest."""
    return [
        {"cluster": one.cluster, **encode(reservation)}
        for one in reservations
        for reservation in one.reservations
    ]


def moment(seconds: float | None) -> str | None:
    """A moment as everything else writes it."""
    return None if seconds is None else written_at(seconds)
