# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the tests of Proxmox' HA manager: the initial cluster, the events in its log, and the situations in
which the manager decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Unreadable

MIB: Final = 1024**2
# What the tests' own simulation takes where a test says nothing.
NODE_CPU, NODE_MEMORY = 24.0, 131_072 * MIB
GUEST_CPU, GUEST_MEMORY = 4.0, 4096 * MIB
# States of a service in which its guest runs, as far as the manager knows.
RUNS: Final = frozenset({"started", "migrate", "relocate", "freeze", "request_stop"})

# Requested states of a service in which its guest does not run.
OFF: Final = frozenset({"stopped", "disabled", "ignored"})

Kind = Literal[
    "rebalance", "rule", "maintenance", "return", "command", "refusal", "recovery", "start", "retry"
]

Part = Mapping[str, Any]

_LINE = re.compile(r"^\S+\s+(\d+)\s+(\S+): (.*)$")
_ADDED = re.compile(r"adding new service '(\S+)' on node '(\S+)'")
_REMOVED = re.compile(r"removing stale service '(\S+)'")
_STATE = re.compile(r"service '(\S+)': state changed from '\S+' to '(\S+?)'(?:.*?\(node = (\w+))?")
_NODE = re.compile(r"node '(\S+)': state changed from '\S+' => '(\S+)'")
_ELSEWHERE = re.compile(r"service '(\S+)': updating node '\S+' => '(\S+)'")
_ASKED = re.compile(r"got crm command: (?:migrate|relocate) (\S+) (\S+)")
_REBALANCED = re.compile(r"auto rebalance - \w+ (\S+) to (\S+)")
_MOVED = re.compile(r"^(?:migrate|relocate) service '(\S+)' to node '(\S+)'")
_BACK = re.compile(r"moving service '(\S+)' back to")
_FAILED = re.compile(r"starting service (\S+) on node '\S+' failed, relocating")
_REFUSED = re.compile(r"^crm command '\w+ (\S+) (\S+)' error - .* in negative affinity with")
_RECOVERED = re.compile(
    r"recover service '(\S+)' (?:from fenced node '\S+' to|to previous failed and fenced) node '(\S+)'"
)
_STARTED = re.compile(r"service (\S+): re-balance selected (?:new|current) node (\S+) for startup")
_STATS = re.compile(r"execute service (\S+) set-(static|dynamic)-stats (.*)")


@dataclass(frozen=True, slots=True)
class Usage:
    """The assigned resources of a guest, and its use if the test has it."""

    cpu: float = GUEST_CPU
    memory: float = GUEST_MEMORY
    used_cpu: float | None = None
    used_memory: float | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes with their state, services with node and state, and their loads."""

    nodes: Mapping[str, str]
    services: Mapping[str, tuple[str, str]]
    usage: Mapping[str, Usage]

    def places(self) -> dict[str, str]:
        """Returns the node of each running guest."""
        return {
            sid: node for sid, (node, state) in self.services.items() if state in RUNS and node in self.nodes
        }


@dataclass(frozen=True, slots=True)
class Situation:
    """A decision of the manager, or several of one kind in a row: before, after, and the moves."""

    kind: Kind
    before: Cluster
    after: Cluster
    moves: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One test: its constant parts, its situations, and its end."""

    name: str
    hardware: Mapping[str, Part]
    resources: Mapping[str, Part]
    rules: tuple[Part, ...]
    groups: tuple[Part, ...]
    crs: Part
    situations: tuple[Situation, ...]
    end: Cluster


@dataclass(slots=True)
class _Walk:
    """The cluster while its log is read."""

    nodes: dict[str, str]
    services: dict[str, tuple[str, str]]
    usage: dict[str, Usage]
    off: set[str]
    asked: set[str] = field(default_factory=set)
    rebalanced: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def now(self) -> Cluster:
        return Cluster(dict(self.nodes), dict(self.services), dict(self.usage))

    def kind_of(self, sid: str) -> Kind:
        """Returns why the manager moves a service, according to the preceding lines."""
        if sid in self.rebalanced:
            return "rebalance"
        if sid in self.back:
            return "return"
        # Others that are kept together with one that is tried elsewhere follow it.
        if self.failed:
            return "retry"
        if sid in self.asked:
            return "command"
        node = self.services.get(sid, ("", ""))[0]
        return "maintenance" if self.nodes.get(node) == "maintenance" else "rule"


def read_all(checkout: Path, only: str = "") -> Iterator[Case]:
    """Returns all tests of a checkout by name. Raises Unreadable if there are none."""
    folder = checkout / "src" / "test"
    found = sorted(path.parent for path in folder.glob("test-*/log.expect"))
    if not found:
        raise Unreadable(f"{folder} holds no test: name a checkout of pve-ha-manager")
    for path in found:
        if only in path.name:
            yield read(path)


