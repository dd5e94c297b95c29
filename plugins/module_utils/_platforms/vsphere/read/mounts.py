# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether hosts can use a datastore: it is mounted on each of them, well or badly."""

from __future__ import annotations

from collections.abc import Collection

from ..api.collector import Found
from ..api.values import flag, text, texts

_MODES = {
    "inMaintenance": "in maintenance mode",
    "enteringMaintenance": "entering maintenance mode",
}


def closed_to_new_disks(datastore: Found) -> str | None:
    """Why nobody may put new disks on it. What runs there goes on."""
    return _MODES.get(datastore.text("summary.maintenanceMode") or "")


def unusable(datastore: Found, hosts: Collection[str]) -> dict[str, str]:
    """Why a guest with a disk on it can't run on a host, by host; those that can use it are not there."""
    if datastore.flag("summary.accessible") is False:
        return dict.fromkeys(hosts, "not accessible from any host")
    reasons: dict[str, str] = {}
    mounts = datastore.values.get("host")
    for mount in mounts if mounts is not None else ():
        host = text(mount, "key")
        if host is None or host not in hosts:
            continue
        if flag(mount, "mountInfo/mounted") is False:
            reasons[host] = "not mounted on this host"
        elif flag(mount, "mountInfo/accessible") is False:
            cause = ", ".join(texts(mount, "mountInfo/inaccessibleReason"))
            reasons[host] = f"not accessible from this host{f' ({cause})' if cause else ''}"
        elif text(mount, "mountInfo/accessMode") == "readOnly":
            reasons[host] = "mounted read-only on this host"
    return reasons
