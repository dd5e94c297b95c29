# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of hypervisor adapters: migrations, and maintenance mode of hosts.

An adapter raises the errors of `errors.py` and nothing else. One adapter serves one cluster, and is used by
one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .._model.outcome import CoMigrated
from .._model.snapshot import Snapshot
from .errors import StartRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRequest:
    """One guest from one host to another; `storage` maps datastores whose disks go along to where they go,
    `along` are the ids of the guests that the platform moves along.
    """

    guest: str
    source: str
    target: str
    storage: Mapping[str, str] = field(default_factory=dict)
    along: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNow:
    """A guest at this moment. `busy` names the task or lock that holds it; None when it is free. `run_state`
    is the platform's own word where `power` says too little, such as paused.
    """

    host: str
    power: Literal["running", "stopped", "suspended", "unknown"]
    busy: str | None = None
    run_state: str | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether it simply runs, and nothing holds it."""
        return self.power == "running" and self.run_state is None and self.busy is None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNow:
    """A host at this moment: whether it may receive guests, and its memory in bytes (None when not known)."""

    active: bool
    memory_capacity: int | None
    memory_used: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNow:
    """Where everything is at this moment, by id; a guest that is gone is not there. `cluster` is the id that
    a snapshot of this cluster carries, so that a plan is never applied to another cluster.
    """

    cluster: str
    guests: Mapping[str, GuestNow]
    hosts: Mapping[str, HostNow]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """The state of a started migration. `migrated` only when the guest has been seen on its target; `along`
    are the ids of its partners that have been seen there, once it has ended.
    """

    state: Literal["running", "migrated", "failed", "cancelled"]
    percent: float | None = None
    why: str = ""
    along: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacities:
    """The maximum of concurrent migrations that the platform itself sustains, in the whole cluster and on
    one host, and the maximum age, in seconds, of the memory that it reports of a host.
    """

    cluster: int
    per_host: int
    settling_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the platform would not run a migration. A `passing` one may be over in a moment, or is shown
    by the next snapshot: it is no fact of this guest and this host that plans would have to remember.
    """

    why: str
    passing: bool = False

    def __str__(self) -> str:
        return self.why


def all_of(objections: Iterable[Objection]) -> Objection | None:
    """Several objections as one, which passes only when each of them does."""
    found = tuple(dict.fromkeys(objections))
    if not found:
        return None
    why = "; ".join(dict.fromkeys(objection.why for objection in found))
    return Objection(why, passing=all(objection.passing for objection in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The platform's answer about one migration.

    `objection` is why it would not be started, or None. `partners` are the guests that the platform would
    move along to the target, without those that are there already; whether these may go there is part of
    `objection`. `details` is what the adapter needs for the start, and opaque to all others.
    """

    request: MigrationRequest
    objection: Objection | None = None
    partners: tuple[CoMigrated, ...] = ()
    details: Any = field(default=None, repr=False, compare=False)

    @property
    def partner_ids(self) -> tuple[str, ...]:
        """The ids of the guests that the platform would move along."""
        return tuple(partner.guest.id for partner in self.partners)

    def require_no_objection(self) -> None:
        """Raise StartRefused where there is an objection."""
        if self.objection is not None:
            where = f"guest {self.request.guest}"
            raise StartRefused(self.objection.why, where=where, passing=self.objection.passing)


class Platform(Protocol):
    """One cluster of one hypervisor."""

    @property
    def capacities(self) -> Capacities:
        """The defaults of the executor's limits."""

    def read(self) -> Snapshot:
        """The whole cluster. Never changes anything."""

    def look(self, guests: Collection[str]) -> ClusterNow:
        """The present place of these guests and the state of all hosts, in as few calls as the platform
        allows.
        """

    def prepare(self, request: MigrationRequest) -> Prepared:
        """Ask the platform whether it would run this migration, and which guests it would move along. Changes
        nothing.
        """

    def start(self, prepared: Prepared) -> str:
        """Start a migration that `prepare` has just returned; returns the platform's name of the task, which
        `poll` and `cancel` take. Raises StartRefused where it was prepared with an objection, or where the
        platform objects now to this guest going to this host.
        """

    def find(self, request: MigrationRequest) -> str | None:
        """The task of a running migration of this guest, no matter who started it; None when there is
        none.
        """

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        """The state of every given task, in one call for all where the platform allows."""

    def cancel(self, task: str) -> None:
        """Ask the platform to stop a running migration; `poll` reports its end."""

    def close(self) -> None:
        """End the session. Never raises."""


class Maintenance(Protocol):
    """Maintenance mode of hosts, by id."""

    def in_maintenance(self, host: str) -> bool:
        """Whether the platform has the host in maintenance mode at this moment."""

    def require_maintenance(self, host: str, *, on: bool) -> None:
        """Raise Refused where maintenance mode of this host cannot be switched. Changes nothing."""

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        """Switch it, and return when the platform has it so. Never moves or stops a guest.

        Where the platform has no call for it, only wait for what someone else has asked for. Raises Refused
        after `timeout` seconds.
        """

    def shut_down(self, guest: str, *, timeout: float) -> None:
        """Ask the guest's operating system to shut down, and return when the guest is off. Never cuts its
        power.

        Raises Refused when it is still on after `timeout` seconds, or can't be asked.
        """


class PlatformWithMaintenance(Platform, Maintenance, Protocol):
    """One cluster of one hypervisor, its hosts included."""

    def clusters(self) -> Sequence[str]:
        """Every cluster that the account sees, each as the option `cluster` names it and no other one."""
