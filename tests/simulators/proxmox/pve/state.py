# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is made of. Mutable: this is the server's memory, changed only under the world's lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import NOTHING, Load

MIB = 1024 * 1024


@dataclass(slots=True)
class Disk:
    """A volume of a guest: `slot` is its configuration key, `volume` its name on the storage."""

    slot: str
    storage: str
    volume: str
    size: int | None

    @property
    def volid(self) -> str:
        return f"{self.storage}:{self.volume}"


@dataclass(slots=True)
class Counters:
    """Bytes since the guest's process started, growing at a known rate."""

    since: float
    network_io: float = 0.0
    disk_io: float = 0.0
    base: dict[str, int] = field(default_factory=dict)

    def at(self, moment: float) -> dict[str, int]:
        elapsed = max(moment - self.since, 0.0)
        grown = {
            "netin": self.network_io / 2,
            "netout": self.network_io / 2,
            "diskread": self.disk_io / 2,
            "diskwrite": self.disk_io / 2,
        }
        return {key: self.base.get(key, 0) + int(rate * elapsed) for key, rate in grown.items()}


@dataclass(slots=True)
class Guest:
    """A virtual machine or a container."""

    vmid: int
    name: str
    kind: str
    """qemu or lxc."""
    node: str
    power: str
    """running, stopped, suspended (saved to disk) or unknown, as in the snapshot."""
    maxcpu: float
    maxmem: int
    load: Load
    pressure: dict[str, float]
    disks: list[Disk]
    bridges: list[str]
    tags: list[str]
    pool: str | None
    started: float
    """Moment of the start that its uptime counts from."""
    arrived: float
    """Moment from which its present node has measured it."""
    counters: Counters
    lock: str | None = None
    template: bool = False
    snapshots: list[str] = field(default_factory=list)
    passthrough: bool = False
    iso: str | None = None
    run_state: str | None = None
    """QEMU's word for a machine that holds memory, where it is another than running."""
    cpu: str = "x86-64-v2-AES"
    config: dict[str, object] = field(default_factory=dict)
    """What its configuration holds besides, or instead; None for what it lacks."""
    pending: dict[str, object] = field(default_factory=dict)
    """What changes at the next start, in the same way."""
    saved_memory: list[str] = field(default_factory=list)
    """Volumes with the memory that its snapshots hold, which the configuration does not show."""

    @property
    def running(self) -> bool:
        """Whether it holds memory."""
        return self.power == "running"

    @property
    def sid(self) -> str:
        return f"{'vm' if self.kind == 'qemu' else 'ct'}:{self.vmid}"

    @property
    def present_load(self) -> Load:
        return self.load if self.running else NOTHING

    def change_load(self, load: Load, now: float) -> None:
        self.counters = Counters(now, load.network_io or 0.0, load.disk_io or 0.0, self.counters.at(now))
        self.load = load

    def restart_counters(self, now: float) -> None:
        self.arrived = now
        self.counters = Counters(now, self.load.network_io or 0.0, self.load.disk_io or 0.0)


@dataclass(slots=True)
class Node:
    """A host. `own` is the part of its load that no guest explains."""

    name: str
    number: int
    address: str
    status: str
    """online, offline or unknown."""
    maintenance: bool
    maxcpu: float
    maxmem: int
    own: Load
    pressure: dict[str, float]
    bridges: list[str]
    version: str
    cpu_model: str | None
    started: float
    cpu_flags: str = ""
    arc: int = 0
    """Bytes of ZFS's cache."""
    left: float = 0.0
    """When it went, of one that is not online."""

    @property
    def online(self) -> bool:
        return self.status == "online"


@dataclass(slots=True)
class Space:
    """A storage's size on one node, in bytes; None is not known."""

    total: int | None
    free: int | None


@dataclass(slots=True)
class Storage:
    """A storage of the cluster and the nodes that may use it."""

    name: str
    type: str
    shared: bool
    content: str
    spaces: dict[str, Space]
    everywhere: bool

    def on(self, node: str) -> bool:
        return node in self.spaces


@dataclass(slots=True)
class Change:
    """One migration, for the state that a test looks at."""

    guest: str
    source: str
    target: str
    state: str
    started: float
    ended: float | None = None
