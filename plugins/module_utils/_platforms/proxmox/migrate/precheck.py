# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Proxmox VE would run a migration, and what its start needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ...errors import NotFound, Refused
from ...protocol import MigrationRequest, Objection, all_of
from ...values import Row
from ..api.connection import ProxmoxConnection
from ..api.errors import NodeUnresponsive, NoSuchCall
from ..api.session import Session
from ..api.values import flag, row
from ..read.guest_config import GuestConfig, container_config, vm_config
from ..read.guests import id_of, path_of, power_of
from ..read.ha import NodeStates
from ..read.nodes import Bridges
from ..read.storages import Storage
from .disks import Findings, judge_disks

# What a configuration may hold that no option of ours allows.
_FOREVER = {
    "passthrough_device": "it uses a device of its node: detach it, or map it for live migration",
    "bind_mount": "it mounts a folder of its node: detach it, or mark it as shared",
    "iso_mounted": "it has a CD image of its node in its drive: eject it",
    "encrypted_memory": "its memory is encrypted: shut it down to migrate it",
    "snapshot": "it has snapshots on a local disk: delete them, or replicate the disk to the target",
    "linked_clone": "its local disk is a linked clone of a template: make it a full clone",
    "storage_not_copied": "its local disk is on a storage of a type that Proxmox VE does not copy",
}
# States in which HA takes a request; in others it notes it and loses it with the next change.
_TAKES_REQUESTS = frozenset({"started", "stopped"})


@dataclass(frozen=True, slots=True)
class Preconditions:
    """`objection` is why not, or None. Attached local disks lie on `local_storages`, and what goes along
    unasked, such as cloud-init images, on `carried`. HA moves `partners` along. With `conntrack` the guest's
    node can send along what the firewall knows of its connections. `running` is what the node says of it,
    None where it was not asked.
    """

    objection: Objection | None = None
    local_storages: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()
    partners: tuple[str, ...] = ()
    conntrack: bool = False
    running: bool | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as a check needs it: the states of nodes by name, where guests are replicated to (None
    when it is not known).
    """

    session: Session
    connection: ProxmoxConnection
    nodes: Mapping[str, str]
    ha: NodeStates
    storages: Mapping[str, Storage]
    bridges: Bridges
    replicas: Callable[[], Mapping[str, frozenset[str]] | None]


def preconditions(cluster: Cluster, request: MigrationRequest, entry: Row) -> Preconditions:
    """`entry` is the guest's line in /cluster/resources."""
    if entry.get("node") != request.source:
        return _no(f"the guest is on {entry.get('node')}, not on {request.source}", passing=True)
    target = cluster.nodes.get(request.target)
    if target is None:
        return _no(f"there is no node {request.target} in this cluster")
    if target == "offline":
        # Proxmox VE itself finds that out in the task.
        return _no(f"{request.target} is offline", passing=True)
    container = entry.get("type") == "lxc"
    if container and power_of(entry) == "running" and not cluster.connection.restart_containers:
        return _no("a running container is migrated by a restart; set restart_containers to allow it")
    findings = Findings()
    findings.objections += _ha_objection(entry, cluster.ha)
    try:
        judged = _ask_preconditions(cluster, request, entry, findings)
        config = _read_config(cluster, entry)
        if container or not judged:
            _judge_config(config, entry, request, cluster.storages, findings)
        for bridge in cluster.bridges.lacking(config.networks, request.source, request.target):
            findings.object_to(f"{request.target} lacks the bridge {bridge}")
    except (NotFound, Refused) as refused:
        # A reading that fails is no opinion about this guest and this node.
        return _no(refused.what, passing=True)
    except NodeUnresponsive as silent:
        return _no(str(silent), passing=True)
    findings.objections += _storage_objections(entry, request, cluster, findings)
    return Preconditions(
        objection=all_of(findings.objections),
        local_storages=frozenset(findings.local_storages),
        carried=frozenset(findings.carried),
        partners=findings.partners,
        conntrack=findings.conntrack,
        running=findings.running,
    )


def _no(why: str, *, passing: bool = False) -> Preconditions:
    return Preconditions(objection=Objection(why, passing))


def sent_elsewhere(
    found: Preconditions, request: MigrationRequest, connection: ProxmoxConnection
) -> dict[str, str]:
    """The storages whose volumes are to lie on another one on the target; all others keep their names."""
    names = sorted(found.local_storages | found.carried)
    pairs = {name: connection.storage_for(name, request.storage) for name in names}
    return {name: target for name, target in pairs.items() if name != target}


def is_ha_managed(entry: Row, ha: NodeStates) -> bool:
    """Whether HA migrates it: not while HA is disarmed in the mode in which it ignores its guests."""
    return entry.get("hastate") not in (None, "", "ignored") and ha.disarmed != "ignore"


def _ha_objection(entry: Row, ha: NodeStates) -> Iterator[Objection]:
    """States of HA, which a reading shows."""
    if not is_ha_managed(entry, ha):
        return
    if ha.disarmed:
        yield Objection("HA is disarmed and holds its guests (freeze): arm it again", passing=True)
    elif entry["hastate"] not in _TAKES_REQUESTS:
        why = f"HA has it in state {entry['hastate']}, and takes requests only for started or stopped guests"
        yield Objection(why, passing=True)


