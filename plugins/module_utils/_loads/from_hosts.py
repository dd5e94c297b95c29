# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the loads that hypervisors report into the snapshot of their cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .._model.errors import InputError
from .._model.snapshot import Guest, Host, Snapshot
from .errors import LoadMissing
from .fallback import Fallback, MissingLoad, excluding_unmeasured
from .host_load import HostLoad, Pressure
from .reclaimable import reclaimable

# Some platforms count memory that the kernel keeps for itself: a few percent, never this share.
OTHER_MACHINE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Options for loads that hosts report.

    cpu: `platform` keeps what the platform measured and takes the load average only where it measured
    nothing; `load` takes it everywhere. period: seconds that loads and pressures are averages over.
    """

    cpu: Literal["platform", "load"] = "platform"
    period: Literal[60, 300] = 300
    on_silent_host: Fallback = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The snapshot with the loads that hosts reported; the ids of hosts that did (`told`), and those that
    did not (`silent`).
    """

    snapshot: Snapshot
    told: tuple[str, ...]
    silent: tuple[MissingLoad, ...]


def merge(snapshot: Snapshot, answers: Mapping[str, HostLoad | str], choice: Choice) -> Merged:
    """`answers`: by host id or name, the reported load, or the reason why there is none.

    Hosts that are online are expected to answer. Raises InputError for a host that is not in the snapshot
    and LoadMissing when a host is silent and none may be.
    """
    by_id = _by_id(snapshot, answers)
    told: dict[str, HostLoad] = {}
    silent = []
    for host in snapshot.hosts:
        answer = by_id.get(host.id, "no answer was passed")
        why = answer if isinstance(answer, str) else _not_this_machine(host, answer)
        if why is None and not isinstance(answer, str):
            told[host.id] = answer
        elif host.status == "online":
            silent.append(
                MissingLoad(kind="host", id=host.id, name=host.name, why=why or "the answer is empty")
            )
    if silent and choice.on_silent_host == "fail":
        reasons = "; ".join(map(str, silent))
        raise LoadMissing(
            f"the loads of some hosts are not available: {reasons}",
            where="on_silent_host: fail",
            hint="Correct the cause, or use on_silent_host: platform or exclude",
        )
    guests = {guest.id: guest for guest in snapshot.guests}
    hosts = []
    for host in snapshot.hosts:
        load = told.get(host.id)
        if load is None:
            hosts.append(host)
            continue
        running = [guest for guest in snapshot.guests if guest.host == host.id and guest.power == "running"]
        hosts.append(_host(host, load, choice))
        if _takes_load(host, choice):
            guests.update(_shared(running, host.used.get("cpu"), _load_average(load, choice)))
    result = replace(snapshot, hosts=tuple(hosts), guests=tuple(guests.values()))
    if choice.on_silent_host == "exclude":
        result = excluding_unmeasured(result, silent)
    return Merged(snapshot=result, told=tuple(told), silent=tuple(silent))


def _by_id(snapshot: Snapshot, answers: Mapping[str, HostLoad | str]) -> dict[str, HostLoad | str]:
    ids = {host.id for host in snapshot.hosts}
    names: dict[str, list[str]] = {}
    for host in snapshot.hosts:
        names.setdefault(host.name, []).append(host.id)
    result: dict[str, HostLoad | str] = {}
    for key, answer in answers.items():
        found = [key] if key in ids else names.get(key, [])
        if len(found) != 1 or found[0] in result:
            raise InputError(
                f"answers.{key}",
                key,
                "the id or name of exactly one host of the snapshot",
                hint=f"Hosts of the snapshot: {', '.join(sorted(ids))}",
            )
        result[found[0]] = answer
    return result


def _not_this_machine(host: Host, load: HostLoad) -> str | None:
    """Why what answered can't be this host. A wrong address would have a stranger's load taken for it."""
    capacity = host.capacity.get("memory")
    if not capacity or abs(capacity - load.memory.total) <= OTHER_MACHINE * capacity:
        return None
    return (
        f"the machine that answered has {load.memory.total} bytes of memory, but the platform reports"
        f" {capacity:.0f}: it must be another host"
    )


def _host(host: Host, load: HostLoad, choice: Choice) -> Host:
    used = {**host.used, "memory": load.memory.used}
    if _takes_load(host, choice):
        used["cpu"] = _load_average(load, choice)
    capacity = dict(host.capacity)
    if capacity.get("memory") is None:
        capacity["memory"] = load.memory.total
    if capacity.get("cpu") is None and load.cpu.threads is not None:
        capacity["cpu"] = float(load.cpu.threads)
    stalls = {"cpu": load.pressure.cpu, "memory": load.pressure.memory, "io": load.pressure.io}
    measured = {name: _stalled(pressure, choice) for name, pressure in stalls.items()}
    return replace(
        host,
        used=used,
        capacity=capacity,
        pressure={**host.pressure, **{name: value for name, value in measured.items() if value is not None}},
        cpu_model=host.cpu_model or load.cpu.model,
        labels={**_labels(load), **host.labels},
        reclaimable=reclaimable(host, load.memory.used),
        sources={
            name: source
            for name, source in host.sources.items()
            if name != "memory" and (name != "cpu" or not _takes_load(host, choice))
        },
    )


def _takes_load(host: Host, choice: Choice) -> bool:
    return choice.cpu == "load" or host.used.get("cpu") is None


def _load_average(load: HostLoad, choice: Choice) -> float:
    return load.loadavg.load1 if choice.period == 60 else load.loadavg.load5


def _stalled(pressure: Pressure | None, choice: Choice) -> float | None:
    if pressure is None or pressure.some is None:
        return None
    return pressure.some.avg60 if choice.period == 60 else pressure.some.avg300


def _labels(load: HostLoad) -> dict[str, str]:
    told = {
        "cpu_sockets": load.cpu.sockets,
        "cpu_cores": load.cpu.cores,
        "cpu_threads": load.cpu.threads,
        "cpu_model": load.cpu.model,
        "cpu_level": load.cpu.level,
    }
    return {name: str(value) for name, value in told.items() if value is not None}


def _shared(running: Sequence[Guest], measured: float | None, load: float) -> dict[str, Guest]:
    """The guests of a host with their parts of its load average, so that what goes along with a guest is
    reckoned in what the host is reckoned in.

    The host's own part, which is what the platform measured beyond its guests, stays the host's. The rest is
    the guests': in proportion to what they use, or, where that was not measured, to what they were given,
    and nobody gets more than he was given or uses.
    """
    weights = {}
    for guest in running:
        used = guest.used.get("cpu")
        weights[guest.id] = (guest.assigned.get("cpu") or 0.0) if used is None else used
    total = sum(weights.values())
    if total <= 0:
        return {}
    explained = sum(guest.used.get("cpu") or 0.0 for guest in running)
    own = 0.0 if measured is None else max(0.0, measured - explained)
    factor = max(0.0, load - own) / total
    result = {}
    for guest in running:
        most = max(guest.assigned.get("cpu") or weights[guest.id], guest.used.get("cpu") or 0.0)
        part = round(min(weights[guest.id] * factor, most), 6)
        result[guest.id] = replace(guest, used={**guest.used, "cpu": part})
    return result
