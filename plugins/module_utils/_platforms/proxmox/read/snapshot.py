# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the whole cluster: some fifteen calls, four or five a node, and one a running guest (two with a
window); as root@pam some fifteen calls and two a node. For plans of datastores one or two more a node, one
for each guest that does not run, one for each disk on a thin storage, and one for each move of disks that
failed of late.

The failure of one call about one node or guest leaves out what it was to tell, with a notice that names the
object; the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...._model.policy.tag_rules import tag_rules
from ...._model.snapshot import ClusterRef, Guest, Host, Rule, Snapshot, Source, Sources
from ...._model.text.wording import listed
from ...errors import NotFound
from ...values import Row
from ..api.batch import BatchedAnswers, Getter, Reading
from ..api.connection import ProxmoxConnection
from ..api.errors import permission_missing
from ..api.notices import MAX_NAMED, ONE_CALL, ReadFailures, in_order, with_names
from ..api.permissions import Privileges
from ..api.session import Session
from ..api.values import amount, moment, names, row
from .cluster import Membership, Resources, instance, native_balancer, other_balancers
from .cluster_facts import ClusterFacts
from .datastores import datastores_of, note_doubts, with_provisioned
from .disk_history import DiskMoveHistory, with_failed_moves
from .disks import with_disks
from .guest_config import GuestConfig, container_config, vm_config
from .guests import (
    GuestFacts,
    Place,
    cpu_features_of,
    guest_of,
    id_of,
    is_template,
    path_of,
    path_on_node,
    power_of,
)
from .hidden_objects import report_hidden
from .hosts import bridges_of, host_of
from .loads import guest_present, recently_started
from .mappings import PciMappings
from .nodes import NETWORK, NodeFacts, history_of, read_history, read_node, wants_history
from .task_history import DISK_MOVE_TASKS, readings

# What is about to change at the next start says nothing of what runs.
CURRENT = {"current": 1}


def read_snapshot(session: Session, connection: ProxmoxConnection, now: float) -> Snapshot:
    """The cluster at the present moment by its own clock, or `now` (seconds since 1970) where it does not
    say. PermissionMissing where the account may not read what no reading can do without.
    """
    gaps = ReadFailures()
    path = "access/permissions"
    privileges = Privileges(row(session.get(path), path))
    privileges.require_read()
    membership = Membership.read(session)
    membership.require_name(connection.cluster)
    began = session.platform_time
    present = now if began is None else began
    resources = Resources.read(session)
    answered = BatchedAnswers(session, connection)
    _ask_ahead(answered, resources, connection, present)
    cluster = ClusterFacts.read(session, answered, membership, resources, present, gaps)
    cluster = _without_strays(cluster, gaps)
    reader = _Reader(session, answered, connection, cluster, gaps)
    hosts, guests = reader.read()
    stores = datastores_of(cluster.listed_storages, resources)
    note_doubts(stores, cluster.listed_storages, gaps)
    if connection.storage:
        guests = with_disks(session, guests, reader.configs, cluster, privileges, gaps)
        failures = DiskMoveHistory.read(session, answered, cluster.tasks, cluster.resources, present, gaps)
        guests = with_failed_moves(guests, failures)
        stores = with_provisioned(stores, guests)
    _note_pools(privileges, gaps)
    _note_ha(cluster, gaps)
    report_hidden(session, cluster, {disk.datastore for guest in guests for disk in guest.disks}, gaps)
    averaged = not connection.window_seconds or reader.averaged
    if not averaged:
        gaps.add(
            f"no guest's measured history could be read: the loads are present values, not averages over "
            f"{connection.window_seconds} s",
            hides=("loads",),
        )
    return Snapshot(
        platform="proxmox",
        cluster=ClusterRef(id=membership.name, name=membership.name, instance=instance(session, membership)),
        taken_at=moment(present),
        window_seconds=connection.window_seconds if averaged else 0,
        hosts=hosts if averaged else tuple(replace(host, sources=_new(host.sources)) for host in hosts),
        guests=guests if averaged else tuple(replace(guest, sources=_new(guest.sources)) for guest in guests),
        rules=_rules(cluster, {host.id for host in hosts if host.active}),
        datastores=stores,
        other_balancers=other_balancers(cluster.options),
        native_balancer=native_balancer(cluster.options, session.version, cluster.ha.resources),
        notices=gaps.notices(),
    )


