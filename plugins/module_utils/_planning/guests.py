# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests may move, and to which hosts. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from .._model.loads import guest_used, local_storage
from .._model.policy import Policy
from .._model.snapshot import Guest, Host, Rule, Snapshot
from .hosts import Roles
from .rest import rests_because
from .select import select_guests

NUMBERS = re.compile(r"[0-9]+")


def stays_because(
    snapshot: Snapshot, policy: Policy, roles: Roles, rules: Sequence[Rule], *, others_stay: bool
) -> list[str | None]:
    """By guest index: why it stays where it is, whatever the plan; None for a guest that may move.

    others_stay: whether goal evacuate moves no guest of any other host.
    """
    excluded = select_guests(snapshot.guests, policy.exclude.guests)
    at = {host.id: index for index, host in enumerate(snapshot.hosts)}
    allowed = frozenset(policy.allow_blockers)
    stays = [
        _stays(
            guest, snapshot.hosts[at[guest.host]], roles.gives[at[guest.host]], guest.id in excluded, allowed
        )
        or rests
        for guest, rests in zip(snapshot.guests, rests_because(snapshot, policy, roles, rules), strict=True)
    ]
    if policy.goal == "evacuate" and others_stay:
        for index, guest in enumerate(snapshot.guests):
            if stays[index] is None and not roles.leaving[at[guest.host]]:
                stays[index] = "only other hosts are being emptied"
    return stays


def _stays(guest: Guest, host: Host, gives: bool, excluded: bool, allowed: frozenset[str]) -> str | None:
    blockers = [blocker for blocker in guest.blockers if blocker not in allowed]
    if guest.power != "running":
        return f"it is {guest.power if guest.power != 'unknown' else 'in an unknown state'}"
    if not guest.migratable and blockers:
        return f"it can't be migrated: {', '.join(blockers)}"
    if not guest.migratable and not guest.blockers:
        return "the platform says that it can't be migrated"
    if excluded:
        return "the policy excludes it"
    if not gives:
        return (
            f"the policy lets nothing leave {host.name}"
            if host.status == "online"
            else f"{host.name} is {host.status}"
        )
    unknown = [name for name in ("cpu", "memory") if guest_used(guest, name) is None]
    if unknown:
        return f"its {' and '.join(unknown)} is not known, so no host can be said to have room for it"
    if None in local_storage(guest, host).values():
        return "the size of its local disks is not known"
    return None


def reachable(guest: Guest, home: Host, hosts: Sequence[Host], roles: Roles, least: str | None) -> int:
    """Bit mask of the hosts that could run it: receiving, with its datastores, networks, CPU model and
    version; `least` is the least version that the policy wants besides.
    """
    wanted = [fits for _name, fits in restrictions(guest, home, least)]
    mask = 0
    for index, host in enumerate(hosts):
        if roles.receives[index] and all(fits(host) for fits in wanted):
            mask |= 1 << index
    return mask


def restrictions(guest: Guest, home: Host, least: str | None) -> Iterator[tuple[str, Callable[[Host], bool]]]:
    """What a host must have to run the guest, by a name for people; `least` as in reachable."""
    local = local_storage(guest, home)
    for name in dict.fromkeys(disk.datastore for disk in guest.disks):
        if name not in local:
            yield f"datastore {name}", partial(_has_datastore, name)
        elif local[name]:
            yield f"local datastore {name}", partial(_has_local_datastore, name)
    for name in guest.networks:
        yield f"network {name}", partial(_has_network, name)
    yield "its CPU model", lambda host: (
        guest.cpu_models is None or host.cpu_model is None or host.cpu_model in guest.cpu_models
    )
    yield "its hypervisor version", lambda host: (
        not _older(host.version, guest.min_version) and not _older(host.version, least)
    )
    dedicated = "its dedicated host" if home.dedicated else "that other hosts are dedicated"
    yield dedicated, lambda host: host.dedicated == home.dedicated


def _has_datastore(name: str, host: Host) -> bool:
    return name in host.datastores


def _has_local_datastore(name: str, host: Host) -> bool:
    return name in host.datastores and not host.datastores[name].shared


def _has_network(name: str, host: Host) -> bool:
    return name in host.networks


def shape(guest: Guest, home: Host, least: str | None) -> tuple[object, ...]:
    """Guests of one shape can reach the same hosts."""
    return (
        frozenset(d.datastore for d in guest.disks),
        frozenset(local_storage(guest, home)),
        frozenset(guest.networks),
        guest.cpu_models,
        guest.min_version,
        home.dedicated,
        least,
    )


def _older(version: str | None, least: str | None) -> bool:
    """Whether a version is certainly below another by its leading numbers; unknown ones are not."""
    if version is None or least is None:
        return False
    have, want = ([int(part) for part in NUMBERS.findall(text)] for text in (version, least))
    if not have or not want:
        return False
    length = max(len(have), len(want))
    return have + [0] * (length - len(have)) < want + [0] * (length - len(want))
