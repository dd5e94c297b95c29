# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables that a job with a lease needs."""

from __future__ import annotations

from .pool import Pool
from .request import Request


def environment(lease: str, until: str | None, request: Request, pool: Pool) -> dict[str, str]:
    """The variables for one leased pool, by the names that the tools of its platform read. `pool` has just
    the networks of the lease. What is not known is left out, and secrets are not known here.
    """
    networks = [network.port for network in pool.networks]
    first = pool.networks[0] if pool.networks else None
    variables: dict[str, object] = {
        "EVENKEEL_LEASE": lease,
        "EVENKEEL_LEASE_UNTIL": until,
        "EVENKEEL_POOL": pool.name,
        "EVENKEEL_REGION": pool.region,
        "EVENKEEL_ZONE": pool.zone,
        "EVENKEEL_VCPUS": request.vcpus or None,
        "EVENKEEL_MEMORY": request.memory or None,
        "EVENKEEL_STORAGE": request.storage or None,
        "EVENKEEL_NETWORKS": ",".join(networks),
        "EVENKEEL_VLAN": None if first is None else first.vlan,
        "EVENKEEL_CIDR": None if first is None else first.cidr,
        "EVENKEEL_GATEWAY": None if first is None else first.gateway,
        "EVENKEEL_DNS_SERVERS": None if first is None else ",".join(first.dns_servers),
    }
    port = networks[0] if networks else None
    if pool.platform == "vsphere":
        variables |= {
            "VMWARE_HOST": pool.server,
            "VMWARE_PORT": pool.port,
            "VMWARE_USER": pool.username,
            "GOVC_URL": _with_port(pool),
            "GOVC_USERNAME": pool.username,
            "GOVC_DATACENTER": pool.datacenter,
            "GOVC_CLUSTER": pool.cluster,
            "GOVC_DATASTORE": pool.datastore,
            "GOVC_RESOURCE_POOL": pool.resource_pool,
            "GOVC_FOLDER": pool.folder,
            "GOVC_TEMPLATE": pool.template,
            "GOVC_NETWORK": port,
        }
    elif pool.platform == "proxmox":
        variables |= {
            "PROXMOX_HOST": pool.server,
            "PROXMOX_PORT": pool.port,
            "PROXMOX_USER": pool.username,
            "PROXMOX_CLUSTER": pool.cluster,
            "PROXMOX_STORAGE": pool.datastore,
            "PROXMOX_POOL": pool.resource_pool,
            "PROXMOX_TEMPLATE": pool.template,
            "PROXMOX_BRIDGE": port,
        }
    elif pool.platform == "vmmanager":
        variables |= {
            "VMMANAGER_HOST": pool.server,
            "VMMANAGER_PORT": pool.port,
            "VMMANAGER_USERNAME": pool.username,
            "VMMANAGER_CLUSTER": pool.cluster,
            "VMMANAGER_STORAGE": pool.datastore,
            "VMMANAGER_NETWORK": port,
        }
    return {name: str(value) for name, value in variables.items() if value not in (None, "")}


def _with_port(pool: Pool) -> str | None:
    return f"{pool.server}:{pool.port}" if pool.server and pool.port else pool.server
