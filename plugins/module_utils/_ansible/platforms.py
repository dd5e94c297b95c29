# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From module options to a platform.

A platform and its library are imported on demand: each task is a process of its own, and a task for Proxmox
VE does not need pyvmomi.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .._model.errors import InputError
from .._platforms.protocol import PlatformWithMaintenance
from .._platforms.rehearsal import RehearsalPlatform
from .options.address import endpoint, endpoints
from .options.environment import missing
from .options.platform import MovingOptions, PlatformOptions
from .options.storage_map import target_storage

_HTTPS = 443
# As in community.proxmox.
_PROXMOX_USER = "root@pam"
_LIVE = MovingOptions()
_Value = TypeVar("_Value")


def open_platform(
    options: PlatformOptions,
    moving: MovingOptions = _LIVE,
    *,
    window: int = 0,
    history: int = 0,
    storage: bool = False,
) -> PlatformWithMaintenance:
    """The platform that the options name; loads are averaged over `window` seconds, 0 for the present value,
    and the platform's own record of migrations is read `history` seconds back where it costs a call. With
    `storage` also what only plans for datastores need, where that costs calls.

    Raises InputError for options that do not fit together and PlatformError when it can't be reached.
    """
    if options.platform == "vsphere":
        return _vsphere(options, window, history, storage=storage)
    if options.platform == "proxmox":
        return _proxmox(options, moving, window, storage=storage)
    if options.platform == "vmmanager":
        return _vmmanager(options, moving, window)
    if not options.rehearsal_path:
        raise missing("rehearsal", "rehearsal_path")
    return RehearsalPlatform(_set(options.rehearsal_path), options.cluster)


def _require(options: PlatformOptions, *names: str, when: str = "", instead: str = "") -> None:
    for name in names:
        if not getattr(options, name):
            raise missing(options.platform, name, when=when, instead=instead)


def _set(value: _Value | None) -> _Value:
    """An option that has been required before."""
    if value is None:
        raise ValueError("an option is None that was required")
    return value


def _verifies(options: PlatformOptions) -> bool:
    verify = options.validate_certs is not False
    if not verify and options.ca_path:
        raise InputError.conflict("ca_path", "validate_certs: false")
    return verify


def _vsphere(
    options: PlatformOptions, window: int, history: int, *, storage: bool
) -> PlatformWithMaintenance:
    from .._platforms.vsphere.api.connection import VSphereConnection
    from .._platforms.vsphere.platform import VSpherePlatform

    _require(options, "hostname", "username", "password")
    host, port = endpoint("hostname", _set(options.hostname), "port", options.port, _HTTPS)
    proxy_host, proxy_port = options.proxy_host, options.proxy_port
    if proxy_host:
        proxy_host, proxy_port = endpoint("proxy_host", proxy_host, "proxy_port", proxy_port, None, "http")
    return VSpherePlatform(
        VSphereConnection(
            hostname=host,
            port=port,
            username=_set(options.username),
            password=_set(options.password),
            validate_certs=_verifies(options),
            ca_path=options.ca_path,
            proxy_host=proxy_host,
            proxy_port=proxy_port,
            datacenter=options.datacenter,
            cluster=options.cluster,
            window_seconds=window,
            history_seconds=history,
            timeout=options.api_timeout,
            storage=storage,
        )
    )


def _rest(options: PlatformOptions, moving: MovingOptions, window: int) -> dict[str, Any]:
    """The fields of a RestConnection."""
    return {
        "validate_certs": _verifies(options),
        "ca_path": options.ca_path,
        "cluster": options.cluster,
        "window_seconds": window,
        "restart_containers": moving.restart_containers,
        "with_local_disks": moving.with_local_disks,
        "target_storage": target_storage(moving.target_storage),
    }


def _proxmox(
    options: PlatformOptions, moving: MovingOptions, window: int, *, storage: bool
) -> PlatformWithMaintenance:
    from .._platforms.proxmox.api.connection import PORT, ProxmoxConnection
    from .._platforms.proxmox.platform import ProxmoxPlatform

    _require(options, "api_host")
    if options.api_token_id or options.api_token_secret:
        _require(options, "api_token_id", when="api_token_secret is set")
        _require(options, "api_token_secret", when="api_token_id is set")
        if options.api_password:
            raise InputError.conflict("api_password", "api_token_id")
    else:
        _require(options, "api_password", instead="api_token_id and api_token_secret")
    return ProxmoxPlatform(
        ProxmoxConnection(
            api_hosts=endpoints("api_host", _set(options.api_host), "api_port", options.api_port, PORT),
            api_user=options.api_user or _PROXMOX_USER,
            api_password=options.api_password,
            api_token_id=options.api_token_id,
            api_token_secret=options.api_token_secret,
            api_timeout=options.api_timeout,
            **_rest(options, moving, window),
            bandwidth_limit=moving.bandwidth_limit,
            storage=storage,
        )
    )


def _vmmanager(options: PlatformOptions, moving: MovingOptions, window: int) -> PlatformWithMaintenance:
    from .._platforms.vmmanager.api.connection import Metric, VMManagerConnection
    from .._platforms.vmmanager.platform import VMManagerPlatform

    _require(options, "vmmanager_host")
    if not options.vmmanager_token:
        _require(options, "vmmanager_username", "vmmanager_password", instead="vmmanager_token")
    elif options.vmmanager_password:
        raise InputError.conflict("vmmanager_password", "vmmanager_token")
    host, port = endpoint(
        "vmmanager_host", _set(options.vmmanager_host), "vmmanager_port", options.vmmanager_port, _HTTPS
    )
    return VMManagerPlatform(
        VMManagerConnection(
            host=host,
            port=port,
            username=options.vmmanager_username,
            password=options.vmmanager_password,
            token=options.vmmanager_token,
            timeout=options.api_timeout,
            **_rest(options, moving, window),
            metrics=tuple(Metric(**entry) for entry in options.vmmanager_metrics or ()),
        )
    )
