# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform is made of. Mutable: the server's memory, changed only under the world's lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import NOTHING, Load

MIB = 1024 * 1024


@dataclass(slots=True)
class Storage:
    """A storage of a cluster; on the nodes of `nodes` only, where that is not all."""

    id: int
    name: str
    type: str
    main: bool
    nodes: set[int] = field(default_factory=set)

    @property
    def shared(self) -> bool:
        return self.type in ("ceph", "nas")


@dataclass(slots=True)
class Cluster:
    """Its nodes and guests name it."""

    id: int
    name: str
    kind: str
    """kvm or lxd."""
    storages: list[Storage]


@dataclass(slots=True)
class Node:
    """`own` is the part of its load that no guest explains; sizes in bytes."""

    id: int
    name: str
    cluster: Cluster
    address: str
    status: str
    maintenance: bool
    blocked: bool
    word: str | None
    """Of its state, where that is not a plain one."""
    limit: int
    cores: float
    memory: int
    own: Load
    qemu: str
    kernel: str
    os: str
    size: int | None
    free: int | None

    @property
    def online(self) -> bool:
        return self.status == "online"


@dataclass(slots=True)
class Disk:
    id: int
    storage: Storage
    size: int | None


@dataclass(slots=True)
class Vm:
    """A guest; the API calls it a host. `power` as in the snapshot."""

    id: int
    name: str
    cluster: Cluster
    node: int
    power: str
    cores: float
    memory: int
    load: Load
    disks: list[Disk]
    tags: list[str]
    marks: frozenset[str]
    """The blockers of the snapshot."""
    run_state: str | None = None
    """The platform's word for a state that is not plain."""
    started: float = 0.0

    @property
    def running(self) -> bool:
        return self.power == "running"

    @property
    def present_load(self) -> Load:
        return self.load if self.running else NOTHING


@dataclass(slots=True)
class Task:
    """`listed` is the moment from which the lists show it."""

    id: int
    consul: int
    name: str
    vm: int
    created: float
    node: int | None = field(default=None, kw_only=True)
    """Where a migration goes."""
    listed: float
    status: str = "created"
    started: float | None = None
    ended: float | None = None
    output: str = ""

    @property
    def unfinished(self) -> bool:
        return self.ended is None


@dataclass(slots=True)
class Change:
    """One migration, for the state that a test looks at."""

    guest: str
    source: str
    target: str
    state: str
    started: float
    ended: float | None = None
