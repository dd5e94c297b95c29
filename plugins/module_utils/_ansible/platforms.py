# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From module options to a platform.

A platform and the library that it stands on are imported when they are wanted: each task is a process of
its own, and one that talks to Proxmox VE has no use for pyvmomi.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._model.errors import InputError
from .._platforms.maintenance import PlatformWithMaintenance
from .._platforms.rehearsal import RehearsalPlatform
from .options.environment import missing
from .options.storage_map import target_storage


def open_platform(params: Mapping[str, Any], *, window: int = 0, history: int = 0) -> PlatformWithMaintenance:
    """The platform that the options name; loads are averaged over `window` seconds, 0 for the present value,
    and the platform's own record of migrations is read `history` seconds back where it costs a call.

    Raises InputError for options that do not fit together and PlatformError when it can't be reached.
    """
    if params["platform"] == "vsphere":
        return _vsphere(params, window, history)
    if params["platform"] == "proxmox":
        return _proxmox(params, window)
    if params["platform"] == "vmmanager":
        return _vmmanager(params, window)
    if not params["rehearsal_path"]:
        raise missing("rehearsal", "rehearsal_path")
    return RehearsalPlatform(params["rehearsal_path"], params["cluster"])


def _require(params: Mapping[str, Any], *options: str, when: str = "", instead: str = "") -> None:
    for option in options:
        if not params[option]:
            raise missing(params["platform"], option, when=when, instead=instead)


def _verifies(params: Mapping[str, Any]) -> bool:
    verify = params["validate_certs"] is not False
    if not verify and params["ca_path"]:
        raise InputError.conflict("ca_path", "validate_certs: false")
    return verify


def _vsphere(params: Mapping[str, Any], window: int, history: int) -> PlatformWithMaintenance:
    from .._platforms.vsphere.api.connection import VSphereConnection
    from .._platforms.vsphere.platform import VSpherePlatform

    _require(params, "hostname", "username", "password")
    return VSpherePlatform(
        VSphereConnection(
            hostname=params["hostname"],
            port=params["port"] or 443,
            username=params["username"],
            password=params["password"],
            validate_certs=_verifies(params),
            ca_path=params["ca_path"],
            proxy_host=params["proxy_host"],
            proxy_port=params["proxy_port"],
            datacenter=params["datacenter"],
            cluster=params["cluster"],
            window_seconds=window,
            history_seconds=history,
            timeout=params["api_timeout"],
        )
    )


def _proxmox(params: Mapping[str, Any], window: int) -> PlatformWithMaintenance:
    from .._platforms.proxmox.api.connection import ProxmoxConnection
    from .._platforms.proxmox.platform import ProxmoxPlatform

    _require(params, "api_host", "api_user")
    if params["api_token_id"] or params["api_token_secret"]:
        _require(params, "api_token_id", when="api_token_secret is set")
        _require(params, "api_token_secret", when="api_token_id is set")
        if params["api_password"]:
            raise InputError.conflict("api_password", "api_token_id")
    else:
        _require(params, "api_password", instead="api_token_id and api_token_secret")
    return ProxmoxPlatform(
        ProxmoxConnection(
            api_hosts=tuple(params["api_host"]),
            api_port=params["api_port"] or 8006,
            api_user=params["api_user"],
            api_password=params["api_password"],
            api_token_id=params["api_token_id"],
            api_token_secret=params["api_token_secret"],
            validate_certs=_verifies(params),
            ca_path=params["ca_path"],
            api_timeout=params["api_timeout"],
            cluster=params["cluster"],
            window_seconds=window,
            restart_containers=params.get("restart_containers", False),
            with_local_disks=params.get("with_local_disks", False),
            target_storage=target_storage(params.get("target_storage")),
            bandwidth_limit=params.get("bandwidth_limit"),
        )
    )


def _vmmanager(params: Mapping[str, Any], window: int) -> PlatformWithMaintenance:
    from .._platforms.vmmanager.api.connection import Metric, VMManagerConnection
    from .._platforms.vmmanager.platform import VMManagerPlatform

    _require(params, "vmmanager_host")
    if not params["vmmanager_token"]:
        _require(params, "vmmanager_username", "vmmanager_password", instead="vmmanager_token")
    elif params["vmmanager_password"]:
        raise InputError.conflict("vmmanager_password", "vmmanager_token")
    host, port = _endpoint(params["vmmanager_host"], params["vmmanager_port"])
    return VMManagerPlatform(
        VMManagerConnection(
            host=host,
            port=port,
            username=params["vmmanager_username"],
            password=params["vmmanager_password"],
            token=params["vmmanager_token"],
            validate_certs=_verifies(params),
            ca_path=params["ca_path"],
            timeout=params["api_timeout"],
            cluster=params["cluster"],
            window_seconds=window,
            restart_containers=params.get("restart_containers", False),
            with_local_disks=params.get("with_local_disks", False),
            target_storage=target_storage(params.get("target_storage")),
            metrics=tuple(Metric(**entry) for entry in params["vmmanager_metrics"] or ()),
        )
    )


def _endpoint(text: str, number: int | None) -> tuple[str, int]:
    """Name and port. Many know their platform by the address that they type into a browser."""
    name = text.removeprefix("https://").rstrip("/")
    port = None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", name)
    if bracketed is not None:
        name, port = bracketed[1], bracketed[2]
    elif name.count(":") == 1:
        name, _colon, port = name.partition(":")
    if not re.fullmatch(r"[^\s@/\[\]?#]+", name) or (port is not None and not port.isdigit()):
        raise InputError(
            "vmmanager_host",
            # A user before the host has a password beside it, as a rule.
            text if "@" not in text else "an address with a user in it",
            "a name or address such as vm.example.com",
            hint="Write it without http:// and without a path; the port goes into vmmanager_port",
        )
    if port is not None and number is not None and int(port) != number:
        raise InputError(
            "vmmanager_host",
            text,
            f"an address with the port of vmmanager_port ({number})",
            hint="Set the port in one of them",
        )
    return name, _port(number if port is None else int(port))


def _port(number: int | None) -> int:
    if number is not None and not 0 < number < 65536:
        raise InputError("vmmanager_port", number, "a port number, 1 to 65535")
    return number or 443
