# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with all that is in it, in one pass of the property collector."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ...errors import NotFound
from ..api.collector import Found, again, properties, retrieve, step
from ..api.library import vim
from ..api.session import Session
from ..api.values import plain
from .clusters import ClusterPlace
from .mounts import unusable
from .recent_tasks import TASK_PATHS

# Only what is used, down to the leaves: a whole `summary` or `runtime` is many times as much.
HOST_PATHS = (
    "name",
    "runtime.connectionState",
    "runtime.powerState",
    "runtime.inMaintenanceMode",
    "runtime.inQuarantineMode",
    "runtime.standbyMode",
    "summary.hardware.cpuMhz",
    "summary.hardware.numCpuCores",
    "summary.hardware.memorySize",
    "summary.hardware.cpuModel",
    "summary.quickStats.overallCpuUsage",
    "summary.quickStats.overallMemoryUsage",
    "summary.config.vmotionEnabled",
    "summary.config.product.version",
    "summary.currentEVCModeKey",
    "summary.maxEVCModeKey",
    "config.network.pnic",
    "config.network.vnic",
    "vm",
    "datastore",
    "network",
    "recentTask",
)
# The devices are two thirds of a guest, and worth it: they alone have the sizes and places of its disks, its
# mounted images and the devices of the host that it holds.
GUEST_PATHS = (
    "name",
    "config.template",
    "config.managedBy",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "config.cpuAffinity",
    "config.latencySensitivity",
    "config.ftInfo",
    "config.cpuAllocation.reservation",
    "config.memoryAllocation.reservation",
    "config.files.vmPathName",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.minRequiredEVCModeKey",
    "runtime.faultToleranceState",
    "summary.quickStats.overallCpuUsage",
    "summary.quickStats.hostMemoryUsage",
    "disabledMethod",
    "network",
    "resourcePool",
    "recentTask",
)
# Half as much again, and needed only where disks are moved.
FILE_PATHS = ("layoutEx.file", "layoutEx.disk")
DATASTORE_PATHS = (
    "name",
    "parent",
    "info",
    "summary.type",
    "summary.url",
    "summary.capacity",
    "summary.freeSpace",
    "summary.uncommitted",
    "summary.accessible",
    "summary.multipleHostAccess",
    "summary.maintenanceMode",
    "capability.perFileThinProvisioningSupported",
    "host",
)
POD_CONFIG = "podStorageDrsEntry.storageDrsConfig.podConfig"
POD_VM_CONFIG = "podStorageDrsEntry.storageDrsConfig.vmConfig"
POD_PATHS = ("name", POD_CONFIG, POD_VM_CONFIG)


# The kinds of objects that are also one of another kind.
_KINDS = {
    "DistributedVirtualPortgroup": "Network",
    "OpaqueNetwork": "Network",
    "VirtualApp": "ResourcePool",
}


@dataclass(frozen=True, slots=True)
class Inventory:
    """Objects found by the property collector, by reference. `config` is the cluster's ClusterConfigInfoEx.

    `unseen` are hosts and guests that others refer to and that were not found; `homeless` are guests whose
    host vCenter did not say. `unusable` says why a host can't use a datastore, by datastore and host. Guests
    are in `hidden_pools`, but the account does not see these. `pods` are clusters of datastores; datastores
    that share a name with another one are in `namesakes`, and named with their reference. `with_files` is
    whether the files of guests were read.
    """

    config: Element | None
    hosts: Mapping[str, Found]
    guests: Mapping[str, Found]
    datastores: Mapping[str, Found]
    shared: frozenset[str]
    datastore_names: Mapping[str, str]
    network_names: Mapping[str, str]
    pool_names: Mapping[str, str]
    unseen: tuple[tuple[str, str], ...]
    tasks: Mapping[str, Found]
    homeless: tuple[Found, ...]
    unusable: Mapping[str, Mapping[str, str]]
    hidden_pools: frozenset[str]
    pods: Mapping[str, Found]
    namesakes: frozenset[str]
    with_files: bool

    def names_in_paths(self) -> dict[str, dict[str, str]]:
        """By host its datastores by reference, as paths on them name them."""
        names = _names(self.datastores)
        return {
            host: {identity: names[identity] for identity in found.items("datastore") if identity in names}
            for host, found in self.hosts.items()
        }

    def name(self, host: str) -> str:
        """The name of a host, for people."""
        found = self.hosts.get(host)
        return (plain(found.text("name")) if found is not None else "") or host


