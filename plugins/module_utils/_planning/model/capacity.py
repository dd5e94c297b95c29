# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts take part, what they carry by themselves and how full they may become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add
from typing import Final, Literal, NamedTuple

from ..._model.loads import guest_used, host_capacity, host_used, local_storage
from ..._model.lookup import known_names
from ..._model.plan import Unresolved
from ..._model.policy.policy import Limits, Policy
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Host, Snapshot
from ..._model.text.wording import listed
from ..errors import PlanningError
from ..tolerances import AMOUNT
from .goal_traits import traits_of
from .selectors import excluded_hosts, select_hosts
from .snapshot_index import SnapshotIndex

# Hosts that are named for one reason.
MAX_NAMED_HOSTS = 8

Vector = tuple[float, ...]


class Resource(NamedTuple):
    """Something that may run out on a host: cores or bytes in `used`, cores or bytes that are `assigned`,
    running `guests`, or bytes on the local `datastore` of that name.
    """

    kind: Literal["used", "assigned", "guests", "datastore"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.kind in ("assigned", "datastore") else self.name


CPU: Final = Resource("used", "cpu")
MEMORY: Final = Resource("used", "memory")
GUESTS: Final = Resource("guests", "guests")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoles:
    """By host index: which may receive guests, which may release them, which count in the spread, and which
    must be emptied. closed: why one receives nothing, in a word and in full.
    """

    receives: tuple[bool, ...]
    releases: tuple[bool, ...]
    counts: tuple[bool, ...]
    leaving: tuple[bool, ...]
    closed: tuple[tuple[str, str] | None, ...]


class NoHosts(Selector):
    """Of goal evacuate: no host is to be emptied, and no guest moves but by choice."""


def require_hosts(snapshot: Snapshot) -> None:
    """Raises PlanningError for a cluster without hosts."""
    if not snapshot.hosts:
        raise PlanningError(
            "the cluster has no hosts",
            where=f"cluster {snapshot.cluster.name}",
            hint="Is the account allowed to see them?",
        )


def host_roles(
    snapshot: Snapshot, policy: Policy, unresolved: list[Unresolved], idle_hosts: frozenset[str] = frozenset()
) -> HostRoles:
    """Reads exclusions, maintenance and the gaps in what a host reports. idle_hosts: ids of those that goal
    consolidate keeps empty. Raises PlanningError for an unknown host name.
    """
    sources, targets = excluded_hosts(snapshot.hosts, policy.exclude)
    emptied = hosts_to_empty(snapshot, policy)
    traits = traits_of(policy)
    receives, releases, counts, leaving = [], [], [], []
    shut: list[tuple[str, str] | None] = []
    for host in snapshot.hosts:
        known = _limits_known(host, unresolved) if host.active else False
        receives.append(host.active and known and host.id not in targets)
        shut.append(
            None
            if receives[-1]
            else _why_closed(host, excluded=host.id in targets, idle=host.id in idle_hosts)
        )
        # A dead or unreachable host can give nothing: a live migration needs both ends.
        releases.append(host.status == "online" and host.id not in sources)
        # A host that takes no new guests can be overloaded all the same.
        judged = traits.counts_closed_hosts and host.status == "online" and not host.maintenance
        counts.append((host.active or judged) and not (host.id in sources and host.id in targets))
        wanted = host.maintenance if emptied is None else host.id in emptied
        leaving.append(host.status == "online" and wanted and host.id not in sources)
    return HostRoles(
        receives=tuple(receives),
        releases=tuple(releases),
        counts=tuple(counts),
        leaving=tuple(leaving),
        closed=tuple(shut),
    )


def _why_closed(host: Host, *, excluded: bool, idle: bool) -> tuple[str, str]:
    because = f": {host.closed_because}" if host.closed_because else ""
    if idle:
        return "empty", "it runs no guests, and goal consolidate fills no further host"
    if host.status != "online":
        return "offline", f"it is {host.status}{because}"
    if host.maintenance:
        return "maintenance", f"it is in maintenance, or being emptied{because}"
    if not host.schedulable:
        return "closed", f"the platform lets no guest be started or received there{because}"
    if excluded:
        return "excluded", "policy.exclude.targets names it"
    return "unknown load", "its capacity or use of cpu or memory is not known"


def closed_hosts(hosts: Sequence[Host], roles: HostRoles, without: int | None = None) -> str:
    """Why each of these hosts receives nothing, for people: in one line, those of one reason together."""
    groups: dict[str, list[str]] = {}
    for index, (host, why) in enumerate(zip(hosts, roles.closed, strict=True)):
        if why is not None and index != without:
            groups.setdefault(why[1], []).append(host.name)
    parts = []
    for text, names in groups.items():
        parts.append(f"{listed(names, MAX_NAMED_HOSTS)}: {text.removeprefix('it is ')}")
    return "; ".join(parts)


def hosts_to_empty(snapshot: Snapshot, policy: Policy) -> frozenset[str] | None:
    """Ids of the hosts that goal evacuate names; None with another goal. Raises PlanningError where none can
    be emptied.
    """
    if policy.evacuate is None:
        return None
    emptied = select_hosts(snapshot.hosts, policy.evacuate, "policy.evacuate.names")
    nothing = policy.choices.pinned and policy.evacuate == Selector()
    if not emptied and (nothing or isinstance(policy.evacuate, NoHosts)):
        # Nothing but what is chosen.
        return frozenset()
    if not emptied:
        raise PlanningError(
            "it selects no host of this cluster",
            where="policy.evacuate",
            hint=known_names("host", snapshot.hosts),
        )
    kept = emptied & excluded_hosts(snapshot.hosts, policy.exclude)[0]
    if kept:
        names = ", ".join(sorted(host.name for host in snapshot.hosts if host.id in kept))
        raise PlanningError(
            f"{names} can't be emptied",
            where="policy.evacuate",
            hint="policy.exclude.sources lets nothing leave there",
        )
    return emptied


def with_hosts_closed(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """The snapshot as it is to be planned with: hosts that goal evacuate names receive no guests."""
    return with_closed(snapshot, hosts_to_empty(snapshot, policy) or frozenset())


def with_closed(snapshot: Snapshot, closed: frozenset[str]) -> Snapshot:
    """The snapshot in which the hosts with these ids receive no guests."""
    if not closed:
        return snapshot
    hosts = (replace(host, maintenance=True) if host.id in closed else host for host in snapshot.hosts)
    return replace(snapshot, hosts=tuple(hosts))


def _limits_known(host: Host, unresolved: list[Unresolved]) -> bool:
    missing = [
        f"{name} {what}"
        for name in ("cpu", "memory")
        for what, value in (("capacity", host_capacity(host, name)), ("use", host_used(host, name)))
        if value is None
    ]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        unresolved.append(
            Unresolved(
                what=f"host {host.name}",
                why=f"its {' and '.join(missing)} {verb} not known or 0, so nothing is sent there",
                code="host_load_unknown",
                subject=host.id,
            )
        )
    return not missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceNeeds:
    """The resources that may run out on a host, in a fixed order, cpu and memory first; each host's use and
    ceilings, each guest's part.

    ceiling: for migrations that level; ceiling_for_rules: for those that restore a rule or empty a host in
    maintenance.
    A host may carry more than that to begin with. Then nothing comes to it until departures have
    brought it below the ceiling; guests that are there may stay.
    """

    resources: tuple[Resource, ...]
    used: tuple[tuple[float, ...], ...]
    ceiling: tuple[tuple[float, ...], ...]
    ceiling_for_rules: tuple[tuple[float, ...], ...]
    guest: tuple[tuple[float, ...], ...]


def resource_needs(index: SnapshotIndex, policy: Policy) -> ResourceNeeds:
    limits, hosts = _filled(policy), index.hosts
    local = [local_storage(guest, hosts[index.host_at[guest.host]]) for guest in index.guests]
    datastores = sorted({name for sizes in local for name in sizes})
    resources = (*limited_resources(hosts, limits), *(Resource("datastore", name) for name in datastores))
    needs = tuple(
        guest_needs(resources, guest, sizes) for guest, sizes in zip(index.guests, local, strict=True)
    )
    carried = carried_needs(index, resources, needs)
    return ResourceNeeds(
        resources=resources,
        used=used_by_host(index, [sums[2:] for sums in carried]),
        ceiling=ceilings(hosts, resources, limits, carried),
        ceiling_for_rules=ceilings(hosts, resources, limits, carried, rules=True),
        guest=needs,
    )


def limited_resources(hosts: Sequence[Host], limits: Limits) -> tuple[Resource, ...]:
    """The resources that limits are about, cpu and memory first."""
    resources = [CPU, MEMORY]
    resources += [Resource("assigned", "cpu")] if limits.cpu_overcommit is not None else []
    resources += [Resource("assigned", "memory")] if limits.memory_overcommit is not None else []
    if limits.max_guests is not None or any(host.max_guests is not None for host in hosts):
        resources.append(GUESTS)
    return tuple(resources)


def guest_needs(
    resources: Sequence[Resource], guest: Guest, local: Mapping[str, int | None] | None = None
) -> Vector:
    """The guest's part of each resource. local: bytes of its local disks by datastore."""
    needs = []
    for kind, name in resources:
        if kind == "used":
            needs.append(guest_used(guest, name) or 0.0)
        elif kind == "assigned":
            needs.append(guest.assigned.get(name) or 0.0)
        else:
            needs.append(1.0 if kind == "guests" else float((local or {}).get(name) or 0))
    return tuple(needs)


def carried_needs(
    index: SnapshotIndex, resources: Sequence[Resource], needs: Iterable[Vector] | None = None
) -> list[list[float]]:
    """By host, the sum over the guests that run there; one that is being migrated counts at both ends, its
    local disks only where they are. needs: of each guest, local disks included.
    """
    carried = [[0.0] * len(resources) for _host in index.hosts]
    if not resources:
        return carried
    if needs is None:
        needs = (guest_needs(resources, guest) for guest in index.guests)
    for guest, parts in zip(index.guests, needs, strict=True):
        if guest.is_on_host:
            sums = carried[index.host_at[guest.host]]
            sums[:] = map(add, sums, parts)
    for guest, _source, target in index.arriving:
        carried[target][:] = map(add, carried[target], guest_needs(resources, guest))
    return carried


def used_by_host(index: SnapshotIndex, others: Sequence[Sequence[float]]) -> tuple[Vector, ...]:
    """The use of every host: cpu and memory as measured, with the guests that are being migrated there, then
    the `others` by host.
    """
    coming = [(0.0, 0.0) for _host in index.hosts]
    for guest, _source, target in index.arriving:
        cpu, memory = guest_needs((CPU, MEMORY), guest)
        coming[target] = coming[target][0] + cpu, coming[target][1] + memory
    return tuple(
        (
            (host_used(host, CPU.name) or 0.0) + cpu,
            (host_used(host, MEMORY.name) or 0.0) + memory,
            *more,
        )
        for host, (cpu, memory), more in zip(index.hosts, coming, others, strict=True)
    )


def ceilings(
    hosts: Sequence[Host],
    resources: Sequence[Resource],
    limits: Limits,
    carried: Sequence[Sequence[float]],
    *,
    rules: bool = False,
) -> tuple[Vector, ...]:
    """The most of each resource that each host may carry. carried: the needs of its guests; rules: for
    migrations that restore a rule or empty a host in maintenance.
    """
    return tuple(
        tuple(
            _ceiling(resource, host, limits, total, rules=rules) * (1 + AMOUNT)
            for resource, total in zip(resources, sums, strict=True)
        )
        for host, sums in zip(hosts, carried, strict=True)
    )


def _filled(policy: Policy) -> Limits:
    """The limits, and how full consolidation may make a host."""
    fill = policy.consolidate.fill if traits_of(policy).chooses_hosts and policy.consolidate else None
    if fill is None:
        return policy.limits
    return replace(policy.limits, cpu=min(policy.limits.cpu, fill), memory=min(policy.limits.memory, fill))


def _ceiling(resource: Resource, host: Host, limits: Limits, carried: float, *, rules: bool) -> float:
    """`carried`: the sum over the guests that run on the host."""
    name = resource.name
    if resource == GUESTS:
        known = [limit for limit in (limits.max_guests, host.max_guests) if limit is not None]
        return float(min(known, default=1 << 40))
    if resource.kind == "datastore":
        place = host.datastores.get(name)
        return carried + (0 if place is None or place.shared else place.free or 0)
    free = max(0.0, (host_capacity(host, name) or 0.0) - (host.reserved.get(name) or 0.0))
    if resource.kind == "assigned":
        ratio = limits.cpu_overcommit if name == "cpu" else limits.memory_overcommit
        return free * (ratio or 0.0)
    percent = _percent(limits, name, rules=rules)
    return free * percent / 100 - (limits.memory_reserve if name == "memory" else 0)


def _percent(limits: Limits, name: str, *, rules: bool) -> float:
    if name == "cpu":
        return limits.cpu_for_rules if rules else limits.cpu
    return limits.memory_for_rules if rules else limits.memory
