# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster as a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from ...._model.snapshot import ClusterRef, Disk, Guest, HiddenFact, Notice, Snapshot
from ...._model.text.moments import written
from ...._model.text.wording import counted, listed
from ..api.values import plain
from .clusters import ClusterPlace
from .datastore_loads import StoreLoads
from .datastores import datastores, identities, mounting, same_places
from .disk_loads import DiskLoads
from .features import Features
from .guests import Surroundings, guest_of
from .history import MigrationHistory
from .hosts import cpu_model, host_of
from .inventory import Inventory
from .loads import Loads
from .recent_tasks import Moves
from .rules import balancing_disabled, drs_rules, fault_tolerance_rules, other_balancers
from .storage_drs import is_in_hidden_pod, storage_rules, unbalanced
from .storage_policies import StoragePolicies
from .tags import Tags
from .targets import unreserved

# How many disks a notice names.
_NAMED_DISKS: Final = 3


def snapshot_of(
    place: ClusterPlace,
    inventory: Inventory,
    loads: Loads,
    store_loads: StoreLoads,
    disk_loads: DiskLoads,
    policies: StoragePolicies,
    features: Features,
    moves: Moves,
    tags: Tags,
    past: MigrationHistory,
    taken_at: datetime,
    window_seconds: int,
) -> Snapshot:
    """Put together what was read, in order of name; `window_seconds` are those that were asked for."""
    around = Surroundings(
        inventory=inventory,
        loads=loads,
        tags=tags,
        cpu_models={model for model in map(cpu_model, inventory.hosts.values()) if model},
        features=features,
        disabled=balancing_disabled(inventory.config),
        free=unreserved(inventory),
        moving=moves.targets,
        storage_disabled=unbalanced(inventory),
        disk_io=disk_loads,
        store_names=inventory.names_in_paths(),
    )
    hosts = [
        replace(host_of(found, inventory, loads, tags), cpu_features=features.hosts.get(identity))
        for identity, found in inventory.hosts.items()
    ]
    mounted = mounting(inventory.hosts, inventory.datastores)
    ids = identities(inventory.datastore_names, mounted, inventory.shared)
    guests = [
        _with_policies(_with_past(guest_of(found, around), past, identity), policies, ids)
        for identity, found in inventory.guests.items()
    ]
    rules = drs_rules(inventory.config, inventory.guests.keys())
    return Snapshot(
        platform="vsphere",
        cluster=ClusterRef(id=place.id, name=place.name, instance=place.instance),
        taken_at=written(taken_at),
        window_seconds=loads.seconds,
        hosts=tuple(sorted(hosts, key=lambda host: (host.name, host.id))),
        guests=tuple(sorted(guests, key=lambda guest: (guest.name, guest.id))),
        rules=(*rules, *fault_tolerance_rules(inventory.guests, {rule.name for rule in rules})),
        datastores=datastores(inventory, store_loads, tags),
        storage_rules=storage_rules(inventory),
        other_balancers=other_balancers(inventory.config),
        notices=(
            *_feature_notices(features),
            *_move_notices(inventory, moves),
            *_load_notices(inventory, loads, window_seconds),
            *_store_notices(inventory, store_loads),
            *_policy_notices(inventory, policies),
            *_read_notices(inventory),
            *_hidden_notices(inventory),
        ),
    )


def _with_past(guest: Guest, past: MigrationHistory, identity: str) -> Guest:
    """A move of disks that failed may have been that of any of them."""
    failed = past.disks_failed_at.get(identity)
    return replace(
        guest,
        last_migrated_at=past.migrated_at.get(identity),
        last_failed_at=past.failed_at.get(identity),
        disks=guest.disks
        if failed is None
        else tuple(replace(disk, last_failed_at=failed) for disk in guest.disks),
    )


def _with_policies(guest: Guest, policies: StoragePolicies, ids: Mapping[str, str]) -> Guest:
    """With the storage policy of each disk, and the datastores that comply; `ids` are those of datastores by
    reference.
    """
    return replace(guest, disks=tuple(_with_policy(disk, guest.id, policies, ids) for disk in guest.disks))


def _with_policy(disk: Disk, guest: str, policies: StoragePolicies, ids: Mapping[str, str]) -> Disk:
    subject = (guest, disk.id or "")
    if policies.trouble is not None or subject in policies.unknown:
        return replace(disk, blockers=tuple(sorted({*disk.blockers, "storage_policy_unknown"})))
    policy = policies.of.get(subject)
    if policy is None:
        return disk
    complying = tuple(sorted(identity for store, identity in ids.items() if store in policy.datastores))
    everywhere = len(complying) == len(ids)
    return replace(disk, storage_policy=policy.name, targets=None if everywhere else complying)


def _policy_notices(inventory: Inventory, policies: StoragePolicies) -> Iterator[Notice]:
    unless = (
        "unless storage.allow_blockers contains storage_policy_unknown, or storage.platform_rules is false"
    )
    if policies.trouble is not None:
        yield Notice(
            text=f"storage policies were not read: {policies.trouble}. All disks stay where they are, "
            f"{unless}"
        )
    elif policies.unknown:
        names = {
            guest: plain(inventory.guests[guest].text("name")) or guest for guest, _disk in policies.unknown
        }
        disks = (
            f"disk {disk} of guest {names[guest]}: {why}"
            for (guest, disk), why in sorted(policies.unknown.items())
        )
        yield Notice(
            text=f"vCenter did not report the storage policies of {counted(len(policies.unknown), 'disk')} "
            f"({listed(disks, _NAMED_DISKS, '; ')}). Check them in vCenter. These disks stay where they are, "
            f"{unless}",
            guests=tuple(sorted(set(names.values()))),
        )


