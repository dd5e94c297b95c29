# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the whole cluster: a dozen calls, three a node, and one a running guest (two with a window).

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..._model.snapshot import ClusterRef, Rule, Snapshot
from ..._model.tag_rules import tag_rules
from ..errors import NotFound, Refused
from .answers import Row, amount, moment, names, row
from .cluster import Membership, other_balancers
from .cluster_facts import ClusterFacts
from .connection import ProxmoxConnection
from .guest_config import container_config, vm_config
from .guests import GuestFacts, guest_of, id_of, is_template, path_of, power_of
from .hosts import bridges_of, host_of
from .nodes import NodeFacts, read_history, read_node
from .permissions import Privileges
from .refusals import NodeSilent, permission_missing
from .session import Session
from .storages import Storage


def read_snapshot(session: Session, connection: ProxmoxConnection, now: float) -> Snapshot:
    """The cluster at the moment `now` (seconds since 1970). PermissionMissing rather than a part of it."""
    window = connection.window_seconds
    path = "access/permissions"
    Privileges(row(session.get(path), path)).demand_reading()
    membership = Membership.read(session)
    membership.demand(connection.cluster)
    cluster = ClusterFacts.read(session, membership)
    nodes = _read_nodes(session, cluster, window)
    facts = _read_guests(session, cluster, nodes, window)
    residents = _residents(cluster.resources.guests, facts)
    _demand_bridges(nodes.values(), residents.values())
    hosts = tuple(
        host_of(entry, cluster, nodes.get(name), residents.get(name, []), window)
        for name, entry in sorted((str(entry.get("node")), entry) for entry in cluster.resources.nodes)
    )
    return Snapshot(
        platform="proxmox",
        cluster=ClusterRef(id=membership.name, name=membership.name),
        taken_at=moment(now),
        window_seconds=window,
        hosts=hosts,
        guests=tuple(
            guest_of(
                entry,
                facts.get(id_of(entry)),
                nodes.get(str(entry.get("node"))),
                cluster,
            )
            for entry in sorted(cluster.resources.guests, key=lambda entry: amount(entry.get("vmid")) or 0)
        ),
        rules=_rules(cluster, {host.id for host in hosts if host.active}),
        other_balancers=other_balancers(cluster.options),
    )


def _read_nodes(session: Session, cluster: ClusterFacts, window: int) -> dict[str, NodeFacts | None]:
    """Of the nodes that are up; None for one that does not answer all the same."""
    online = [str(entry.get("node")) for entry in cluster.resources.nodes if entry.get("status") == "online"]
    facts = session.concurrently(
        lambda node: read_node(session, node, window, cluster.changed_at.get(node, 0.0)), online
    )
    return dict(zip(online, facts, strict=True))


def _read_guests(
    session: Session, cluster: ClusterFacts, nodes: Mapping[str, NodeFacts | None], window: int
) -> dict[str, GuestFacts]:
    """Of the guests that can be moved at all: those that run."""
    wanted = [
        entry
        for entry in cluster.resources.guests
        if power_of(entry) == "running" and not is_template(entry) and nodes.get(str(entry.get("node")))
    ]
    facts = session.concurrently(lambda entry: _read_guest(session, entry, cluster.storages, window), wanted)
    return {id_of(entry): fact for entry, fact in zip(wanted, facts, strict=True) if fact}


def _read_guest(session: Session, entry: Row, known: Mapping[str, Storage], window: int) -> GuestFacts | None:
    path = path_of(entry)
    try:
        config = row(session.get(f"{path}/config"), f"{path}/config")
        history = read_history(session, path, window) if window else None
    except (NotFound, Refused, NodeSilent):
        # It went elsewhere, or away, since the list was made: it is shown where it was, and left alone.
        return None
    parse = vm_config if entry.get("type") == "qemu" else container_config
    return GuestFacts.of(entry, parse(config, known), history)


def _residents(guests: Iterable[Row], facts: Mapping[str, GuestFacts]) -> dict[str, list[GuestFacts]]:
    """By node."""
    result: dict[str, list[GuestFacts]] = {}
    for entry in guests:
        if id_of(entry) in facts:
            result.setdefault(str(entry.get("node")), []).append(facts[id_of(entry)])
    return result


def _demand_bridges(nodes: Iterable[NodeFacts | None], residents: Iterable[list[GuestFacts]]) -> None:
    """Without the right to see them bridges are left out: no node would seem fit for any guest."""
    if any(map(bridges_of, residents)) and not any(node.bridges for node in nodes if node):
        raise permission_missing("SDN.Audit", "/sdn/zones", "GET nodes/{node}/network")


def _rules(cluster: ClusterFacts, active: Iterable[str]) -> tuple[Rule, ...]:
    tags = {id_of(entry): names(entry.get("tags")) for entry in cluster.resources.guests}
    nodes = {str(entry.get("node")): str(entry.get("node")) for entry in cluster.resources.nodes}
    result = list(cluster.ha.as_rules(frozenset(active)))
    taken = {rule.name for rule in result}
    for rule in tag_rules(tags, nodes):
        result.append(replace(rule, name=rule.source) if rule.name in taken else rule)
    return tuple(result)
