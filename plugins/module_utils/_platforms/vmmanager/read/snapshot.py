# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the whole cluster: five calls, and for each guest on its node its history, and what else is not in
the lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ...._model.policy.tag_rules import tag_rules
from ...._model.snapshot import ClusterRef, Host, Notice, Snapshot
from ...._model.text.moments import written
from ...._model.text.wording import counted, listed, sentence
from ...values import Row, row, rows
from ..api.circuit_breaker import CircuitBreaker
from ..api.connection import VMManagerConnection
from ..api.lists import Lists
from ..api.session import Session
from ..api.values import number
from .clusters import ClusterPlace
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
from .history import MigrationHistory
from .loads import MAX_NAMED, LoadReader, Reading, unknown
from .nodes import cores, host_of, memory, name_of, nodes_of, status_of

_NO_METRICS = Notice(
    text="VMmanager does not report loads by itself: what guests were assigned stands for what they use. Name"
    " the series of its statistics in vmmanager_metrics to have loads measured."
)
_OWN_BALANCER_UNKNOWN = Notice(
    text="Whether VMmanager's own balancer runs in this cluster is not reported. Make sure that it does not,"
    " because two balancers move guests to and fro."
)
_NO_BALANCER_MODE = Notice(
    text="VMmanager does not report for which virtual machines balancing is off. Give those that must stay"
    " the tag evenkeel-ignore."
)
_NO_TAGS = Notice(
    text="VMmanager does not report tags of virtual machines, so rules and exclusions by tag have no effect.",
    hides=("tags",),
)