class _Reader:
    """Of nodes and guests. `averaged`: whether any guest's loads are averages over the window; `configs`: the
    configurations that were read, by guest.
    """

    def __init__(
        self,
        session: Session,
        answered: Getter,
        connection: ProxmoxConnection,
        cluster: ClusterFacts,
        gaps: ReadFailures,
    ) -> None:
        self._session = session
        self._answered = answered
        self._window = connection.window_seconds
        self._of_all = connection.storage
        self.configs: dict[str, GuestConfig] = {}
        self._cluster = cluster
        self._gaps = gaps
        self._mappings = PciMappings(session)
        self._just_begun = recently_started(cluster.resources.guests)
        self.averaged = True

    def read(self) -> tuple[tuple[Host, ...], tuple[Guest, ...]]:
        entries = self._cluster.resources
        nodes = self._read_nodes()
        facts = self._read_guests(nodes)
        self.configs = {guest: fact.config for guest, fact in facts.items()}
        if self._of_all:
            self.configs.update(self._read_idle(nodes))
        self.averaged = not facts or any(fact.mean for fact in facts.values())
        residents = _residents(entries.guests, facts)
        _require_bridges(nodes.values(), residents.values())
        everywhere = _everywhere(node.cpu_features for node in nodes.values() if node)
        needed = frozenset(
            feature
            for name, node in nodes.items()
            for fact in residents.get(name, [])
            for feature in cpu_features_of(fact.config, node, everywhere)
        )
        online = {str(entry.get("node")): entry.get("status") != "offline" for entry in entries.nodes}
        hosts = tuple(
            host_of(
                entry,
                self._cluster,
                nodes.get(name),
                residents.get(name, []),
                window=self._window if self.averaged else 0,
                measuring=name not in self._just_begun,
                needed=needed,
            )
            for name, entry in sorted((str(entry.get("node")), entry) for entry in entries.nodes)
        )
        places = {
            name: Place(
                node=nodes.get(name),
                online=up,
                measuring=name not in self._just_begun,
                everywhere=everywhere,
                window=self._window,
            )
            for name, up in online.items()
        }
        guests = tuple(
            guest_of(entry, facts.get(id_of(entry)), places[str(entry.get("node"))], self._cluster)
            for entry in sorted(entries.guests, key=lambda entry: amount(entry.get("vmid")) or 0)
        )
        return hosts, guests

    def _read_nodes(self) -> dict[str, NodeFacts | None]:
        """Of the nodes that are up; None for one that does not answer all the same."""
        entries = self._cluster.resources.nodes
        online = [str(entry.get("node")) for entry in entries if entry.get("status") == "online"]
        changed_at = self._cluster.history.changed_at
        facts = self._session.concurrently(
            lambda node: read_node(self._answered, node, self._window, changed_at.get(node, 0.0), self._gaps),
            online,
        )
        silent = [str(entry.get("node")) for entry in entries if entry.get("status") == "unknown"]
        if silent:
            self._gaps.add(
                "for five minutes nothing was reported by the status daemon of"
                f" {with_names('node', silent)}: what runs there is not known. Restart pvestatd there",
                hosts=silent,
            )
        return dict(zip(online, facts, strict=True))

    def _read_guests(self, nodes: Mapping[str, NodeFacts | None]) -> dict[str, GuestFacts]:
        """Of the guests that can be moved at all: those that hold memory."""
        wanted = [
            entry
            for entry in self._cluster.resources.guests
            if _to_be_read(entry) and nodes.get(str(entry.get("node")))
        ]
        facts = self._session.concurrently(self._read_guest, wanted)
        return {id_of(entry): fact for entry, fact in zip(wanted, facts, strict=True) if fact}

    def _read_idle(self, nodes: Mapping[str, NodeFacts | None]) -> dict[str, GuestConfig]:
        """Of the guests that hold no memory, templates too: their disks take space all the same."""
        wanted = [
            entry
            for entry in self._cluster.resources.guests
            if not _to_be_read(entry) and nodes.get(str(entry.get("node")))
        ]
        configs = self._session.concurrently(self._read_config, wanted)
        return {id_of(entry): config for entry, config in zip(wanted, configs, strict=True) if config}

    def _read_config(self, entry: Row) -> GuestConfig | None:
        path = path_of(entry)
        try:
            config = row(self._answered.get(f"{path}/config", **CURRENT), f"{path}/config")
        except NotFound:
            # It went elsewhere, or away, since the list was made: it is shown where it was, and left alone.
            return None
        except ONE_CALL as error:
            self._gaps.missing("the configuration", error, guest=id_of(entry))
            return None
        known = self._cluster.storages
        if entry.get("type") == "qemu":
            return vm_config(config, known, self._mappings.live)
        return container_config(config, known)

    def _read_guest(self, entry: Row) -> GuestFacts | None:
        parsed = self._read_config(entry)
        if parsed is None:
            return None
        history = None
        if self._window:
            history = self._gaps.attempt(
                lambda: read_history(
                    self._answered, f"nodes/{entry.get('node')}", path_on_node(entry), self._window
                ),
                "the measured history",
                guest=id_of(entry),
                hides=("loads",),
            )
        measured = str(entry.get("node")) not in self._just_begun
        present = guest_present(entry, history, measured=measured)
        return GuestFacts.of(present, entry, parsed, history)


def _everywhere(features: Iterable[frozenset[str] | None]) -> frozenset[str]:
    """The CPU features that every node has; none as long as one does not say which it has."""
    each = list(features)
    known = [of_node for of_node in each if of_node is not None]
    return frozenset.intersection(*known) if known and len(known) == len(each) else frozenset()