def read(folder: Path) -> Case:
    """Returns one test. Raises Unreadable if a file of it is malformed."""
    hardware = _json(folder / "hardware_status")
    resources = _json(folder / "service_config")
    status = _json(folder / "manager_status")
    given = {sid: _given(part) for sid, part in _json(folder / "static_service_stats").items()}
    for sid, part in _json(folder / "dynamic_service_stats").items():
        old = given.get(sid, Usage())
        given[sid] = Usage(old.cpu, old.memory, float(part["cpu"]), float(part["mem"]))
    walk = _Walk(
        nodes={node: (status.get("node_status") or {}).get(node, "unknown") for node in hardware},
        services={
            sid: (part["node"], part["state"]) for sid, part in (status.get("service_status") or {}).items()
        },
        usage=given,
        off={sid for sid, part in resources.items() if part.get("state", "started") in OFF},
    )
    datacenter = _json(folder / "datacenter.cfg")
    situations = tuple(_situations(walk, (folder / "log.expect").read_text()))
    return Case(
        name=folder.name.removeprefix("test-"),
        hardware=hardware,
        resources=resources,
        rules=tuple(sections(folder / "rules_config", "rule")),
        groups=tuple(sections(folder / "groups", "group")),
        crs=datacenter.get("crs") or {},
        situations=situations,
        end=walk.now(),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text() or "{}")
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unreadable(f"{path} holds no object")
    return value


def _given(part: Part) -> Usage:
    return Usage(float(part.get("maxcpu", GUEST_CPU)), float(part.get("maxmem", GUEST_MEMORY)))


def sections(path: Path, key: str) -> Iterator[Part]:
    """Returns the sections of a configuration file, as the API lists them."""
    current: dict[str, Any] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            name, _space, value = line.strip().partition(" ")
            current[name] = value or 1
            continue
        if current:
            yield current
        kind, _colon, name = line.partition(":")
        current = {key: name.strip(), "type": kind.strip()}
    if current:
        yield current


def _situations(walk: _Walk, log: str) -> Iterator[Situation]:
    """Returns the situations: consecutive decisions of one kind, until the next external event."""
    opened: tuple[Kind, Cluster] | None = None
    moves: list[tuple[str, str]] = []
    for line in log.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        source, text = found[2], found[3]
        decision = _decision(walk, text) if source.endswith("/crm") else None
        outside = source in ("cmdlist", "hardware")
        if opened and (outside or (decision and decision[0] != opened[0])):
            yield Situation(opened[0], opened[1], walk.now(), tuple(moves))
            opened, moves = None, []
        if decision:
            kind, sid, target = decision
            opened = opened or (kind, walk.now())
            moves.append((sid, target))
        _follow(walk, text)
    if opened:
        yield Situation(opened[0], opened[1], walk.now(), tuple(moves))


def _decision(walk: _Walk, text: str) -> tuple[Kind, str, str] | None:
    if found := _RECOVERED.search(text):
        return "recovery", found[1], found[2]
    if found := _STARTED.search(text):
        return "start", found[1], found[2]
    if found := _MOVED.search(text):
        return walk.kind_of(found[1]), found[1], found[2]
    if found := _REFUSED.search(text):
        return "refusal", found[1], found[2]
    return None


def _follow(walk: _Walk, text: str) -> None:
    """Records the nodes, services and reasons of a line."""
    if found := _ADDED.search(text):
        # One that is to be off counts until it is known to be.
        walk.services[found[1]] = (found[2], "request_stop" if found[1] in walk.off else "request_start")
    elif found := _REMOVED.search(text):
        walk.services.pop(found[1], None)
    elif found := _ELSEWHERE.search(text):
        walk.services[found[1]] = (found[2], walk.services[found[1]][1])
    elif found := _NODE.search(text):
        walk.nodes[found[1]] = found[2]
    elif found := _STATS.search(text):
        _weigh(walk, found[1], found[2], found[3])
    elif found := _STATE.search(text):
        node = found[3] or walk.services.get(found[1], ("", ""))[0]
        walk.services[found[1]] = (node, found[2])
        if found[2] in ("started", "stopped"):
            for reasons in (walk.asked, walk.rebalanced, walk.back, walk.failed):
                reasons.discard(found[1])
    _reason(walk, text)


def _reason(walk: _Walk, text: str) -> None:
    if found := _REBALANCED.search(text):
        walk.rebalanced.add(found[1])
    elif found := _ASKED.search(text):
        walk.asked.add(found[1])
    elif found := _BACK.search(text):
        walk.back.add(found[1])
    elif found := _FAILED.search(text):
        walk.failed.add(found[1])
    elif text.startswith("crm command ") and (moved := re.search(r"migrate service '(\S+)' to", text)):
        leader = re.search(r"positive affinity with service '(\S+)'", text)
        reasons = walk.rebalanced if leader and leader[1] in walk.rebalanced else walk.asked
        reasons.add(moved[1])


def _weigh(walk: _Walk, sid: str, what: str, text: str) -> None:
    words = text.split()
    values = {name: float(value) for name, value in zip(words[::2], words[1::2], strict=False)}
    old = walk.usage.get(sid, Usage())
    if what == "static":
        cpu, memory = values.get("maxcpu", old.cpu), old.memory
        memory = values["maxmem"] * MIB if "maxmem" in values else memory
        walk.usage[sid] = Usage(cpu, memory, old.used_cpu, old.used_memory)
        return
    used = values["mem"] * MIB if "mem" in values else old.used_memory
    walk.usage[sid] = Usage(old.cpu, old.memory, values.get("cpu", old.used_cpu), used)