@dataclass(slots=True)
class Reader:
    """Reads one cluster. `now` is the moment where the platform's answers bear no date."""

    session: Session
    lists: Lists
    connection: VMManagerConnection
    place: ClusterPlace
    now: Callable[[], datetime]
    notices: list[Notice] = field(default_factory=list)

    def read(self) -> Snapshot:
        """Raises PlatformError when it can't read a list; what fails about one object is a notice."""
        nodes = nodes_of(self.lists, self.place)
        guests = list(self._with_place(guests_of(self.lists, self.place), nodes))
        disks = disks_of(self.lists, self.place)
        taken_at = (self.session.date or self.now()).astimezone(UTC)
        breaker = CircuitBreaker(self.session)
        meter = LoadReader(self.session, self.connection, breaker)
        facts = self._facts(guests, nodes, meter, breaker, taken_at)
        readings = self._readings(nodes, meter)
        self.notices += self._general(guests)
        self.notices += meter.notices(
            {
                "vm": {id_of(entry): _named(entry) for entry in guests},
                "node": {identity: name_of(entry) for identity, entry in nodes.items()},
            }
        )
        return Snapshot(
            platform="vmmanager",
            cluster=ClusterRef(id=self.place.id, name=self.place.name, instance=self.connection.instance),
            taken_at=written(taken_at),
            window_seconds=meter.window_seconds(),
            hosts=tuple(self._hosts(nodes, readings)),
            guests=tuple(
                guest_of(
                    entry,
                    facts.get(id_of(entry)),
                    disks.get(id_of(entry), ()),
                    self.place,
                    nodes,
                    written(taken_at),
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
            notices=tuple(replace(notice, text=sentence(notice.text)) for notice in self.notices),
        )

    def _with_place(self, entries: Sequence[Row], nodes: Mapping[str, Row]) -> Iterator[Row]:
        lost = [entry for entry in entries if node_of(entry) not in nodes]
        if lost:
            self.notices.append(
                Notice(
                    text=f"Left out, because no node of the cluster has them: "
                    f"{counted(len(lost), 'virtual machine')}: {listed(map(_named, lost), MAX_NAMED)}.",
                    hides=("guests",),
                    guests=tuple(map(id_of, lost)),
                )
            )
        return (entry for entry in entries if node_of(entry) in nodes)

    def _facts(
        self,
        guests: Sequence[Row],
        nodes: Mapping[str, Row],
        meter: LoadReader,
        breaker: CircuitBreaker,
        taken_at: datetime,
    ) -> dict[str, GuestFacts]:
        there = [
            entry
            for entry in guests
            if status_of(nodes[str(node_of(entry))]) == "online"
            and power_on(nodes[str(node_of(entry))], entry) in ("running", "unknown")
        ]
        missing: dict[str, dict[str, str]] = {}

        def of_one(entry: Row) -> GuestFacts:
            identity = id_of(entry)
            history = breaker.attempt("history", lambda: MigrationHistory.read(self.session, identity))
            if history.value is None:
                missing.setdefault("history", {})[identity] = history.why
            snapshots: bool | None = False
            if needs_snapshot_call(entry):
                asked = breaker.attempt("snapshots", lambda: self._has_snapshots(identity))
                snapshots = asked.value
                if snapshots is None:
                    missing.setdefault("list of snapshots", {})[identity] = asked.why
            age = _age(entry, history.value, taken_at)
            return GuestFacts(
                history=history.value,
                snapshots=snapshots,
                reading=meter.read("vm", identity, sizes_of(entry), age),
            )

        found = self.session.concurrently(of_one, there)
        for what, reasons in sorted(missing.items()):
            failed = [entry for entry in there if id_of(entry) in reasons]
            self.notices.append(
                Notice(
                    text=f"The {what} of {counted(len(failed), 'virtual machine')} could not be read, which"
                    f" prevents migration: {listed(map(_named, failed), MAX_NAMED)}. The first reason:"
                    f" {reasons[id_of(failed[0])]}",
                    hides=("history",) if what == "history" else (),
                    guests=tuple(map(id_of, failed)),
                )
            )
        unknown_targets = [
            entry
            for entry, fact in zip(there, found, strict=True)
            if fact.history and fact.history.migration_under_way() and fact.history.bound_for is None
        ]
        if unknown_targets:
            self.notices.append(
                Notice(
                    text="VMmanager does not report where migrations under way lead to, of"
                    f" {counted(len(unknown_targets), 'virtual machine')}:"
                    f" {listed(map(_named, unknown_targets), MAX_NAMED)}. Plan again when that is over.",
                    guests=tuple(map(id_of, unknown_targets)),
                )
            )
        return {id_of(entry): fact for entry, fact in zip(there, found, strict=True)}

    def _has_snapshots(self, identity: str) -> bool:
        path = f"vm/v3/host/{identity}/snapshot"
        call = f"GET {path}"
        return bool(rows(row(self.session.get(path), call).get("list"), call))

    def _readings(self, nodes: Mapping[str, Row], meter: LoadReader) -> list[Reading]:
        def of_one(item: tuple[str, Row]) -> Reading:
            identity, entry = item
            if status_of(entry) != "online":
                return Reading(unknown())
            return meter.read("node", identity, {"cpu": cores(entry), "memory": memory(entry)})

        return self.session.concurrently(of_one, nodes.items())

    def _hosts(self, nodes: Mapping[str, Row], readings: Sequence[Reading]) -> Iterator[Host]:
        for entry, reading in zip(nodes.values(), readings, strict=True):
            yield host_of(entry, self.place, reading.used)

    def _general(self, guests: Sequence[Row]) -> Iterator[Notice]:
        """Notices about facts that this platform does not report at all."""
        if not self.connection.metrics:
            yield _NO_METRICS
        if self.place.balancers is None:
            yield _OWN_BALANCER_UNKNOWN
        if guests and not any("balancer_mode" in entry for entry in guests):
            yield _NO_BALANCER_MODE
        if guests and not any("tags" in entry for entry in guests):
            yield _NO_TAGS


def _named(entry: Row) -> str:
    return f"{entry.get('name')} ({id_of(entry)})"


def _age(entry: Row, history: MigrationHistory | None, taken_at: datetime) -> float | None:
    """Seconds since it started or was last migrated; None where neither is known."""
    ages = [value for value in [number(entry.get("uptime"))] if value]
    if history is not None and history.migrated_at is not None:
        arrived = datetime.fromisoformat(history.migrated_at)
        ages.append(max(0.0, (taken_at - arrived).total_seconds()))
    return min(ages, default=None)
