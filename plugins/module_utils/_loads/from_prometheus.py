# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the loads from Prometheus into a snapshot. Pure.

A host's past holds guests that have left since, and not yet those that have come. So a host whose guests are
known to Prometheus uses what it takes for itself now, and what its guests take by their percentiles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from .._model.snapshot import Guest, Host, Snapshot, Sources
from .._model.text.wording import listed
from .asking import Answers
from .errors import LoadMissing
from .fallback import Fallback, MissingLoad, excluding_unmeasured
from .queries import PRESSURES, Metric
from .reclaimable import reclaimable
from .series import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The snapshot with the loads, how many guests and hosts got each metric, and who lacks one, and why."""

    snapshot: Snapshot
    guests: Mapping[Metric, int]
    hosts: Mapping[Metric, int]
    missing: tuple[MissingLoad, ...]


def merge(snapshot: Snapshot, answers: Answers, on_missing: Fallback) -> Merged:
    """Raises LoadMissing when a load is missing and none may be."""
    running = [guest for guest in snapshot.guests if guest.power == "running"]
    online = [host for host in snapshot.hosts if host.status == "online"]
    missing = [
        MissingLoad(
            kind="guest", id=guest.id, name=guest.name, why=_why(found, guest.id, metric), metric=metric
        )
        for metric, found in answers.guests.items()
        for guest in running
        if guest.id not in found.values
    ]
    missing += [
        MissingLoad(kind="host", id=host.id, name=host.name, why=_why(found, host.id, metric), metric=metric)
        for metric, found in answers.hosts.items()
        for host in online
        if host.id not in found.values
    ]
    if missing and on_missing == "fail":
        raise LoadMissing(
            listed(map(str, missing), 10, "; "),
            where="loads from Prometheus",
            hint="on_missing says what becomes of such hosts and guests",
        )
    result = _merged(snapshot, answers)
    if on_missing == "exclude":
        result = excluding_unmeasured(result, missing)
    return Merged(
        snapshot=result,
        guests=_counts(answers.guests, {guest.id for guest in running}),
        hosts=_counts(answers.hosts, {host.id for host in online}),
        missing=tuple(missing),
    )


def _why(found: Found, identity: str, metric: Metric) -> str:
    return found.troubles.get(identity, f"Prometheus has no series of its {metric}")


def _counts(answers: Mapping[Metric, Found], wanted: set[str]) -> dict[Metric, int]:
    return {metric: len(wanted & found.values.keys()) for metric, found in answers.items()}


def _merged(snapshot: Snapshot, answers: Answers) -> Snapshot:
    guests = tuple(_guest(guest, answers) for guest in snapshot.guests)
    residents: dict[str, list[tuple[Guest, Guest]]] = {}
    for before, after in zip(snapshot.guests, guests, strict=True):
        if before.power == "running":
            residents.setdefault(before.host, []).append((before, after))
    hosts = tuple(_host(host, residents.get(host.id, []), answers) for host in snapshot.hosts)
    return replace(snapshot, hosts=hosts, guests=guests)


def _guest(guest: Guest, answers: Answers) -> Guest:
    if guest.power != "running":
        return guest
    used = dict(guest.used)
    for metric, found in answers.guests.items():
        value = found.values.get(guest.id)
        if value is None:
            continue
        # A host that a guest goes to must have room for what it holds now, whatever it held before.
        used[metric] = round(max(value, used.get(metric) or 0)) if metric == "memory" else round(value, 6)
    return replace(guest, used=used, sources=_from_here(guest.sources, answers.guests))


def _host(host: Host, residents: Sequence[tuple[Guest, Guest]], answers: Answers) -> Host:
    used = dict(host.used)
    pressure = dict(host.pressure)
    for metric in sorted({*answers.guests, *answers.hosts}):
        found = answers.hosts.get(metric)
        value = None if found is None else found.values.get(host.id)
        if metric in PRESSURES:
            if value is not None:
                pressure[PRESSURES[metric]] = round(min(value, 100.0), 6)
            continue
        present = answers.hosts_now.get(metric)
        now = None if present is None else present.values.get(host.id)
        if metric in answers.guests:
            total = _of_parts(metric, used.get(metric) if now is None else now, residents)
        elif metric == "memory":
            total = max((amount for amount in (value, now) if amount is not None), default=None)
        else:
            total = value
        if total is not None:
            used[metric] = round(total) if metric == "memory" else round(total, 6)
    present = answers.hosts_now.get("memory")
    now = None if present is None else present.values.get(host.id)
    kept = host.reclaimable if now is None else reclaimable(host, now)
    sources = _from_here(host.sources, {*answers.guests, *answers.hosts})
    return replace(host, used=used, pressure=pressure, reclaimable=kept, sources=sources)


def _from_here(sources: Sources, metrics: Collection[str]) -> Sources:
    """Where the platform's own values come from says nothing of those of Prometheus."""
    return {name: source for name, source in sources.items() if name not in metrics} if sources else sources


def _of_parts(metric: str, measured: float | None, residents: Sequence[tuple[Guest, Guest]]) -> float | None:
    """The host's own use, which is the measured one less that of its guests, and the use of the guests.
    Where the host was not measured, only the guests.
    """
    if measured is None and not residents:
        return None
    pairs = [(before.used.get(metric), after.used.get(metric)) for before, after in residents]
    explained = sum(after if before is None else before for before, after in pairs if after is not None)
    own = 0.0 if measured is None else max(0.0, measured - explained)
    return own + sum(after for _before, after in pairs if after is not None)
