# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks where new guests are to go against their snapshot, knowing nothing of how that was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..._model.datastores import datastore_ids
from ..._model.placement_request import WantedVm
from ..._model.policy.policy import Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.reservation import is_reserved
from ..._model.snapshot import Datastore, Disk, Guest, Host, Rule, Snapshot, StorageRule

TOLERANCE = 1e-6
# A guest in one of these states holds memory, or may.
HOLDING = ("running", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """A new guest, by the id that rules know it by, the id of its host, and a datastore for each disk."""

    id: str
    wanted: WantedVm
    host: str
    datastores: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRules:
    """What the policy says of the disks of new guests: rules, with the ids of guests; by id of a guest, the
    ids of the datastores where its disks may lie; and the ids of those that take none.
    """

    rules: tuple[StorageRule, ...] = ()
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    barred: frozenset[str] = frozenset()


NO_DISK_RULES = DiskRules()


def verify_placement(
    snapshot: Snapshot,
    policy: Policy,
    seated: Sequence[Seated],
    rules: Sequence[Rule],
    apart: Mapping[str, frozenset[str]],
    barred: frozenset[str],
    spare: int,
    disks: DiskRules = NO_DISK_RULES,
) -> tuple[str, ...]:
    """Everything that is wrong, in sentences; empty for a legal answer. `barred`: hosts that take nothing."""
    hosts = {host.id: host for host in snapshot.hosts}
    defects = [
        f"{one.id} on {one.host}: {why}"
        for one in seated
        for why in _misfits(one, hosts.get(one.host), barred)
    ]
    if defects:
        return tuple(defects)
    at = {guest.id: _home(guest, hosts) for guest in snapshot.guests} | {one.id: one.host for one in seated}
    return (
        *_overfull(snapshot, policy, seated, hosts),
        *_too_little_storage(seated, hosts),
        *_storage_defects(snapshot, policy, seated, disks),
        *_shared_devices(seated, hosts),
        *(text for rule in rules if rule.strict for text in _broken(rule, at, snapshot, seated)),
        *_meetings(apart, at, {guest.id: guest.host for guest in snapshot.guests}),
        *(_unspared(snapshot, policy, seated, barred, spare) if spare and seated else ()),
    )


def _misfits(one: Seated, host: Host | None, barred: frozenset[str]) -> Iterable[str]:
    wanted = one.wanted
    if host is None:
        yield "no such host"
        return
    if not host.active or host.id in barred:
        yield "it takes no guests"
    if wanted.pool is not None and host.pool != wanted.pool:
        yield f"its pool is {host.pool}"
    if host.dedicated is not wanted.dedicated:
        yield "dedicated hosts are for guests that ask for them, and no others"
    if any(host.labels.get(name) != value for name, value in wanted.labels.items()):
        yield "it lacks a label"
    if set(wanted.networks) - set(host.networks):
        yield "it lacks a network"
    if wanted.cpu_models is not None and host.cpu_model and host.cpu_model not in wanted.cpu_models:
        yield "it has another CPU model"
    yield from _wrong_datastores(one, host)


def _wrong_datastores(one: Seated, host: Host) -> Iterable[str]:
    wanted = one.wanted
    if len(one.datastores) != len(wanted.disks):
        yield "a disk has no datastore"
        return
    for disk, name in zip(wanted.disks, one.datastores, strict=True):
        store = host.datastores.get(name)
        if store is None:
            yield f"it lacks datastore {name}"
        elif store.closed_because is not None:
            yield f"datastore {name} takes no new disks"
        elif disk.datastore is not None and disk.datastore != name and not fnmatchcase(name, disk.datastore):
            yield f"datastore {name} was not asked for"
        elif disk.kind is not None and store.kind != disk.kind:
            yield f"datastore {name} is of another class"
        elif disk.shared is not None and store.shared != disk.shared:
            yield f"datastore {name} is {'shared' if store.shared else 'of one host only'}"


def _overfull(
    snapshot: Snapshot, policy: Policy, seated: Sequence[Seated], hosts: Mapping[str, Host]
) -> Iterable[str]:
    residents = _residents(snapshot, {one.host for one in seated})
    coming: dict[str, list[WantedVm]] = {}
    for one in seated:
        coming.setdefault(one.host, []).append(one.wanted)
    for name, arrivals in coming.items():
        for what, now, more, limit in _accounts(hosts[name], residents.get(name, []), arrivals, policy):
            if more > 0 and now + more > max(limit, now) * (1 + TOLERANCE):
                yield f"{name} comes to {now + more:g} of {what}, and {limit:g} is its limit"


def _residents(snapshot: Snapshot, wanted: set[str]) -> dict[str, list[Guest]]:
    found: dict[str, list[Guest]] = {}
    for guest in snapshot.guests:
        for host in {guest.host, guest.migrating_to} & wanted if guest.power in HOLDING else ():
            found.setdefault(str(host), []).append(guest)
    return found


def _accounts(
    host: Host, here: Sequence[Guest], arrivals: Sequence[WantedVm], policy: Policy
) -> Iterable[tuple[str, float, float, float]]:
    """Of each resource: its name, what is in use, what comes, and the limit."""
    limits = policy.limits
    percents = {"cpu": limits.cpu, "memory": limits.memory}
    ratios = {"cpu": limits.cpu_overcommit, "memory": limits.memory_overcommit}
    for name, percent in percents.items():
        usable = max(0.0, (host.capacity.get(name) or 0.0) - (host.reserved.get(name) or 0.0))
        kept = limits.memory_reserve if name == "memory" else 0
        more = sum(_taken(wanted, name) for wanted in arrivals)
        coming = sum(_part(guest, name) for guest in here if guest.host != host.id)
        yield name, (host.used.get(name) or 0.0) + coming, more, usable * percent / 100 - kept
        ratio = ratios[name]
        if ratio is not None:
            given = sum(guest.assigned.get(name) or 0.0 for guest in here)
            yield f"assigned {name}", given, sum(_given(w, name) for w in arrivals), usable * ratio
    most = [limit for limit in (limits.max_guests, host.max_guests) if limit is not None]
    if most:
        yield "guests", len(here), len(arrivals), min(most)


def _part(guest: Guest, name: str) -> float:
    used = guest.used.get(name)
    return (guest.assigned.get(name) or 0.0) if used is None else used


def _given(wanted: WantedVm, name: str) -> float:
    return float(wanted.cpu if name == "cpu" else wanted.memory)


def _taken(wanted: WantedVm, name: str) -> float:
    told = wanted.used.get(name)
    return _given(wanted, name) if told is None else told


def _too_little_storage(seated: Sequence[Seated], hosts: Mapping[str, Host]) -> Iterable[str]:
    taken: Counter[tuple[str, str]] = Counter()
    free: dict[tuple[str, str], int] = {}
    for one in seated:
        for disk, name in zip(one.wanted.disks, one.datastores, strict=True):
            store = hosts[one.host].datastores[name]
            place = (name, "" if store.shared else one.host)
            taken[place] += disk.size
    for (name, owner), _amount in taken.items():
        told = [
            host.datastores[name].free
            for host in hosts.values()
            if name in host.datastores
            and owner in ("", host.id)
            and host.datastores[name].shared == (not owner)
        ]
        known = [amount for amount in told if amount is not None]
        if known:
            free[name, owner] = min(known)
    for place, amount in taken.items():
        if place in free and amount > free[place]:
            yield f"datastore {place[0]} has {free[place]} bytes free, and {amount} are to go there"


def _storage_defects(
    snapshot: Snapshot, policy: Policy, seated: Sequence[Seated], disks: DiskRules
) -> Iterable[str]:
    """What is wrong by the datastores of the snapshot, where it lists them."""
    places = {place.id: place for place in snapshot.datastores}
    ids = datastore_ids(snapshot)
    new: dict[str, list[tuple[Seated, int]]] = {}
    for one in seated if places else ():
        for number, name in enumerate(one.datastores):
            new.setdefault(ids.get((one.host, name), ""), []).append((one, number))
    coming = {} if policy.storage is None else _coming(snapshot, policy.storage, ids)
    for place, those in new.items():
        store = places.get(place)
        if store is not None:
            yield from _closed_to_disks(store, disks)
        if policy.storage is not None:
            yield from _above_limits(policy.storage, store, those, coming.get(place, 0.0))
    for one in seated:
        homes = {ids.get((one.host, name), "") for name in one.datastores}
        for place in sorted(homes - disks.allowed.get(one.id, homes)):
            yield f"{one.id}: its disks may not be on {place}"
    yield from _against_policies(snapshot, seated, ids)
    for rule in disks.rules:
        if rule.strict:
            yield from _broken_on_datastores(rule, snapshot, seated, ids)


def _against_policies(
    snapshot: Snapshot, seated: Sequence[Seated], ids: Mapping[tuple[str, str], str]
) -> Iterable[str]:
    """A policy counts as the disks that have it say."""
    for one in seated:
        for wanted, name in zip(one.wanted.disks, one.datastores, strict=True):
            policy, place = wanted.storage_policy, ids.get((one.host, name), "")
            if policy is None:
                continue
            having = [
                disk for guest in snapshot.guests for disk in guest.disks if disk.storage_policy == policy
            ]
            if not having or any(disk.targets is not None and place not in disk.targets for disk in having):
                yield f"{one.id}: {place} is not known to comply with storage policy {policy}"


def _closed_to_disks(store: Datastore, disks: DiskRules) -> Iterable[str]:
    if store.maintenance or store.closed_because is not None or store.id in disks.barred:
        yield f"datastore {store.id} takes no disks"
    if store.content is not None and "images" not in store.content:
        yield f"datastore {store.id} may not hold images"


def _coming(
    snapshot: Snapshot, storage: StoragePolicy, ids: Mapping[tuple[str, str], str]
) -> Mapping[str, float]:
    """By id of a datastore, what the disks of reserved guests will take, and what others may grow by."""
    found: dict[str, float] = {}
    for guest in snapshot.guests:
        reserved = is_reserved(guest)
        for disk in guest.disks:
            place = ids.get((guest.host, disk.datastore), "")
            more = float(disk.size or 0) if reserved else _growth(disk, storage.growth)
            found[place] = found.get(place, 0.0) + more
    return found


def _above_limits(
    storage: StoragePolicy, store: Datastore | None, new: Sequence[tuple[Seated, int]], coming: float
) -> Iterable[str]:
    if store is None:
        yield f"{new[0][0].id}: the snapshot does not list a datastore of its host"
        return
    if storage.latency is not None and store.latency is not None and store.latency > storage.latency:
        yield f"datastore {store.id} is slower than {storage.latency:g} ms"
    if not store.capacity or store.free is None:
        return
    load = store.capacity - store.free + store.arriving + coming
    load += sum(one.wanted.disks[number].size for one, number in new)
    limit = min(store.capacity * storage.utilisation / 100, store.capacity - storage.reserve)
    if load > limit * (1 + TOLERANCE):
        yield f"datastore {store.id} comes to {load:g} bytes, and {limit:g} is its limit"


def _growth(disk: Disk, percent: float) -> float:
    """What is certain to count of what a disk may still grow by."""
    if disk.thin is False or disk.used is None or disk.size is None:
        return 0.0
    return max(0, disk.size - disk.used) * percent / 100


def _broken_on_datastores(
    rule: StorageRule, snapshot: Snapshot, seated: Sequence[Seated], ids: Mapping[tuple[str, str], str]
) -> Iterable[str]:
    """A rule over several guests is about where any of their disks are, one over a guest about its disks."""
    old: dict[str, set[str]] = {}
    for guest in snapshot.guests:
        for disk in guest.disks if guest.id in rule.guests else ():
            place = ids.get((guest.host, disk.datastore))
            if place is not None and "cdrom" not in disk.blockers:
                old.setdefault(place, set()).add(guest.id)
    new: dict[str, set[str]] = {}
    for one in seated:
        for number, name in enumerate(one.datastores if one.id in rule.guests else ()):
            member = f"{one.id} {number}" if len(rule.guests) == 1 else one.id
            new.setdefault(ids.get((one.host, name), ""), set()).add(member)
    if rule.kind == "anti_affinity":
        for place, members in new.items():
            together = members | old.get(place, set())
            if len(together) > 1:
                yield f"rule {rule.name}: {', '.join(sorted(together))} are together on {place}"
        return
    most = max(map(len, old.values()), default=0)
    best = {place for place, members in old.items() if len(members) == most}
    if len(new) > 1 or (best and not new.keys() <= best):
        yield f"rule {rule.name}: its new members are not on one datastore with the others"


def _shared_devices(seated: Sequence[Seated], hosts: Mapping[str, Host]) -> Iterable[str]:
    """Counted by host: of what any pattern means no more is promised than is free."""
    wanted: dict[str, Counter[str]] = {}
    for one in seated:
        for device in one.wanted.devices:
            wanted.setdefault(one.host, Counter())[device.kind] += device.count
    for name, patterns in wanted.items():
        free = {kind: found.free for kind, found in hosts[name].devices.items()}
        for pattern in patterns:
            # Everything that can be satisfied only by what this pattern means.
            meant = {kind for kind in free if kind == pattern or fnmatchcase(kind, pattern)}
            inside = sum(
                many
                for other, many in patterns.items()
                if {kind for kind in free if kind == other or fnmatchcase(kind, other)} <= meant
            )
            if inside > sum(free[kind] for kind in meant):
                yield f"{name} has too few free devices like {pattern}"


def _broken(rule: Rule, at: Mapping[str, str], snapshot: Snapshot, seated: Sequence[Seated]) -> Iterable[str]:
    new = {one.id for one in seated} & set(rule.guests)
    places = {guest: at[guest] for guest in rule.guests if guest in at}
    if not new:
        return
    old = Counter(host for guest, host in places.items() if guest not in new)
    now = Counter(places.values())
    if rule.kind in ("host_affinity", "host_anti_affinity"):
        for guest in sorted(new):
            if (places[guest] in rule.hosts) != (rule.kind == "host_affinity"):
                yield f"rule {rule.name}: {guest} is on {places[guest]}"
    elif rule.kind == "anti_affinity":
        for guest in sorted(new):
            if now[places[guest]] > 1:
                yield f"rule {rule.name}: {guest} is not alone on {places[guest]}"
    elif rule.kind == "affinity":
        apart = len(places) - max(now.values())
        if apart > sum(old.values()) - max(old.values(), default=0):
            yield f"rule {rule.name}: its guests are further apart"
    else:
        # Hosts that hold no member may be closed to all of them: they can't count as empty.
        reach = {host.id for host in snapshot.hosts if host.active and now[host.id]}
        counts = [now[host] for host in reach]
        before = [old[host] for host in reach]
        if counts and max(counts) - min(counts) > max(rule.max_skew, max(before) - min(before)):
            yield f"rule {rule.name}: counts differ by {max(counts) - min(counts)}"


def _home(guest: Guest, hosts: Container[str]) -> str:
    """Where it is, or where a migration under way takes it."""
    going = guest.migrating_to
    return going if going is not None and going in hosts else guest.host


def _meetings(
    apart: Mapping[str, frozenset[str]], at: Mapping[str, str], present: Mapping[str, str]
) -> Iterable[str]:
    for guest, others in apart.items():
        for other in others:
            if guest in at and other in at and at[guest] in (at[other], present.get(other)):
                yield f"{guest} and {other} are both on {at[guest]}"


def _unspared(
    snapshot: Snapshot, policy: Policy, seated: Sequence[Seated], barred: frozenset[str], spare: int
) -> Iterable[str]:
    """Whichever hosts fail, the others have free as much as their guests take, in sum."""
    for dedicated in {one.wanted.dedicated for one in seated}:
        hosts = [
            host
            for host in snapshot.hosts
            if host.active and host.dedicated is dedicated and host.id not in barred
        ]
        residents = _residents(snapshot, {host.id for host in hosts})
        for name in ("cpu", "memory"):
            free, reach = [], []
            for host in hosts:
                here = residents.get(host.id, [])
                rows = {row[0]: row for row in _accounts(host, here, [], policy)}
                _what, now, _more, limit = rows[name]
                left = max(0.0, limit - now)
                carried = sum(_part(guest, name) for guest in here)
                free.append(left)
                reach.append(left + carried)
            coming = sum(_taken(one.wanted, name) for one in seated if one.wanted.dedicated is dedicated)
            lost = sum(sorted(reach)[-spare:])
            if len(hosts) <= spare or sum(free) - coming < lost - TOLERANCE * max(1.0, lost):
                yield f"{name} does not suffice when {spare} of {len(hosts)} hosts fail"
