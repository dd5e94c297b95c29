# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate a cluster for rehearsals, tests and benchmarks: the same shape gives the same cluster.

    .venv/bin/python tests/support/generate_cluster.py --hosts 8 --guests 60 --seed 4 > cluster.json

Guests come in services, as in life: the members of a service are of one size, and its kind says which rule
they are under. A few hosts attract more guests than others, and some services ignore their rule at the start.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    RuleKind,
    Snapshot,
)

GIB = 1024**3
FULL = 0.92
HOST_CPU_SHARE = 0.02
HOST_MEMORY = 3 * GIB
TENANTS = ("shop", "bank", "mail", "media", "wiki", "maps", "forum", "lab", "fleet", "clinic", "press")


@dataclass(frozen=True)
class Shape:
    """What kind of cluster to generate."""

    hosts: int = 8
    guests: int = 60
    seed: int = 1
    fill: float = 0.6
    "share of all memory that guests use"
    cpu_fill: float = 0.4
    "share of all cores that guests use"
    skew: float = 3.0
    "how many times more guests the most popular host attracts than the least popular one"
    broken: float = 0.15
    "share of the services that ignore their rule at the start"
    fixed: float = 0.03
    "share of the guests, among those under no rule, that can't be migrated"
    mixed: bool = False
    "hosts of three sizes"
    maintenance: int = 0
    "hosts in maintenance that still hold guests"
    numbered: bool = False
    "hosts have numbers for ids, as on VMmanager"
    storage: int = 0
    "GiB of the datastore that all hosts share, half of it free; not known when 0"
    unequal: float = 1.0
    "how many times larger the largest host is than the smallest one, the others in between"
    paused: float = 0.0
    "share of the guests that are paused: they hold their memory and use no cpu"
    agents: int = 0
    "hosts with an agent that the platform itself manages"
    arriving: int = 0
    "guests that are on their way to the fullest host, which is above its limit already"
    chains: int = 0
    "services whose members stay apart, each pinned to the host that the next one is on"


@dataclass(frozen=True)
class Kind:
    """A kind of service: how many members, of what size, under which rule."""

    name: str
    members: tuple[int, int]
    cores: tuple[int, ...]
    gib: tuple[int, ...]
    rule: RuleKind | None = None


KINDS = (
    Kind("web", (2, 5), (2, 4), (4, 8), "anti_affinity"),
    Kind("db", (2, 3), (4, 8, 16), (16, 32, 64), "anti_affinity"),
    Kind("cache", (2, 2), (1, 2), (4, 8), "affinity"),
    Kind("erp", (1, 2), (4, 8), (16, 32), "host_affinity"),
    Kind("worker", (6, 14), (2, 4), (4, 8), "even_spread"),
    Kind("app", (1, 4), (2, 4, 8), (4, 8, 16)),
    Kind("batch", (1, 6), (4, 8), (8, 16)),
    Kind("desktop", (3, 10), (1, 2), (2, 4)),
    Kind("tool", (1, 2), (1, 2), (2, 4)),
)
RARITY = (5, 3, 2, 1, 1, 8, 3, 3, 6)


@dataclass(frozen=True)
class Member:
    """A guest before it has a host."""

    id: str
    name: str
    cores: int
    memory: int
    used_cpu: float
    used_memory: int
    network_io: int
    disk_io: int


@dataclass(frozen=True)
class Service:
    """Guests of one kind, and the hosts that a pinned kind may run on."""

    name: str
    kind: Kind
    members: tuple[Member, ...]
    pinned: tuple[int, ...] = ()


@dataclass
class Room:
    """What is left on a host while guests are placed."""

    cores: float
    memory: int
    used_cpu: float
    used_memory: int
    network_io: int = 0
    disk_io: int = 0

    def fits(self, member: Member) -> bool:
        """Whether the host stays below FULL with this guest."""
        return (
            self.used_cpu + member.used_cpu <= FULL * self.cores
            and self.used_memory + member.used_memory <= FULL * self.memory
        )

    def put(self, member: Member) -> None:
        """Add the load of a guest."""
        self.used_cpu += member.used_cpu
        self.used_memory += member.used_memory
        self.network_io += member.network_io
        self.disk_io += member.disk_io


