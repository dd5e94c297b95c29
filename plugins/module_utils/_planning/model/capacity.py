# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts take part, what they carry by themselves and how full they may become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from ..._model.loads import guest_used, host_capacity, host_used, local_storage
from ..._model.lookup import known_names
from ..._model.plan import Unresolved
from ..._model.policy.policy import Limits, Policy
from ..._model.snapshot import Guest, Host, Snapshot
from ..._model.text.wording import listed
from ..errors import PlanningError
from ..tolerances import AMOUNT
from .goal_traits import traits_of
from .guest_locations import arriving
from .selectors import select_hosts

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
    """By host index: which may receive, which may give, which count in the spread, and which must be
    emptied. closed: why one receives nothing, in a word and in full.
    """

    receives: tuple[bool, ...]
    gives: tuple[bool, ...]
    counts: tuple[bool, ...]
    leaving: tuple[bool, ...]
    closed: tuple[tuple[str, str] | None, ...]


def host_roles(
    snapshot: Snapshot, policy: Policy, unresolved: list[Unresolved], idle_hosts: frozenset[str] = frozenset()
) -> HostRoles:
    """Reads exclusions, maintenance and the gaps in what a host reports. idle_hosts: ids of those that goal
    consolidate keeps empty. Raises PlanningError for an unknown host name.
    """
    sources = select_hosts(snapshot.hosts, policy.exclude.sources, "policy.exclude.sources.names")
    targets = select_hosts(snapshot.hosts, policy.exclude.targets, "policy.exclude.targets.names")
    emptied = hosts_to_empty(snapshot, policy)
    traits = traits_of(policy)
    receives, gives, counts, leaving = [], [], [], []
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
        gives.append(host.status == "online" and host.id not in sources)
        # A host that takes no new guests can be overloaded all the same.
        judged = traits.counts_closed_hosts and host.status == "online" and not host.maintenance
        counts.append((host.active or judged) and not (host.id in sources and host.id in targets))
        wanted = host.maintenance if emptied is None else host.id in emptied
        leaving.append(host.status == "online" and wanted and host.id not in sources)
    return HostRoles(
        receives=tuple(receives),
        gives=tuple(gives),
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
    if not emptied:
        raise PlanningError(
            "it selects no host of this cluster",
            where="policy.evacuate",
            hint=known_names("host", snapshot.hosts),
        )
    kept = emptied & select_hosts(snapshot.hosts, policy.exclude.sources, "policy.exclude.sources.names")
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
    """What may run out on a host: the resources in a fixed order, cpu and memory first; each host's use and
    ceilings, each guest's part.

    ceiling: for migrations that level; ceiling_for_rules: for those that restore a rule or empty a host in
    maintenance.
    A host may carry more than that to begin with. Then nothing comes to it until so much has left that there
    is room below the ceiling; what is there may stay.
    """

    resources: tuple[Resource, ...]
    used: tuple[tuple[float, ...], ...]
    ceiling: tuple[tuple[float, ...], ...]
    ceiling_for_rules: tuple[tuple[float, ...], ...]
    guest: tuple[tuple[float, ...], ...]


def resource_needs(snapshot: Snapshot, policy: Policy) -> ResourceNeeds:
    limits = _filled(policy)
    at = {host.id: index for index, host in enumerate(snapshot.hosts)}
    locals_ = [local_storage(guest, snapshot.hosts[at[guest.host]]) for guest in snapshot.guests]
    datastores = sorted({name for local in locals_ for name in local})
    resources = [CPU, MEMORY]
    resources += [Resource("assigned", "cpu")] if limits.cpu_overcommit is not None else []
    resources += [Resource("assigned", "memory")] if limits.memory_overcommit is not None else []
    if limits.max_guests is not None or any(host.max_guests is not None for host in snapshot.hosts):
        resources.append(GUESTS)
    resources += [Resource("datastore", name) for name in datastores]
    guest = tuple(
        tuple(_part(resource, guest, local) for resource in resources)
        for guest, local in zip(snapshot.guests, locals_, strict=True)
    )
    carried = [[0.0] * len(resources) for _host in snapshot.hosts]
    for item, parts in zip(snapshot.guests, guest, strict=True):
        if item.is_on_host:
            carried[at[item.host]] = [a + b for a, b in zip(carried[at[item.host]], parts, strict=True)]
    coming = [[0.0, 0.0] for _host in snapshot.hosts]
    for item, _source, target in arriving(snapshot):
        # A migration under way takes its room at both ends.
        parts = tuple(_part(resource, item, {}) for resource in resources)
        carried[target] = [a + b for a, b in zip(carried[target], parts, strict=True)]
        coming[target] = [a + b for a, b in zip(coming[target], parts[:2], strict=True)]
    used: list[Vector] = []
    plain: list[Vector] = []
    restoring: list[Vector] = []
    for host, sums, more in zip(snapshot.hosts, carried, coming, strict=True):
        present = [
            (host_used(host, resource.name) or 0.0) + more[number] if number < len(more) else total
            for number, (resource, total) in enumerate(zip(resources, sums, strict=True))
        ]
        used.append(tuple(present))
        for ceilings, rules in ((plain, False), (restoring, True)):
            ceilings.append(
                tuple(
                    _ceiling(resource, host, limits, total, rules=rules) * (1 + AMOUNT)
                    for resource, total in zip(resources, sums, strict=True)
                )
            )
    return ResourceNeeds(
        resources=tuple(resources),
        used=tuple(used),
        ceiling=tuple(plain),
        ceiling_for_rules=tuple(restoring),
        guest=guest,
    )


def _filled(policy: Policy) -> Limits:
    """The limits, and how full consolidation may make a host."""
    fill = policy.consolidate.fill if traits_of(policy).chooses_hosts and policy.consolidate else None
    if fill is None:
        return policy.limits
    return replace(policy.limits, cpu=min(policy.limits.cpu, fill), memory=min(policy.limits.memory, fill))


def _part(resource: Resource, guest: Guest, local: dict[str, int | None]) -> float:
    if resource.kind == "used":
        return guest_used(guest, resource.name) or 0.0
    if resource.kind == "assigned":
        return guest.assigned.get(resource.name) or 0.0
    return 1.0 if resource == GUESTS else float(local.get(resource.name, 0) or 0)


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
