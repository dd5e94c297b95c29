# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a Proxmox VE cluster, and how to migrate there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxmoxConnection:
    """`api_hosts` are tried in their order; `cluster`, where given, is the name that the cluster must have.

    `window_seconds`: loads are averages over so long, 0 for the present value (then guests' network and disk
    rates are not known: the present values hold only counters). `workers` calls may be under way at once.
    `target_storage` says where local disks go, one storage for all or one for each; None for the same name.
    `bandwidth_limit` is in KiB/s, for each migration.
    """

    api_hosts: tuple[str, ...]
    api_port: int = 8006
    api_user: str
    api_password: str | None = field(default=None, repr=False)
    api_token_id: str | None = None
    api_token_secret: str | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    api_timeout: float = 45
    cluster: str | None = None
    window_seconds: int = 0
    workers: int = 8
    restart_containers: bool = False
    with_local_disks: bool = False
    target_storage: str | Mapping[str, str] | None = None
    bandwidth_limit: int | None = None