def generate(shape: Shape) -> Snapshot:
    """The cluster of a shape."""
    rng = random.Random(shape.seed)
    services = list(_services(shape, rng))
    members = [member for service in services for member in service.members]
    rooms = _rooms(shape, members, rng)
    places = _placed(shape, services, rooms, rng)
    fixed = _fixed(shape, services, rng)
    snapshot = Snapshot(
        platform="rehearsal",
        cluster=ClusterRef(id=f"generated-{shape.seed}", name=f"{shape.hosts}x{shape.guests}-{shape.seed}"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=3600,
        hosts=tuple(
            _host(index, room, index < shape.maintenance, shape.storage) for index, room in enumerate(rooms)
        ),
        guests=tuple(_guest(member, places[member.id], member.id in fixed) for member in members),
        rules=tuple(_rule(service) for service in services if _is_ruled(service)),
    )
    # A shape without these is the same cluster as before there were any: they have rng of their own.
    more = random.Random(f"{shape.seed} more")
    for number in range(shape.chains):
        snapshot = _with_chain(snapshot, number + 1, more)
    snapshot = _with_paused(snapshot, shape.paused, more)
    snapshot = _with_agents(snapshot, shape.agents)
    snapshot = _with_arrivals(snapshot, shape.arriving, more)
    return numbered(snapshot) if shape.numbered else snapshot


def _with_chain(snapshot: Snapshot, number: int, rng: random.Random) -> Snapshot:
    """One service more, of four members at most. They can only move one after the other, the last one first:
    the host that it is pinned to has none of them.
    """
    places = [host.id for host in snapshot.hosts]
    rng.shuffle(places)
    places = places[:5]
    members = [
        Guest(
            id=str(5000 + 10 * number + place),
            name=f"chain{number}-{place + 1}",
            kind="vm",
            host=places[place],
            power="running",
            assigned={"cpu": 1, "memory": GIB},
            used={"cpu": 0.1, "memory": GIB // 2, "network_io": 1000, "disk_io": 1000},
            disks=(Disk(datastore="san", size=10 * GIB),),
            networks=("lan",),
            tags=("chain",),
            migratable=True,
        )
        for place in range(len(places) - 1)
    ]
    source = f"generated:chain{number}"
    apart = Rule(
        name=f"chain{number}",
        kind="anti_affinity",
        guests=tuple(member.id for member in members),
        strict=True,
        source=source,
    )
    pins = [
        Rule(
            name=f"{member.name}-pin",
            kind="host_affinity",
            guests=(member.id,),
            hosts=(places[place + 1],),
            strict=True,
            source=source,
        )
        for place, member in enumerate(members)
    ]
    return replace(
        _with_more(snapshot, members), rules=(*snapshot.rules, *([apart] if len(members) > 1 else []), *pins)
    )


def _with_paused(snapshot: Snapshot, share: float, rng: random.Random) -> Snapshot:
    chosen = {guest.id for guest in rng.sample(snapshot.guests, round(share * len(snapshot.guests)))}
    spared = dict.fromkeys((host.id for host in snapshot.hosts), 0.0)
    for guest in snapshot.guests:
        if guest.id in chosen:
            spared[guest.host] += guest.used["cpu"] or 0.0
    return replace(
        snapshot,
        hosts=tuple(
            replace(host, used={**host.used, "cpu": round((host.used["cpu"] or 0.0) - spared[host.id], 3)})
            for host in snapshot.hosts
        ),
        guests=tuple(
            replace(guest, run_state="paused", used={**guest.used, "cpu": 0.0})
            if guest.id in chosen
            else guest
            for guest in snapshot.guests
        ),
    )


def _with_agents(snapshot: Snapshot, number: int) -> Snapshot:
    agents = [
        Guest(
            id=str(9000 + index),
            name=f"vCLS-{index + 1}",
            kind="vm",
            host=host.id,
            power="running",
            assigned={"cpu": 1, "memory": GIB // 8},
            used={"cpu": 0.05, "memory": GIB // 8, "network_io": 0, "disk_io": 0},
            disks=(Disk(datastore="san", size=2 * GIB),),
            migratable=False,
            blockers=("agent",),
            platform_managed=True,
        )
        for index, host in enumerate(snapshot.hosts[:number])
    ]
    return _with_more(snapshot, agents)


def _with_arrivals(snapshot: Snapshot, number: int, rng: random.Random) -> Snapshot:
    if not number:
        return snapshot
    fullest = max(
        snapshot.hosts, key=lambda host: (host.used["memory"] or 0) / (host.capacity["memory"] or 1)
    )
    ruled = {guest for rule in snapshot.rules for guest in rule.guests}
    free = [
        guest.id
        for guest in snapshot.guests
        if guest.host != fullest.id and guest.migratable and guest.id not in ruled
    ]
    chosen = set(rng.sample(free, min(number, len(free))))
    above = max(fullest.used["memory"] or 0, int(0.95 * (fullest.capacity["memory"] or 0)))
    return replace(
        snapshot,
        hosts=tuple(
            replace(host, used={**host.used, "memory": above}) if host is fullest else host
            for host in snapshot.hosts
        ),
        guests=tuple(
            replace(guest, migrating_to=fullest.id, migratable=False, blockers=("locked",))
            if guest.id in chosen
            else guest
            for guest in snapshot.guests
        ),
    )


def _with_more(snapshot: Snapshot, guests: Sequence[Guest]) -> Snapshot:
    """The same cluster with these guests, their hosts' loads included."""
    used = {host.id: dict(host.used) for host in snapshot.hosts}
    for guest in guests:
        for resource, amount in guest.used.items():
            used[guest.host][resource] = round((used[guest.host].get(resource) or 0) + (amount or 0), 3)
    return replace(
        snapshot,
        hosts=tuple(replace(host, used=used[host.id]) for host in snapshot.hosts),
        guests=(*snapshot.guests, *guests),
    )


def numbered(snapshot: Snapshot) -> Snapshot:
    """The same cluster, the ids of its hosts the numbers that a platform gives which has nothing else."""
    ids = {host.id: str(number) for number, host in enumerate(snapshot.hosts, 1)}
    return replace(
        snapshot,
        hosts=tuple(replace(host, id=ids[host.id]) for host in snapshot.hosts),
        guests=tuple(
            replace(
                guest,
                host=ids[guest.host],
                migrating_to=None if guest.migrating_to is None else ids[guest.migrating_to],
            )
            for guest in snapshot.guests
        ),
        rules=tuple(
            replace(rule, hosts=tuple(ids.get(host, host) for host in rule.hosts)) for rule in snapshot.rules
        ),
    )


def _services(shape: Shape, rng: random.Random) -> Iterator[Service]:
    left, ids, numbers = shape.guests, itertools.count(100), dict.fromkeys((kind.name for kind in KINDS), 0)
    while left:
        kind = rng.choices(KINDS, RARITY)[0]
        size = min(left, rng.randint(*kind.members))
        left -= size
        turn, tenant = divmod(numbers[kind.name], len(TENANTS))
        numbers[kind.name] += 1
        name = f"{TENANTS[tenant]}-{kind.name}" + (f"{turn + 1}" if turn else "")
        cores, memory = rng.choice(kind.cores), rng.choice(kind.gib) * GIB
        pinned: Sequence[int] = ()
        if kind.rule == "host_affinity":
            pinned = sorted(rng.sample(range(shape.hosts), min(shape.hosts, max(2, shape.hosts // 4))))
        yield Service(
            name=name,
            kind=kind,
            members=tuple(
                _member(str(next(ids)), f"{name}-{n}", cores, memory, rng) for n in range(1, size + 1)
            ),
            pinned=tuple(pinned),
        )


def _member(id_: str, name: str, cores: int, memory: int, rng: random.Random) -> Member:
    return Member(
        id=id_,
        name=name,
        cores=cores,
        memory=memory,
        used_cpu=round(cores * min(0.95, rng.betavariate(1.6, 4.5)), 3),
        used_memory=int(memory * rng.uniform(0.4, 0.95)),
        network_io=int(rng.expovariate(1 / 1.5e6)),
        disk_io=int(rng.expovariate(1 / 3e6)),
    )


def _rooms(shape: Shape, members: Sequence[Member], rng: random.Random) -> list[Room]:
    scales = [
        (rng.choice((1.0, 1.5, 2.0)) if shape.mixed else 1.0)
        * shape.unequal ** (index / max(1, shape.hosts - 1))
        for index in range(shape.hosts)
    ]
    cores = sum(member.used_cpu for member in members) / shape.cpu_fill / sum(scales)
    memory = sum(member.used_memory for member in members) / shape.fill / sum(scales)
    rooms = []
    for scale in scales:
        host_cores = float(max(8, 2 * math.ceil(cores * scale / 2)))
        host_memory = math.ceil(memory * scale / (8 * GIB)) * 8 * GIB + 8 * GIB
        rooms.append(Room(host_cores, host_memory, round(HOST_CPU_SHARE * host_cores, 3), HOST_MEMORY))
    return rooms


def _placed(
    shape: Shape, services: Sequence[Service], rooms: Sequence[Room], rng: random.Random
) -> dict[str, int]:
    """The host of every guest: popular hosts first, where its service's rule and the room allow."""
    ranks = list(range(shape.hosts))
    rng.shuffle(ranks)
    popularity = [shape.skew ** (rank / max(1, shape.hosts - 1)) for rank in ranks]
    weights = list(itertools.accumulate(w * room.memory for w, room in zip(popularity, rooms, strict=True)))
    places: dict[str, int] = {}
    for service in services:
        obeys = rng.random() >= shape.broken
        taken: list[int] = []
        for member in service.members:
            allowed = (_keeping if obeys else _breaking)(service, taken, shape.hosts)
            host = _host_for(member, allowed, weights, rooms, rng)
            rooms[host].put(member)
            taken.append(host)
            places[member.id] = host
    return places


def _keeping(service: Service, taken: Sequence[int], hosts: int) -> Sequence[int]:
    """The hosts that keep the service's rule, given where its members so far are."""
    everywhere = range(hosts)
    match service.kind.rule:
        case "affinity" if taken:
            return taken[:1]
        case "host_affinity":
            return service.pinned
        case "anti_affinity" | "even_spread":
            least = min(taken.count(host) for host in everywhere) if len(taken) >= hosts else 0
            return [host for host in everywhere if taken.count(host) == least] if taken else everywhere
    return everywhere


def _breaking(service: Service, taken: Sequence[int], hosts: int) -> Sequence[int]:
    """The hosts that break it, or any where none can."""
    match service.kind.rule:
        case "affinity":
            broken = [host for host in range(hosts) if host not in taken]
        case "host_affinity":
            broken = [host for host in range(hosts) if host not in service.pinned]
        case "anti_affinity" | "even_spread":
            broken = list(taken[:1]) if len(taken) == 1 else []
        case _:
            broken = []
    return broken or range(hosts)


def _host_for(
    member: Member,
    allowed: Sequence[int],
    weights: Sequence[float],
    rooms: Sequence[Room],
    rng: random.Random,
) -> int:
    """A popular one of the allowed hosts with room; else any of them with room; else the emptiest of all."""
    welcome = set(allowed)
    for host in rng.choices(range(len(rooms)), cum_weights=weights, k=40):
        if host in welcome and rooms[host].fits(member):
            return host
    emptiest = sorted(range(len(rooms)), key=lambda host: rooms[host].used_memory / rooms[host].memory)
    return next((host for host in emptiest if host in welcome and rooms[host].fits(member)), emptiest[0])


def _fixed(shape: Shape, services: Sequence[Service], rng: random.Random) -> set[str]:
    free = [member.id for service in services if service.kind.rule is None for member in service.members]
    return set(rng.sample(free, min(len(free), round(shape.fixed * shape.guests))))


def _host(index: int, room: Room, maintenance: bool, storage: int) -> Host:
    size = storage * GIB or None
    return Host(
        id=_host_id(index),
        name=_host_id(index),
        status="online",
        maintenance=maintenance,
        schedulable=True,
        capacity={
            "cpu": room.cores,
            "memory": room.memory,
            "network_io": 1_250_000_000,
            "disk_io": 4_000_000_000,
        },
        used={
            "cpu": round(room.used_cpu, 3),
            "memory": room.used_memory,
            "network_io": room.network_io,
            "disk_io": room.disk_io,
        },
        version="1.0",
        pool="default",
        address=f"10.{index // 62500}.{index // 250 % 250}.{index % 250 + 1}",
        datastores={
            "san": HostDatastore(shared=True, capacity=size, free=None if size is None else size // 2)
        },
        networks=("lan",),
    )


def _guest(member: Member, host: int, fixed: bool) -> Guest:
    return Guest(
        id=member.id,
        name=member.name,
        kind="vm",
        host=_host_id(host),
        power="running",
        assigned={"cpu": member.cores, "memory": member.memory},
        used={
            "cpu": member.used_cpu,
            "memory": member.used_memory,
            "network_io": member.network_io,
            "disk_io": member.disk_io,
        },
        disks=(Disk(datastore="san", size=(10 + 10 * member.cores) * GIB),),
        networks=("lan",),
        tags=(member.name.split("-")[0],),
        migratable=not fixed,
        blockers=("passthrough_device",) if fixed else (),
    )


def _host_id(index: int) -> str:
    return f"host{index + 1:02d}"


def _is_ruled(service: Service) -> bool:
    """Whether its rule can be broken at all; a single member may only be pinned."""
    return service.kind.rule == "host_affinity" or (bool(service.kind.rule) and len(service.members) > 1)


def _rule(service: Service) -> Rule:
    assert service.kind.rule is not None
    return Rule(
        name=service.name,
        kind=service.kind.rule,
        guests=tuple(member.id for member in service.members),
        hosts=tuple(_host_id(host) for host in service.pinned),
        strict=True,
        source=f"generated:{service.name}",
    )


def main() -> None:
    """Print the cluster of the shape that the command line describes, or write it into a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path)
    for option in fields(Shape):
        if isinstance(option.default, bool):
            parser.add_argument(f"--{option.name}", action="store_true")
        else:
            parser.add_argument(
                f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default
            )
    given = vars(parser.parse_args())
    output = given.pop("output")
    text = json.dumps(generate(Shape(**given)).to_json(), indent=1)
    if output is None:
        print(text)
    else:
        output.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
