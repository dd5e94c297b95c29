# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a Proxmox VE cluster, and how to migrate there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...connection import RestConnection

PORT: Final = 8006


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxmoxConnection(RestConnection):
    """`api_hosts`, with or without a port, are tried in their order; `cluster`, where given,
    is the name that the cluster must have.

    With `window_seconds` 0, guests' network and disk rates are not known: the present values hold only
    counters. `bandwidth_limit` is in KiB/s, for each migration. `storage`: also read what only plans for
    datastores need: a call for each guest that does not run, and one for each disk on most thin storages.
    """

    api_hosts: tuple[str, ...]
    api_port: int = PORT
    api_user: str
    api_password: str | None = field(default=None, repr=False)
    api_token_id: str | None = None
    api_token_secret: str | None = field(default=None, repr=False)
    api_timeout: float = 45
    bandwidth_limit: int | None = None
    storage: bool = False

    def address(self, index: int) -> str:
        """A host with its port."""
        host = self.api_hosts[index]
        if host.count(":") > 1 and not host.startswith("["):
            host = f"[{host}]"
        return host if host.rpartition("]")[2].count(":") else f"{host}:{self.api_port}"