def read_inventory(session: Session, place: ClusterPlace, *, with_files: bool) -> Inventory:
    """Read the cluster at that place, one round trip a page. Guests that are just leaving it are left out."""
    kinds: dict[str, dict[str, Found]] = {}
    for item in _read(session, place, FILE_PATHS if with_files else ()):
        kinds.setdefault(_KINDS.get(item.kind, item.kind), {})[item.id] = item
    cluster = kinds.get("ClusterComputeResource", {}).get(place.id)
    if cluster is None:
        raise NotFound(f"the cluster {place} is gone", where=session.where)
    guests = kinds.get("VirtualMachine", {})
    hosts, datastores = kinds.get("HostSystem", {}), kinds.get("Datastore", {})
    shared = shared_datastores(hosts.values(), datastores)
    namesakes, store_names = datastore_names(hosts.values(), datastores, shared)
    pools = {
        identity: pool
        for identity, pool in kinds.get("ResourcePool", {}).items()
        # In the root pool is everything that nobody put into another one.
        if identity != cluster.text("resourcePool")
    }
    return Inventory(
        config=cluster.values.get("configurationEx"),
        hosts=hosts,
        guests={identity: guest for identity, guest in guests.items() if guest.text("runtime.host") in hosts},
        datastores=datastores,
        shared=shared,
        datastore_names=store_names,
        namesakes=namesakes,
        with_files=with_files,
        pods=kinds.get("StoragePod", {}),
        network_names=_names(kinds.get("Network", {})),
        pool_names=_names(pools),
        tasks=kinds.get("Task", {}),
        homeless=tuple(guest for guest in guests.values() if guest.text("runtime.host") is None),
        hidden_pools=frozenset(
            pool for guest in guests.values() if (pool := guest.text("resourcePool")) is not None
        )
        - {cluster.text("resourcePool"), *kinds.get("ResourcePool", ())},
        unusable={
            identity: reasons
            for identity, datastore in datastores.items()
            if (reasons := unusable(datastore, hosts))
        },
        unseen=(
            *(("HostSystem", host) for host in cluster.items("host") if host not in hosts),
            *(
                ("VirtualMachine", guest)
                for host in hosts.values()
                for guest in host.items("vm")
                if guest not in guests
            ),
        ),
    )


def _read(session: Session, place: ClusterPlace, more: Sequence[str]) -> list[Found]:
    return retrieve(
        session,
        [vim.ClusterComputeResource(place.id)],
        [
            properties(vim.ClusterComputeResource, "host", "resourcePool", "configurationEx"),
            properties(vim.HostSystem, *HOST_PATHS),
            properties(vim.VirtualMachine, *GUEST_PATHS, *more),
            properties(vim.Datastore, *DATASTORE_PATHS),
            properties(vim.StoragePod, *POD_PATHS),
            properties(vim.Network, "name"),
            properties(vim.ResourcePool, "name"),
            properties(vim.Task, *TASK_PATHS),
        ],
        step(
            vim.ComputeResource,
            "host",
            step(vim.HostSystem, "vm", step(vim.VirtualMachine, "recentTask")),
            step(vim.HostSystem, "recentTask"),
            step(vim.HostSystem, "datastore", step(vim.Datastore, "parent")),
            step(vim.HostSystem, "network"),
        ),
        step(vim.ComputeResource, "resourcePool", again("pools")),
        step(vim.ResourcePool, "resourcePool", again("pools"), name="pools"),
    )


def _names(objects: Mapping[str, Found]) -> dict[str, str]:
    return {identity: plain(item.text("name")) or identity for identity, item in objects.items()}


def datastore_names(
    hosts: Iterable[Found], datastores: Mapping[str, Found], shared: Collection[str]
) -> tuple[frozenset[str], dict[str, str]]:
    """By reference the name of each, with the reference in it where another one that a host has besides, or
    that is shared too, is called the same; and which these are. Datastores of one host each may share a name.
    """
    names = _names(datastores)
    called: dict[str, set[str]] = {}
    for having in (list(shared), *(host.items("datastore") for host in hosts)):
        for name in {names[identity] for identity in having if identity in names}:
            alike = {identity for identity in having if names.get(identity) == name}
            if len(alike) > 1:
                called.setdefault(name, set()).update(alike)
    namesakes = frozenset(identity for alike in called.values() for identity in alike)
    return namesakes, {
        identity: f"{name} ({identity})" if identity in namesakes else name
        for identity, name in names.items()
    }


def shared_datastores(hosts: Iterable[Found], datastores: Mapping[str, Found]) -> frozenset[str]:
    """The datastores that more than one host has."""
    users: dict[str, int] = {}
    for host in hosts:
        for identity in host.items("datastore"):
            users[identity] = users.get(identity, 0) + 1
    return frozenset(
        identity
        for identity, datastore in datastores.items()
        if datastore.flag("summary.multipleHostAccess") or users.get(identity, 0) > 1
    )