def _ask_preconditions(cluster: Cluster, request: MigrationRequest, entry: Row, findings: Findings) -> bool:
    """The node's own opinion, in the version that runs there; false where that is not all that there is."""
    path = f"{path_of(entry)}/migrate"
    if entry.get("type") == "lxc":
        try:
            answer = row(cluster.session.get(path, target=request.target), path)
        except NoSuchCall:
            # Before 9.0.8 of a node's container package there is no such call.
            return False
        findings.running = flag(answer.get("running"))
        findings.partners = _texts(answer.get("dependent-ha-resources"))
        findings.objections += _not_allowed(
            request.target, answer.get("not-allowed-nodes"), answer.get("allowed-nodes"), set()
        )
        return True
    answer = row(cluster.session.get(path, target=request.target), path)
    running = flag(answer.get("running"))
    findings.running = running
    findings.partners = _texts(answer.get("dependent-ha-resources"))
    findings.conntrack = running and flag(answer.get("has-dbus-vmstate"))
    findings.objections += _device_objections(answer, running=running)
    known = cluster.replicas() if running else {}
    replicas = (known or {}).get(request.guest)
    if replicas and request.target not in replicas:
        findings.object_to(
            f"it is replicated, and a running guest is migrated only to where its replicas are"
            f" ({', '.join(sorted(replicas))})"
        )
    judge_disks(
        answer.get("local_disks"),
        findings,
        running=running,
        replicated=None if known is None else request.target in (replicas or ()),
    )
    local = findings.local_storages | findings.carried
    findings.objections += _not_allowed(
        request.target, answer.get("not_allowed_nodes"), answer.get("allowed_nodes"), local
    )
    return "allowed_nodes" in answer and "mapped-resource-info" in answer


def _device_objections(answer: Row, *, running: bool) -> Iterator[Objection]:
    """A mapped device is no device of one node alone; for a running machine it must migrate live."""
    info = answer.get("mapped-resource-info")
    mapped = dict.fromkeys(_texts(answer.get("mapped-resources")), False)
    if isinstance(info, Mapping):
        for key, about in info.items():
            mapped[str(key)] = isinstance(about, Mapping) and flag(about.get("live-migration"))
    local = [device for device in _texts(answer.get("local_resources")) if device not in mapped]
    if local:
        yield Objection(f"it uses devices of its node: {', '.join(local)}; detach them first")
    fixed = [device for device, live in mapped.items() if not live]
    if running and fixed:
        names = ", ".join(fixed)
        yield Objection(
            f"it uses mapped devices that do not migrate live: {names}; shut it down to migrate it"
        )


def _not_allowed(target: str, refused: object, allowed: object, local: set[str]) -> Iterator[Objection]:
    reasons = refused.get(target) if isinstance(refused, Mapping) else None
    if isinstance(reasons, Mapping):
        # What lies on local storages may go to others: that is looked at apart.
        missing = [name for name in _texts(reasons.get("unavailable_storages")) if name not in local]
        if missing:
            yield Objection(f"{target} lacks storage {', '.join(missing)}")
        devices = _texts(reasons.get("unavailable-resources"))
        if devices:
            yield Objection(f"{target} lacks the mapped devices {', '.join(devices)}")
        for blocking in reasons.get("blocking-ha-resources") or ():
            yield _rule_objection(target, str(blocking.get("sid")), str(blocking.get("cause")))
    elif isinstance(allowed, list) and allowed and target not in allowed:
        names = ", ".join(map(str, allowed))
        yield Objection(f"{target} is not among the nodes that it may go to ({names})")


def _rule_objection(target: str, sid: str, cause: str) -> Objection:
    """A node-affinity rule names the guest that it binds, a resource-affinity rule the one to keep off, which
    may leave.
    """
    if cause == "node-affinity":
        return Objection(f"an HA rule (node-affinity) keeps {sid} off {target}")
    why = f"an HA rule ({cause}) keeps it apart from {sid}, which is on {target} or on its way there"
    return Objection(why, passing=True)


def _read_config(cluster: Cluster, entry: Row) -> GuestConfig:
    """As it is now: what is pending does not count for a migration."""
    path = f"{path_of(entry)}/config"
    parse = vm_config if entry.get("type") == "qemu" else container_config
    return parse(row(cluster.session.get(path, current=1), path), cluster.storages)


def _judge_config(
    config: GuestConfig,
    entry: Row,
    request: MigrationRequest,
    storages: Mapping[str, Storage],
    findings: Findings,
) -> None:
    """Objections that 8.x does not report for a running machine, and no version for a container."""
    if entry.get("lock"):
        findings.objections.append(Objection(f"it is locked ({entry['lock']})", passing=True))
    for blocker, why in _FOREVER.items():
        if blocker in config.blockers:
            findings.object_to(why)
    # Without this blocker nothing that is attached is local.
    local = findings.local_storages if "local_disk" in config.blockers else findings.carried
    for name in sorted({disk.datastore for disk in config.disks}):
        storage = storages.get(name)
        if storage is None or not storage.shared:
            local.add(name)
        elif not storage.on(request.target):
            findings.object_to(f"{request.target} lacks storage {name}")


def _storage_objections(
    entry: Row, request: MigrationRequest, cluster: Cluster, findings: Findings
) -> Iterator[Objection]:
    for name in sorted(findings.local_storages | findings.carried):
        attached = name in findings.local_storages
        if attached and not cluster.connection.with_local_disks and name not in request.storage:
            why = f"it has disks on {name}, local to its node; set with_local_disks to copy them"
            yield Objection(why)
            continue
        target = cluster.connection.storage_for(name, request.storage)
        if target not in cluster.storages or not cluster.storages[target].on(request.target):
            yield Objection(f"{request.target} lacks storage {target}")
        if target != name and is_ha_managed(entry, cluster.ha):
            yield Objection(
                f"HA migrates it, and cannot move its disks from {name} to {target}:"
                f" take guest {id_of(entry)} out of HA, or leave {name} out of target_storage"
            )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else ()
