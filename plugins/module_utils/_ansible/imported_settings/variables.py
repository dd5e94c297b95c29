# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the inventory that several systems have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .section import NotCarriedOver, Section, endpoint


def vault_name(cluster: str, option: str) -> str:
    """Returns the name of the vault variable that holds a secret of the cluster."""
    return f"vault_{re.sub(r'[^A-Za-z0-9]', '_', cluster)}_{option}"


def vault_reference(cluster: str, option: str) -> str:
    return f"{{{{ {vault_name(cluster, option)} }}}}"


def seconds(number: int) -> int | str:
    """Returns a time, with its unit where an option would take the number for one of minutes."""
    return number if number >= 60 else f"{number}s"


def excluded(sources: Sequence[str], targets: Sequence[str], guests: Sequence[str] = ()) -> dict[str, object]:
    """Returns balance_exclude, or nothing if no name is excluded."""
    parts = {"sources": sources, "targets": targets, "guests": guests}
    chosen = {part: {"names": list(names)} for part, names in parts.items() if names}
    return {"balance_exclude": chosen} if chosen else {}


def proxmox_hosts(hosts: Sequence[str], section: Section, key: str) -> dict[str, object]:
    """Returns the API hosts. Their port is one variable, so several ports are not carried over."""
    ends = [endpoint(host, section.at(key)) for host in hosts]
    variables: dict[str, object] = {"balance_api_host": [name for name, _port in ends]}
    ports = sorted({port or 8006 for _name, port in ends})
    if ports != [8006]:
        variables["balance_api_port"] = ports[0]
    if len(ports) > 1:
        section.left.append(
            NotCarriedOver(
                section.at(key),
                f"the hosts have several ports ({', '.join(map(str, ports))}), but balance_api_port is one",
            )
        )
    return variables
