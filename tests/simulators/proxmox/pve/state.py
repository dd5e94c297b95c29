# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is made of. Mutable: this is the server's memory, changed only under the world's lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import NOTHING, Load

MIB = 1024 * 1024


@dataclass(slots=True)
class Disk:
    """A volume of a guest: `slot` is its configuration key, `volume` its name on the storage. `used` is what
    was written to it.
    """

    slot: str
    storage: str
    volume: str
    size: int | None
    used: int | None = None

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
    """A storage's size on one node, in bytes; None is not known. `least` is the least that was ever free,
    `measured` what the node's status daemon has measured last, in which of its rounds.
    """

    total: int | None
    free: int | None
    least: int | None = None
    measured: tuple[int, int | None] | None = None

    def __post_init__(self) -> None:
        self.least = self.free

    def shown(self, now: float, interval: float) -> int | None:
        """What the lists show as free: it is measured once in each interval."""
        if interval <= 0:
            return self.free
        current = int(now // interval)
        if self.measured is None or self.measured[0] != current:
            self.measured = current, self.free
        return self.measured[1]

    def change(self, free: int) -> None:
        self.free = free
        self.least = free if self.least is None else min(self.least, free)


@dataclass(slots=True)
class Orphan:
    """A volume that no configuration names."""

    volume: str
    vmid: int
    size: int
    used: int
    node: str


# Where volumes take only what was written to them.
THIN_TYPES = frozenset({"btrfs", "cephfs", "cifs", "dir", "lvmthin", "nfs", "rbd"})
# Where volumes are files in a folder for each guest.
FILE_TYPES = frozenset({"btrfs", "cephfs", "cifs", "dir", "nfs"})


@dataclass(slots=True)
class Storage:
    """A storage of the cluster and the nodes that may use it; on `inactive` ones it is not there. `settings`
    are the keys of its own type.
    """

    name: str
    type: str
    shared: bool
    content: str
    spaces: dict[str, Space]
    everywhere: bool
    disabled: bool = False
    inactive: set[str] = field(default_factory=set)
    orphans: list[Orphan] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)

    def on(self, node: str) -> bool:
        return node in self.spaces and not self.disabled

    def active(self, node: str) -> bool:
        return self.on(node) and node not in self.inactive

    @property
    def thin(self) -> bool:
        return self.type in THIN_TYPES or bool(self.settings.get("sparse"))

    def takes(self, size: int | None, used: int | None) -> int:
        """Bytes that a volume takes here."""
        whole = size or 0
        return min(used, whole) if self.thin and used is not None else whole

    def spaces_of(self, node: str) -> list[Space]:
        """The figures that change with a volume of a guest on this node."""
        return list(self.spaces.values()) if self.shared else [self.spaces[node]]

    def fits(self, node: str, size: int) -> bool:
        return all(space.free is None or space.free >= size for space in self.spaces_of(node))

    def take(self, node: str, size: int) -> bool:
        """Take space, if there is enough."""
        if not self.fits(node, size):
            return False
        self.give_back(node, -size)
        return True

    def give_back(self, node: str, size: int) -> None:
        for space in self.spaces_of(node):
            if space.free is not None:
                space.change(space.free + size)

    def volume_name(self, kind: str, vmid: int, number: int, suffix: str) -> str:
        """As its type names the volumes of guests."""
        name = f"vm-{vmid}-disk-{number}"
        if self.type in FILE_TYPES:
            return f"{vmid}/{name}.{suffix}"
        return name.replace("vm-", "subvol-", 1) if self.type == "zfspool" and kind == "lxc" else name


@dataclass(slots=True)
class Change:
    """One migration, or move of a disk, for the state that a test looks at."""

    guest: str
    source: str
    target: str
    state: str
    started: float
    ended: float | None = None
    disk: str | None = None