def _feature_notices(features: Features) -> Iterator[Notice]:
    if features.trouble is not None:
        yield Notice(
            text=f"CPU features were not read: {features.trouble}. Only vendors of processors and EVC modes "
            "are compared; vCenter's own check compares the rest"
        )


def _move_notices(inventory: Inventory, moves: Moves) -> Iterator[Notice]:
    if moves.trouble is not None:
        guests = tuple(
            plain(inventory.guests[guest].text("name")) or guest for guest in sorted(moves.targets)
        )
        yield Notice(
            text=f"the targets of running migrations were not read: {moves.trouble}. Their guests are left "
            "alone",
            guests=guests,
        )


def _load_notices(inventory: Inventory, loads: Loads, wanted: int) -> Iterator[Notice]:
    if loads.refused:
        hosts = tuple(sorted(inventory.name(host) for host in loads.refused if host in inventory.hosts))
        guests = tuple(
            sorted(
                plain(inventory.guests[guest].text("name")) or guest
                for guest in loads.refused
                if guest in inventory.guests
            )
        )
        why = next(iter(loads.refused.values()), "")
        yield Notice(
            text=f"vCenter refused the statistics of {counted(len(hosts), 'host')} and "
            f"{counted(len(guests), 'guest')} ({why}): "
            "their CPU and memory are the present ones, their I/O is unknown",
            hosts=hosts,
            guests=guests,
        )
    if wanted and not loads.seconds:
        yield Notice(
            text=f"no averages over {wanted} seconds are available, so all loads are the present ones. Check "
            "that vCenter collects statistics (Statistics in its general settings)"
        )
    elif loads.seconds < wanted:
        yield Notice(
            text=f"vCenter keeps no statistics for {wanted} seconds: the loads are averages over "
            f"{loads.seconds} seconds"
        )


def _store_notices(inventory: Inventory, loads: StoreLoads) -> Iterator[Notice]:
    if loads.trouble is not None:
        yield Notice(text=f"the latency of datastores was not read: {loads.trouble}")
    if loads.recent:
        yield Notice(
            text=f"the latency of {counted(len(loads.recent), 'datastore')} is that of the last hour, "
            "because vCenter keeps no statistics of datastores for longer. Raise its statistics level to "
            "keep them"
        )
    for alike in same_places(inventory):
        called = ", ".join(sorted(inventory.datastore_names[identity] for identity in alike))
        yield Notice(
            text=f"datastores {called} are one place under several names: no disk is moved to them. Mount it "
            "once"
        )
    if inventory.namesakes:
        called = ", ".join(sorted(inventory.datastore_names[identity] for identity in inventory.namesakes))
        yield Notice(text=f"datastores that are called the same are named with their reference: {called}")
    hidden = sum(is_in_hidden_pod(found, inventory) for found in inventory.datastores.values())
    if hidden:
        yield Notice(
            text=f"the account does not see the datastore cluster of {counted(hidden, 'datastore')}, so "
            "Storage DRS may move disks there. Give it the role Read-only on every datastore cluster"
        )


def _read_notices(inventory: Inventory) -> Iterator[Notice]:
    """Objects that vCenter could not read, or not wholly."""
    for guest in inventory.homeless:
        name = plain(guest.text("name")) or guest.id
        why = guest.failed.get("runtime.host", "it is on no host")
        yield Notice(
            text=f"guest {name} is left out, because vCenter does not say on which host it is ({why})",
            guests=(name,),
            hides=("guests",),
        )
    for found, kind in (
        *((host, "host") for host in inventory.hosts.values()),
        *((guest, "guest") for guest in inventory.guests.values()),
    ):
        if found.failed:
            name = plain(found.text("name")) or found.id
            lost = ", ".join(f"{path} ({fault})" for path, fault in sorted(found.failed.items()))
            yield Notice(
                text=f"vCenter could not read of {kind} {name}: {lost}",
                hosts=(name,) if kind == "host" else (),
                guests=(name,) if kind == "guest" else (),
            )


def _hidden_notices(inventory: Inventory) -> Iterator[Notice]:
    """Objects that hosts and guests refer to and the account cannot read."""
    hosts, guests = inventory.hosts.values(), inventory.guests.values()
    networks = {network for found in (*hosts, *guests) for network in found.items("network")}
    datastores = {datastore for host in hosts for datastore in host.items("datastore")}
    hidden: tuple[tuple[HiddenFact, str, Collection[str], str], ...] = (
        ("networks", "network", networks - inventory.network_names.keys(), "so references stand for names"),
        (
            "datastores",
            "datastore",
            datastores - inventory.datastores.keys(),
            "so guests there stay on their hosts",
        ),
        ("pools", "resource pool", inventory.hidden_pools, "so guests there seem to be in none"),
    )
    for fact, word, unseen, meaning in hidden:
        if unseen:
            yield Notice(
                text=f"the account does not see {counted(len(unseen), word)}, {meaning}. Give it the role "
                f"Read-only on every {word}",
                hides=(fact,),
            )