def _to_be_read(entry: Row) -> bool:
    return power_of(entry) == "running" and not is_template(entry)


def _ask_ahead(
    answered: BatchedAnswers, resources: Resources, connection: ProxmoxConnection, now: float
) -> None:
    """The status of each node, and where the account may, all else of one that answers in a call or two."""
    window = connection.window_seconds
    online = [str(entry.get("node")) for entry in resources.nodes if entry.get("status") == "online"]
    status = {node: f"nodes/{node}/status" for node in online}
    answered.ask_each(status.values())
    tasks = readings(resources, now)
    if connection.storage:
        tasks += readings(resources, now, DISK_MOVE_TASKS)
    wanted: dict[str, list[Reading]] = {
        node: [NETWORK, *tasks] for node in online if answered.answers(status[node])
    }
    if wants_history(window, answered.major):
        for asked in wanted.values():
            asked.append(history_of("", window))
    for entry in resources.guests:
        asked_of_node = wanted.get(str(entry.get("node")))
        if asked_of_node is not None and (_to_be_read(entry) or connection.storage):
            path = path_on_node(entry)
            asked_of_node.append(Reading(f"{path}/config", CURRENT))
            if window and _to_be_read(entry):
                asked_of_node.append(history_of(path, window))
    answered.ask(wanted)


def _new(sources: Sources) -> dict[str, Source]:
    """Of a snapshot that holds present values after all."""
    return {resource: source for resource, source in sources.items() if source != "present"}


def _without_strays(cluster: ClusterFacts, gaps: ReadFailures) -> ClusterFacts:
    """Guests of a node that was removed from the cluster keep their configuration there: they are nowhere."""
    nodes = {str(entry.get("node")) for entry in cluster.resources.nodes}
    strays = [entry for entry in cluster.resources.guests if str(entry.get("node")) not in nodes]
    if not strays:
        return cluster
    gone = sorted({str(entry.get("node")) for entry in strays})
    guests = in_order(id_of(entry) for entry in strays)
    gaps.add(
        f"left over from {with_names('node', gone)}, not in the cluster any more, and not in this snapshot: "
        f"{with_names('guest', guests)}. Move the files below /etc/pve/nodes/{gone[0]} to a node of the "
        "cluster, or remove them",
        hosts=gone,
        guests=guests,
    )
    kept = tuple(entry for entry in cluster.resources.guests if str(entry.get("node")) in nodes)
    return replace(cluster, resources=replace(cluster.resources, guests=kept))


def _note_pools(privileges: Privileges, gaps: ReadFailures) -> None:
    paths = privileges.hiding_pools()
    if paths:
        gaps.add(
            f"the account lacks the privilege Pool.Audit on {listed(paths, MAX_NAMED)}: guests are "
            f"shown as if they were in no pool. Give it a role with Pool.Audit on {paths[0]}, "
            "propagated (an API token with privilege separation needs the role itself)",
            hides=("pools",),
        )


def _note_ha(cluster: ClusterFacts, gaps: ReadFailures) -> None:
    mode = cluster.node_states.disarmed
    if mode == "ignore":
        gaps.add(
            "HA is disarmed (mode ignore): its guests are planned and migrated as if HA did not manage them, "
            "without its rules"
        )
    elif mode is not None:
        frozen = (entry for entry in cluster.resources.guests if entry.get("hastate") == "freeze")
        gaps.add(
            f"HA is disarmed (mode {mode}): the guests that it manages can't be migrated until it is armed "
            "again (ha-manager crm-command arm-ha)",
            guests=in_order(map(id_of, frozen)),
        )


def _residents(guests: Iterable[Row], facts: Mapping[str, GuestFacts]) -> dict[str, list[GuestFacts]]:
    """By node."""
    result: dict[str, list[GuestFacts]] = {}
    for entry in guests:
        if id_of(entry) in facts:
            result.setdefault(str(entry.get("node")), []).append(facts[id_of(entry)])
    return result


def _require_bridges(nodes: Iterable[NodeFacts | None], residents: Iterable[list[GuestFacts]]) -> None:
    """Without the right to see them bridges are left out: no node would seem fit for any guest."""
    seen = [node.bridges for node in nodes if node and node.bridges is not None]
    if seen and any(map(bridges_of, residents)) and not any(seen):
        raise permission_missing("SDN.Audit", "/sdn/zones", "GET nodes/{node}/network")


def _rules(cluster: ClusterFacts, active: Iterable[str]) -> tuple[Rule, ...]:
    tags = {id_of(entry): names(entry.get("tags")) for entry in cluster.resources.guests}
    nodes = {str(entry.get("node")): str(entry.get("node")) for entry in cluster.resources.nodes}
    disarmed = cluster.node_states.disarmed == "ignore"
    result = [] if disarmed else list(cluster.ha.as_rules(frozenset(active)))
    taken = {rule.name for rule in result}
    for rule in tag_rules(tags, nodes):
        result.append(replace(rule, name=rule.source) if rule.name in taken else rule)
    return tuple(result)
