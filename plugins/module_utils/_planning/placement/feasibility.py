# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of a guest on its host, whatever the load: the first that each host fails."""

from __future__ import annotations

from collections.abc import Mapping

from ..._model.errors import InputError
from ..._model.placement_request import WantedDisk, WantedVm
from ..._model.snapshot import Host
from ..._model.text.wording import listed
from ..model.eligibility import is_older
from ..model.selectors import select_hosts
from .cluster_index import ClusterIndex
from .datastores import alike, candidates, like
from .storage_policies import KnownPolicies

Reason = tuple[str, str]


def key(wanted: WantedVm) -> tuple[object, ...]:
    """Guests with the same key are refused by the same hosts."""
    return (
        wanted.pool,
        wanted.dedicated,
        tuple(sorted(wanted.labels.items())),
        wanted.networks,
        tuple((disk.datastore, disk.kind, disk.shared, disk.storage_policy) for disk in wanted.disks),
        wanted.devices,
        id(wanted.hosts) if wanted.hosts else None,
        wanted.cpu_models,
        wanted.min_version,
    )


def unfit(cluster: ClusterIndex, wanted: WantedVm, path: str) -> list[Reason | None]:
    """By host index, why it can't be a host of this guest; None where it can. Raises InputError for a pool,
    network or device that no host has: that is a typing error, not a lack of capacity.
    """
    _refuse_unknown(cluster, wanted, path)
    chosen = (
        None if wanted.hosts is None else select_hosts(cluster.hosts, wanted.hosts, f"{path}.hosts.names")
    )
    return [
        shut
        or (("hosts", "it is not among the hosts that were asked for") if _left_out(host, chosen) else None)
        or _mismatch(host, wanted, cluster.storage_policies)
        for host, shut in zip(cluster.hosts, cluster.roles.closed, strict=True)
    ]


def _left_out(host: Host, chosen: frozenset[str] | None) -> bool:
    return chosen is not None and host.id not in chosen


def _mismatch(host: Host, wanted: WantedVm, policies: KnownPolicies) -> Reason | None:
    if wanted.pool is not None and host.pool != wanted.pool:
        return "pool", f"its pool is {host.pool}" if host.pool else "it is in no pool"
    if host.dedicated != wanted.dedicated:
        return "dedicated", "it is dedicated" if host.dedicated else "it is not dedicated"
    if not wanted.labels.items() <= host.labels.items():
        return "labels", f"it lacks {_lacking(host.labels, wanted.labels)}"
    missing = [name for name in wanted.networks if name not in host.networks]
    if missing:
        return "networks", f"it lacks {', '.join(missing)}"
    for device in wanted.devices:
        total = sum(found.total for kind, found in host.devices.items() if like(kind, device.kind))
        if total < device.count:
            return "devices", f"it has {total} of {device.kind}, {device.count} are wanted"
    for disk in wanted.disks:
        suitable = candidates(host, disk, policies)
        closed = [] if suitable else alike(host, disk, policies)
        if closed:
            why = host.datastores[closed[0]].closed_because
            return "datastores", f"its datastore {closed[0]} takes no new disks: {why}"
        if not suitable:
            return "datastores", f"it has no datastore {_wish(disk)}"
    if wanted.cpu_models is not None and host.cpu_model and host.cpu_model not in wanted.cpu_models:
        return "cpu model", f"its CPU model is {host.cpu_model}"
    if is_older(host.version, wanted.min_version):
        return "version", f"its version is {host.version}"
    return None


def _lacking(has: Mapping[str, str], wants: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(wants.items()) if has.get(name) != value)


def _wish(disk: WantedDisk) -> str:
    words = [f"like {disk.datastore}"] if disk.datastore else []
    words += [f"of class {disk.kind}"] if disk.kind else []
    words += [] if disk.shared is None else ["that is shared" if disk.shared else "of its own"]
    words += [f"with storage policy {disk.storage_policy}"] if disk.storage_policy is not None else []
    return " ".join(words) or "for guests"


def _refuse_unknown(cluster: ClusterIndex, wanted: WantedVm, path: str) -> None:
    pools = {host.pool for host in cluster.hosts if host.pool}
    if wanted.pool is not None and wanted.pool not in pools:
        raise _unknown(f"{path}.pool", wanted.pool, "a pool that a host is in", pools)
    networks = {name for host in cluster.hosts for name in host.networks} if wanted.networks else set()
    for name in wanted.networks:
        if name not in networks:
            raise _unknown(f"{path}.networks", name, "a network that a host has", networks)
    kinds = {kind for host in cluster.hosts for kind in host.devices} if wanted.devices else set()
    for device in wanted.devices:
        if not any(like(kind, device.kind) for kind in kinds):
            raise _unknown(f"{path}.devices", device.kind, "a kind of device that a host has", kinds)
    for index, disk in enumerate(wanted.disks):
        _refuse_unknown_policy(cluster, disk.storage_policy, f"{path}.disks[{index}].storage_policy")
        if any(alike(host, disk, cluster.storage_policies) for host in cluster.hosts):
            continue
        names = {name for host in cluster.hosts for name in host.datastores}
        classes = {store.kind for host in cluster.hosts for store in host.datastores.values() if store.kind}
        if disk.kind is not None and disk.kind not in classes:
            raise _unknown(f"{path}.disks[{index}].class", disk.kind, "a class of a datastore", classes)
        if disk.datastore is not None and not any(like(name, disk.datastore) for name in names):
            raise _unknown(
                f"{path}.disks[{index}].datastore", disk.datastore, "a datastore that a host has", names
            )
        raise _unknown(f"{path}.disks[{index}]", _wish(disk), "a datastore that a host has", names)


def _refuse_unknown_policy(cluster: ClusterIndex, policy: str | None, path: str) -> None:
    """Platforms say of the disks that exist which datastores comply with their policies, and of no others."""
    if policy is None or policy in cluster.storage_policies.targets:
        return
    unread = "The snapshot has none. On vSphere cluster_facts reads them with storage: true"
    known = set(cluster.storage_policies.targets)
    raise _unknown(path, policy, "a storage policy that a disk of the cluster has", known, unread)


def _unknown(
    path: str, value: object, expected: str, known: set[str], hint_of_none: str = "Available: none"
) -> InputError:
    hint = f"Available: {listed(sorted(known), 20)}" if known else hint_of_none
    return InputError(path, value, expected, hint=hint)
