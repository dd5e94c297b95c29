# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests may move, and to which hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from ..._model.blockers import in_words
from ..._model.errors import InputError
from ..._model.loads import guest_used, local_storage
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Refusal, Rule, Snapshot
from ..._model.text.moments import later
from .capacity import HostRoles
from .cooldown import cooldown_reason
from .goal_traits import traits_of
from .guest_locations import Stayers, name_of, stayers_of
from .selectors import select_guests

# By guest and host.
Refused = Mapping[str, Mapping[str, Refusal]]
VENDOR = "vendor:"
NUMBERS = re.compile(r"[0-9]+")


def immovable_reason(
    snapshot: Snapshot, policy: Policy, roles: HostRoles, rules: Sequence[Rule], *, others_stay: bool
) -> list[str | None]:
    """By guest index: why it stays where it is, whatever the plan; None for a guest that may move.

    others_stay: whether goal evacuate moves no guest of any other host.
    """
    excluded = select_guests(snapshot.guests, policy.exclude.guests)
    at = {host.id: index for index, host in enumerate(snapshot.hosts)}
    allowed = frozenset(policy.allow_blockers)
    stay = stayers_of(snapshot, policy)
    packs = traits_of(policy).chooses_hosts
    stays = [
        _is_left_alone(guest, snapshot.hosts, stay, leaving=packs or roles.leaving[at[guest.host]])
        or _stays(
            guest, snapshot.hosts[at[guest.host]], roles.gives[at[guest.host]], guest.id in excluded, allowed
        )
        or rests
        for guest, rests in zip(snapshot.guests, cooldown_reason(snapshot, policy, roles, rules), strict=True)
    ]
    if traits_of(policy).names_hosts and others_stay:
        for index, guest in enumerate(snapshot.guests):
            if stays[index] is None and not roles.leaving[at[guest.host]]:
                stays[index] = "only other hosts are being emptied"
    return stays


def _is_left_alone(guest: Guest, hosts: Sequence[Host], stay: Stayers, *, leaving: bool) -> str | None:
    """Why a guest is not ours to move, whatever the platform could do. leaving: its host may be emptied."""
    if guest.platform_managed:
        return "the platform itself moves it or shuts it down"
    if guest.is_on_host and guest.migrating_to not in (None, guest.host):
        return f"it is being migrated to {name_of(guest.migrating_to or '', hosts)} at this moment"
    if leaving and guest.id in stay.shut_down:
        return "it is to be shut down before its host enters maintenance mode"
    if leaving and guest.id in stay.may_stay:
        return "the policy lets it stay (may_stay)"
    return None


def _stays(guest: Guest, host: Host, gives: bool, excluded: bool, allowed: frozenset[str]) -> str | None:
    blockers = [blocker for blocker in guest.blockers if blocker not in allowed]
    if guest.power != "running":
        word = f" ({guest.run_state})" if guest.run_state else ""
        return f"it is {guest.power if guest.power != 'unknown' else 'in an unknown state'}{word}"
    if not guest.migratable and blockers:
        return f"it can't be migrated: {in_words(blockers)}"
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


def refused_targets(snapshot: Snapshot, policy: Policy) -> Refused:
    """By guest and host what the platform's own check refused so recently that it is not tried again."""
    if not policy.retry_refused_after or not snapshot.refusals:
        return {}
    try:
        since = later(snapshot.taken_at, -policy.retry_refused_after)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None
    found: dict[str, dict[str, Refusal]] = {}
    for refusal in sorted(snapshot.refusals, key=lambda refusal: refusal.at):
        if refusal.at > since:
            found.setdefault(refusal.guest, {})[refusal.host] = refusal
    return found


def reachable_hosts(
    guest: Guest, home: Host, hosts: Sequence[Host], roles: HostRoles, least: str | None, barred: Refused
) -> int:
    """Bit mask of the hosts that could run it: receiving, with its datastores, networks, CPU and version;
    `least` is the least version that the policy wants besides, `barred` what the platform refused.
    """
    wanted = [fits for _name, fits in restrictions(guest, home, hosts, least, barred)]
    mask = 0
    for index, host in enumerate(hosts):
        if roles.receives[index] and all(fits(host) for fits in wanted):
            mask |= 1 << index
    return mask


def restrictions(
    guest: Guest, home: Host, hosts: Sequence[Host], least: str | None, barred: Refused
) -> Iterator[tuple[str, Callable[[Host], bool]]]:
    """What a host must have to run the guest, by a name for people; `least` and `barred` as in reachable."""
    local = local_storage(guest, home)
    for name in dict.fromkeys(disk.datastore for disk in guest.disks):
        if name not in local:
            yield f"datastore {name}", partial(_has_datastore, name)
        elif local[name]:
            yield f"local datastore {name}", partial(_has_local_datastore, name)
    for name in guest.networks:
        yield f"network {name}", partial(_has_network, name)
    yield (
        "its CPU model",
        lambda host: guest.cpu_models is None or host.cpu_model is None or host.cpu_model in guest.cpu_models,
    )
    for feature in guest.cpu_features:
        is_vendor = feature.startswith(VENDOR)
        text = f"CPU vendor {feature.removeprefix(VENDOR)}" if is_vendor else f"CPU feature {feature}"
        yield text, partial(_has_feature, feature, home)
    if guest.targets is not None:
        names = ", ".join(name_of(host, hosts) for host in guest.targets[:10]) or "none"
        yield f"its list of possible targets ({names})", partial(_is_among, frozenset(guest.targets))
    if guest.id in barred:
        against = barred[guest.id]
        texts = [f"{name_of(host, hosts)}: {refusal.why}" for host, refusal in sorted(against.items())]
        told = "; ".join(texts[:5])
        yield f"a refusal by the platform ({told})", partial(_is_not_among, frozenset(against))
    yield (
        "its hypervisor version",
        lambda host: not _older(host.version, guest.min_version) and not _older(host.version, least),
    )
    dedicated = "its dedicated host" if home.dedicated else "that other hosts are dedicated"
    yield dedicated, lambda host: host.dedicated == home.dedicated


def _has_datastore(name: str, host: Host) -> bool:
    return name in host.datastores


def _has_local_datastore(name: str, host: Host) -> bool:
    """Its disks are copied there, so that the datastore has to be open to new ones."""
    place = host.datastores.get(name)
    return place is not None and not place.shared and place.closed_because is None


def _has_feature(name: str, home: Host, host: Host) -> bool:
    """Where the features of a host are not known, only the CPU of its present host will do."""
    if host.cpu_features is None:
        return host.id == home.id or (host.cpu_model is not None and host.cpu_model == home.cpu_model)
    return name in host.cpu_features


def _is_among(ids: frozenset[str], host: Host) -> bool:
    return host.id in ids


def _is_not_among(ids: frozenset[str], host: Host) -> bool:
    return host.id not in ids


def _has_network(name: str, host: Host) -> bool:
    return name in host.networks


def requirements_of(guest: Guest, home: Host, least: str | None, barred: Refused) -> tuple[object, ...]:
    """Guests of one shape can reach the same hosts."""
    return (
        frozenset(d.datastore for d in guest.disks),
        frozenset(local_storage(guest, home)),
        frozenset(guest.networks),
        guest.cpu_models,
        guest.min_version,
        guest.cpu_features,
        home.id if guest.cpu_features else None,
        guest.targets,
        tuple(barred.get(guest.id, {}).items()),
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
