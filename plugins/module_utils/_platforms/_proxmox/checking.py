# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a migration would be carried out, and what it takes. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..errors import NotFound, Refused
from ..protocol import MigrationRequest
from .answers import Row, flag, row
from .bridges import Bridges
from .connection import ProxmoxConnection
from .guest_config import GuestConfig, container_config, vm_config
from .guests import path_of, power_of
from .session import Session
from .storages import Storage

# What a configuration may hold that no option of ours allows.
_FOREVER = {
    "passthrough_device": "it uses a device of its node",
    "bind_mount": "it mounts a folder of its node",
    "iso_mounted": "it has a CD image of its node in its drive: eject it",
    "encrypted_memory": "its memory is encrypted",
    "snapshot": "it has snapshots on a local disk",
}


@dataclass(frozen=True, slots=True)
class Preconditions:
    """`objection` is why not, or None; local disks lie on `local_storages`; HA moves `partners` along."""

    objection: str | None = None
    local_storages: frozenset[str] = frozenset()
    partners: tuple[str, ...] = ()


@dataclass(slots=True)
class _Findings:
    """What speaks against it, as it is gathered."""

    objections: list[str] = field(default_factory=list)
    local_storages: set[str] = field(default_factory=set)
    partners: tuple[str, ...] = ()


def preconditions(
    session: Session,
    connection: ProxmoxConnection,
    request: MigrationRequest,
    entry: Row,
    storages: Mapping[str, Storage],
    bridges: Bridges,
) -> Preconditions:
    """`entry` is the guest's line in /cluster/resources."""
    findings = _Findings()
    if entry.get("node") != request.source:
        return Preconditions(objection=f"the guest is on {entry.get('node')}, not on {request.source}")
    container = entry.get("type") == "lxc"
    if container and power_of(entry) == "running" and not connection.restart_containers:
        return Preconditions(
            objection="a running container is migrated by a restart, which only restart_containers allows"
        )
    try:
        if not container:
            _ask_about_vm(session, entry, request, findings)
        elif session.major >= 9:
            _ask_about_container(session, entry, request, findings)
        config = _read_config(session, entry, storages)
        if container or session.major < 9:
            _judge_config(config, entry, request, storages, findings)
        for bridge in bridges.lacking(config.networks, request.source, request.target):
            findings.objections.append(f"{request.target} lacks the bridge {bridge}")
    except (NotFound, Refused) as refused:
        return Preconditions(objection=refused.what)
    for name in sorted(findings.local_storages):
        findings.objections += _about_local_disks(name, entry, request, connection, storages)
    return Preconditions(
        objection="; ".join(dict.fromkeys(findings.objections)) or None,
        local_storages=frozenset(findings.local_storages),
        partners=findings.partners,
    )


def storage_for(name: str, request: MigrationRequest, connection: ProxmoxConnection) -> str:
    """Where disks on this local storage go."""
    if name in request.storage:
        return request.storage[name]
    if isinstance(connection.target_storage, str):
        return connection.target_storage
    return (connection.target_storage or {}).get(name, name)


def is_ha_managed(entry: Row) -> bool:
    return entry.get("hastate") not in (None, "", "ignored")


def _ask_about_vm(session: Session, entry: Row, request: MigrationRequest, findings: _Findings) -> None:
    path = f"{path_of(entry)}/migrate"
    answer = row(session.get(path, target=request.target), path)
    findings.partners = _texts(answer.get("dependent-ha-resources"))
    devices = _texts(answer.get("local_resources"))
    if devices:
        findings.objections.append(f"it uses devices of its node: {', '.join(devices)}")
    mapped = _texts(answer.get("mapped-resources"))
    if mapped and flag(answer.get("running")):
        findings.objections.append(f"it uses mapped devices: {', '.join(mapped)}")
    for disk in answer.get("local_disks") or ():
        volume = str(disk.get("volid"))
        if flag(disk.get("cdrom")) and "cloudinit" not in volume:
            findings.objections.append(f"the CD image {volume} is local to its node: eject it")
        else:
            findings.local_storages.add(volume.partition(":")[0])
    findings.objections += _not_allowed(
        request.target, answer.get("not_allowed_nodes"), answer.get("allowed_nodes"), findings.local_storages
    )


def _ask_about_container(
    session: Session, entry: Row, request: MigrationRequest, findings: _Findings
) -> None:
    path = f"{path_of(entry)}/migrate"
    answer = row(session.get(path, target=request.target), path)
    findings.partners = _texts(answer.get("dependent-ha-resources"))
    findings.objections += _not_allowed(
        request.target, answer.get("not-allowed-nodes"), answer.get("allowed-nodes"), set()
    )


def _not_allowed(target: str, refused: object, allowed: object, local: set[str]) -> Iterator[str]:
    reasons = refused.get(target) if isinstance(refused, Mapping) else None
    if isinstance(reasons, Mapping):
        # A local disk goes to another storage, if it is told to: that is looked at apart.
        missing = [name for name in _texts(reasons.get("unavailable_storages")) if name not in local]
        if missing:
            yield f"{target} lacks storage {', '.join(missing)}"
        devices = _texts(reasons.get("unavailable-resources"))
        if devices:
            yield f"{target} lacks the mapped devices {', '.join(devices)}"
        for blocking in reasons.get("blocking-ha-resources") or ():
            yield f"HA rules forbid it: {blocking.get('cause')} with {blocking.get('sid')}"
    elif isinstance(allowed, list) and allowed and target not in allowed:
        yield f"{target} is not among the nodes that it may go to ({', '.join(map(str, allowed))})"


def _read_config(session: Session, entry: Row, storages: Mapping[str, Storage]) -> GuestConfig:
    path = f"{path_of(entry)}/config"
    parse = vm_config if entry.get("type") == "qemu" else container_config
    return parse(row(session.get(path), path), storages)


def _judge_config(
    config: GuestConfig,
    entry: Row,
    request: MigrationRequest,
    storages: Mapping[str, Storage],
    findings: _Findings,
) -> None:
    """What 8.x does not tell of a running machine, and no version of a container."""
    if entry.get("lock"):
        findings.objections.append(f"it is locked ({entry['lock']})")
    findings.objections += [text for blocker, text in _FOREVER.items() if blocker in config.blockers]
    for name in sorted({disk.datastore for disk in config.disks}):
        storage = storages.get(name)
        if storage is None or not storage.shared:
            findings.local_storages.add(name)
        elif not storage.on(request.target):
            findings.objections.append(f"{request.target} lacks storage {name}")


def _about_local_disks(
    name: str,
    entry: Row,
    request: MigrationRequest,
    connection: ProxmoxConnection,
    storages: Mapping[str, Storage],
) -> Iterator[str]:
    if not connection.with_local_disks and name not in request.storage:
        yield f"it has disks on {name}, local to its node; with_local_disks allows to copy them"
        return
    target = storage_for(name, request, connection)
    if target not in storages or not storages[target].on(request.target):
        yield f"{request.target} lacks storage {target}"
    if target != name and is_ha_managed(entry):
        yield f"HA migrates it, and can't be told to take its disks from {name} to {target}"


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else ()
