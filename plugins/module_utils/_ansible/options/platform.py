# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share, named as in vmware.vmware and community.proxmox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from ..._model.quantities import KIB_RATE
from .argument_spec import NoSecret, Path, Secret, Spec, argument_spec


def _from_environment(*variables: str) -> Any:
    """The fallback of an option, for AnsibleModule. Ansible is not needed to use a platform from Python."""
    from ansible.module_utils.basic import env_fallback

    return env_fallback(*variables)


PlatformName = Literal["vsphere", "proxmox", "vmmanager", "rehearsal"]
PLATFORMS = get_args(PlatformName)


@dataclass(frozen=True, kw_only=True)
class MetricOptions:
    """An entry of vmmanager_metrics."""

    of: Literal["vm", "node"]
    metric: Literal["cpu", "memory", "network_io", "disk_io"]
    target: str
    unit: Literal["percent", "cores", "bytes", "kib", "mib", "bits"]
    interval: str = "1hour"


@dataclass(frozen=True, kw_only=True)
class PlatformOptions:
    """Where a cluster is. What is left out may come from the environment; `api_timeout` in seconds."""

    platform: PlatformName
    cluster: Annotated[str | None, Spec(aliases=["cluster_name"])] = None
    validate_certs: bool | None = None
    ca_path: Path | None = None
    api_timeout: Annotated[int, Spec(fallback=(_from_environment, ["PROXMOX_API_TIMEOUT"]))] = 45
    hostname: str | None = None
    port: int | None = None
    username: Annotated[str | None, Spec(aliases=["admin", "user"])] = None
    password: Annotated[Secret | None, Spec(aliases=["pass", "pwd"])] = None
    datacenter: Annotated[str | None, Spec(aliases=["datacenter_name"])] = None
    proxy_host: str | None = None
    proxy_port: int | None = None
    api_host: Sequence[str] | None = None
    api_port: int | None = None
    api_user: str | None = None
    api_password: Secret | None = None
    api_token_id: NoSecret | None = None
    api_token_secret: Secret | None = None
    vmmanager_host: str | None = None
    vmmanager_port: int | None = None
    vmmanager_username: str | None = None
    vmmanager_password: Secret | None = None
    vmmanager_token: Secret | None = None
    vmmanager_metrics: Annotated[
        Sequence[Mapping[str, Any]] | None, Spec(options=argument_spec(MetricOptions))
    ] = None
    rehearsal_path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class MovingOptions:
    """How guests are migrated that can't be migrated live with shared disks; `bandwidth_limit` in KiB/s."""

    restart_containers: bool = False
    with_local_disks: bool = False
    target_storage: str | None = None
    bandwidth_limit: Annotated[int | None, KIB_RATE] = None


PLATFORM_ARGUMENTS = argument_spec(PlatformOptions)
