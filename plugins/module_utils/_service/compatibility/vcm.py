# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases and pools as the HTTP endpoint of vsphere-capacity-manager has them.

One of its requests gets a lease in each of as many pools as it asks for vCenters, all or none.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from ..._capacity.errors import CapacityError
from ..._capacity.lease import Lease, moment
from ..._capacity.leases import Requester, release, request_lease, stop_waiting
from ..._capacity.pool import Name, Network, Pool, Text
from ..._capacity.report import pools_report
from ..._capacity.request import Request
from ..._capacity.store.repository import Repository
from ..._capacity.store.transaction import read_transaction, write_transaction
from ..._capacity.wait_for_lease import failure_of
from ..._model.codec import Bounds, decode
from ..._model.errors import InputError
from ..._state.database import Database
from ..._state.owner import this_process

PREFIX = "vsphere-lease-"
_GIB = 1024**3
_METADATA = ("namespace", "name")
_SPEC = ("vcpus", "memory", "storage", "vcenters", "networks", "required-pool")

Whole = Annotated[int, Bounds(0, 999_999)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a request asks for, with its documented defaults; sizes in GB, of each pool."""

    vcpus: Whole = 24
    memory: Whole = 96
    storage: Whole = 720
    vcenters: Annotated[int, Bounds(0, 100)] = 1
    networks: Annotated[int, Bounds(0, 100)] = 1
    required_pool: Annotated[str, "empty: any"] = field(default="", metadata={"json": "required-pool"})
    namespace: Text | None = None
    purpose: Text | None = None


class NotAcquired(Exception):
    """There is no room: in words for the caller."""


def wanted(body: object) -> Wanted:
    """What a request asks for. Raises InputError with the path of the first field that is wrong."""
    found = _object(body, "request")
    spec = _object(found.get("spec", {}), "spec")
    metadata = _object(found.get("metadata", {}), "metadata")
    known = {name: spec[name] for name in _SPEC if spec.get(name) is not None}
    asked = decode(Wanted, known, "spec")
    if asked.vcenters and not (asked.vcpus or asked.memory or asked.storage or asked.networks):
        raise InputError("spec", known, "a request for something")
    given: dict[str, str] = {
        name: decode(Text, metadata[name], f"metadata.{name}") for name in _METADATA if metadata.get(name)
    }
    return replace(asked, namespace=given.get("namespace"), purpose=given.get("name"))


def acquire(database: Database, asked: Wanted) -> list[dict[str, Any]]:
    """The leases. Raises NotAcquired."""

    def take(repository: Repository) -> list[Lease]:
        pools = [pool.name for pool in repository.pools() if _admitted(pool, asked)]
        leases: list[Lease] = []
        for _number in range(asked.vcenters):
            if not pools:
                raise NotAcquired("required number of vCenters exceeds the number of fitting pools")
            lease = _one(repository, asked, pools)
            leases.append(lease)
            pools.remove(lease.pools[0].name)
        return leases

    try:
        found = write_transaction(database, take)
    except CapacityError as error:
        raise NotAcquired(f"no pools with enough resources: {error}") from None
    return [_lease(lease) for lease in found]


def _one(repository: Repository, asked: Wanted, pools: Sequence[str]) -> Lease:
    request = Request(
        vcpus=asked.vcpus,
        memory=asked.memory * _GIB,
        storage=asked.storage * _GIB,
        networks=asked.networks,
        required_pools=tuple(pools),
        owner=asked.namespace,
        purpose=asked.purpose,
    )
    name = f"{PREFIX}{secrets.token_hex(16)}"
    lease = request_lease(repository, name, request, Requester(waiter=this_process()))
    lease = stop_waiting(repository, lease, 0, 0)
    if lease.phase != "Fulfilled":
        # Those that were taken before go as well, with the whole transaction.
        raise failure_of(lease)
    return lease


def _admitted(pool: Pool, asked: Wanted) -> bool:
    return pool.name == asked.required_pool if asked.required_pool else not (pool.exclude or pool.cordoned)


def give_back(database: Database, body: object) -> None:
    """Release the leases in the status of a request, as far as they are from here and have not ended.

    Raises InputError.
    """
    found = _object(body, "request")
    status = _object(found.get("status") or {}, "status")
    leases = [] if status.get("leases") is None else status["leases"]
    if not isinstance(leases, list):
        raise InputError("status.leases", leases, "a list")
    names = []
    for index, lease in enumerate([found, *leases]):
        path = f"status.leases[{index - 1}].metadata" if index else "metadata"
        name = _object(_object(lease, path).get("metadata") or {}, path).get("name")
        if index or name:
            names.append(decode(Name, name, f"{path}.name"))
    ours = [name for name in names if name.startswith(PREFIX)]
    write_transaction(database, lambda repository: [release(repository, name, None) for name in ours])


def pools(database: Database) -> list[dict[str, Any]]:
    """All pools with what is available."""

    def read(repository: Repository) -> list[dict[str, Any]]:
        by_name = {pool.name: pool for pool in repository.pools()}
        leases = [lease for lease in repository.leases() if lease.phase == "Fulfilled"]
        return [_pool(by_name[one["name"]], one, leases) for one in pools_report(repository)]

    return read_transaction(database, read)


def _pool(pool: Pool, report: Mapping[str, Any], leases: Sequence[Lease]) -> dict[str, Any]:
    free = {name: usage["available"] for name, usage in report["usage"].items()}
    taken = {network["name"] for network in report["networks"] if network["leases"]}
    return {
        "metadata": {"name": pool.name, "creationTimestamp": None},
        "spec": {
            "vcpus": pool.vcpus,
            "memory": pool.memory // _GIB,
            "storage": pool.storage // _GIB,
            "networks": len(pool.networks),
            "server": pool.server or "",
            "datacenter": pool.datacenter or "",
            "cluster": pool.cluster or "",
            "datastore": pool.datastore or "",
            "exclude": pool.exclude,
        },
        "status": {
            "vcpus-available": free["vcpus"],
            "memory-available": free["memory"] // _GIB,
            "datastore-available": free["storage"] // _GIB,
            "leases": [_lease(lease, pool.name) for lease in leases if lease.is_from(pool)],
            "network-available": free["networks"],
            "port-groups": [_network(pool, one) for one in pool.networks if one.name not in taken],
            "active-port-groups": [_network(pool, one) for one in pool.networks if one.name in taken],
        },
    }


def _lease(lease: Lease, pool_name: str | None = None) -> dict[str, Any]:
    request = lease.request
    pool = next(one for one in lease.pools if pool_name in (None, one.name))
    status: dict[str, Any] = {
        "vcpus": request.vcpus,
        "memory": request.memory // _GIB,
        "storage": request.storage // _GIB,
        "leased-at": moment(lease.granted_at),
        "pool": pool.name,
        "port-groups": [_network(pool, network) for network in pool.networks],
    }
    namespace = {"namespace": request.owner} if request.owner else {}
    return {
        "metadata": {"name": lease.name, **namespace, "creationTimestamp": None},
        "spec": {},
        # What is nothing is left out there.
        "status": {name: value for name, value in status.items() if value},
    }


def _network(pool: Pool, network: Network) -> dict[str, Any]:
    bits, mask = 0, ""
    try:
        subnet = ipaddress.ip_network(network.cidr or "", strict=False)
    except ValueError:
        subnet = None
    if subnet is not None and subnet.version == 4:
        bits, mask = subnet.prefixlen, str(subnet.netmask)
    return {
        "cidr": bits,
        "cidrIPv6": 0,
        "dnsServer": next(iter(network.dns_servers), ""),
        "machineNetworkCidr": network.cidr or "",
        "gateway": network.gateway or "",
        "gatewayipv6": "",
        "mask": mask,
        "network": network.port,
        "ipAddresses": None,
        "virtualcenter": pool.server or "",
        "ipv6prefix": "",
        "startIPv6Address": "",
        "stopIPv6Address": "",
        "linkLocalIPv6": "",
        "vifIpAddress": "",
        "vifIPv6Address": "",
        "dhcpEndLocation": 0,
        "priority": 0,
    }


def _object(value: object, path: str) -> Mapping[str, Any]:
    """Its fields by small letters, which are all the same to the original."""
    if not isinstance(value, Mapping):
        raise InputError(path, value, "an object")
    return {str(key).lower(): item for key, item in value.items()}
