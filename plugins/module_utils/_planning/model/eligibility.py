# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests may move, and to which hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..._model.blockers import in_words
from ..._model.loads import guest_used, local_storage
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Rule
from .capacity import HostRoles
from .choices import CHOICE, LEFT_OUT, left_out_of
from .cooldown import cooldown_reason
from .goal_traits import traits_of
from .move_units import joined
from .refusals import refused_targets
from .selectors import select_guests
from .snapshot_index import Mask, SnapshotIndex, mask_of
from .stayers import Stayers, stayers_of

VENDOR = "vendor:"
OTHERS_EMPTIED = "only other hosts are being emptied"
NUMBERS = re.compile(r"[0-9]+")


def immovable_reason(
    index: SnapshotIndex, policy: Policy, roles: HostRoles, rules: Sequence[Rule], *, others_stay: bool
) -> list[str | None]:
    """By guest index: why it stays where it is, whatever the plan; None for a guest that may move.

    others_stay: whether goal evacuate moves no guest of any other host.
    """
    snapshot, at = index.snapshot, index.host_at
    excluded = select_guests(snapshot.guests, policy.exclude.guests, "policy.exclude.guests")
    allowed = frozenset(policy.allow_blockers)
    stay = stayers_of(snapshot, policy)
    packs = traits_of(policy).chooses_hosts
    stays = [
        _is_left_alone(index, guest, stay, leaving=packs or roles.leaving[at[guest.host]])
        or _stays(
            guest,
            snapshot.hosts[at[guest.host]],
            roles.releases[at[guest.host]],
            guest.id in excluded,
            allowed,
        )
        or rests
        for guest, rests in zip(snapshot.guests, cooldown_reason(index, policy, roles, rules), strict=True)
    ]
    if traits_of(policy).names_hosts and others_stay:
        pinned = pinned_with_partners(rules)
        for number, guest in enumerate(snapshot.guests):
            if stays[number] is None and not roles.leaving[at[guest.host]] and guest.id not in pinned:
                stays[number] = OTHERS_EMPTIED
    return stays


def pinned_with_partners(rules: Sequence[Rule]) -> frozenset[str]:
    """The guests that are pinned by choice, and those that strict rules keep beside them."""
    pinned = frozenset(guest for rule in rules if rule.source == CHOICE for guest in rule.guests)
    if not pinned:
        return pinned
    kept = joined(frozenset(rule.guests) for rule in rules if rule.strict and rule.kind == "affinity")
    return pinned.union(*(together for together in kept if together & pinned))


def left_out_reason(index: SnapshotIndex, policy: Policy) -> list[str | None]:
    """By guest index: that it stays by choice; None for the others."""
    stay = left_out_of(index.snapshot, policy).stay
    return [LEFT_OUT if guest.id in stay else None for guest in index.guests]


def _is_left_alone(index: SnapshotIndex, guest: Guest, stay: Stayers, *, leaving: bool) -> str | None:
    """Why a guest is not ours to move, whatever the platform could do. leaving: its host may be emptied."""
    if guest.platform_managed:
        return "the platform itself moves it or shuts it down"
    if guest.is_on_host and guest.migrating_to not in (None, guest.host):
        return f"it is being migrated to {index.host_name(guest.migrating_to or '')} at this moment"
    if leaving and guest.id in stay.shut_down:
        return "it is to be shut down before its host enters maintenance mode"
    if leaving and guest.id in stay.may_stay:
        return "the policy lets it stay (may_stay)"
    return None


def _stays(guest: Guest, host: Host, releases: bool, excluded: bool, allowed: frozenset[str]) -> str | None:
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
    if not releases:
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


class HostRequirements:
    """Per guest, the requirements that its host must meet, from datastores to the hypervisor version."""

    def __init__(self, index: SnapshotIndex, policy: Policy, roles: HostRoles) -> None:
        self.index, self.receiving = index, mask_of(roles.receives)
        self._barred = refused_targets(index.snapshot, policy)
        self._not_older = policy.target_version == "not_older"
        self._left_out = left_out_of(index.snapshot, policy).hosts
        self._masks: dict[tuple[object, ...], Mapping[str, Mask]] = {}

    def reachable_hosts(self, guest: int) -> Mask:
        """The hosts that take guests and could run this one, whatever its rules and what is left out by
        choice.
        """
        mask = self.receiving
        for hosts in self._technical(guest).values():
            mask &= hosts
        return mask

    def of(self, guest: int) -> Mapping[str, Mask]:
        """The hosts that meet each requirement, by a name for people."""
        shut = self._left_out.get(self.index.guests[guest].id)
        if not shut:
            return self._technical(guest)
        names = ", ".join(sorted(map(self.index.host_name, shut)))
        return {
            **self._technical(guest),
            f"the choice that it is not migrated to {names}": self.not_left_out(guest),
        }

    def not_left_out(self, guest: int) -> Mask:
        """All hosts but those to which the guest is not migrated by choice."""
        shut = self._left_out.get(self.index.guests[guest].id, ())
        return self.index.everywhere & ~sum(1 << self.index.host_at[host] for host in shut)

    def _technical(self, guest: int) -> Mapping[str, Mask]:
        item, home = self.index.guests[guest], self.index.hosts[self.index.home[guest]]
        least = home.version if self._not_older else None
        key = self._shape(item, home, least)
        if key not in self._masks:
            self._masks[key] = dict(self._requirements(item, home, least))
        return self._masks[key]

    def _shape(self, guest: Guest, home: Host, least: str | None) -> tuple[object, ...]:
        """Guests of one shape have the same requirements."""
        return (
            frozenset(d.datastore for d in guest.disks),
            frozenset(local_storage(guest, home)),
            frozenset(guest.networks),
            guest.cpu_models,
            guest.min_version,
            guest.cpu_features,
            home.id if guest.cpu_features else None,
            guest.targets,
            tuple(self._barred.get(guest.id, {}).items()),
            home.dedicated,
            least,
        )

    def _requirements(self, guest: Guest, home: Host, least: str | None) -> Iterator[tuple[str, Mask]]:
        """least: the least version that the policy wants besides that of the guest."""
        hosts, name_of = self.index.hosts, self.index.host_name
        local = local_storage(guest, home)
        for name in dict.fromkeys(disk.datastore for disk in guest.disks):
            if name not in local:
                yield f"datastore {name}", mask_of(name in host.datastores for host in hosts)
            elif local[name]:
                yield f"local datastore {name}", mask_of(_takes_disks(host, name) for host in hosts)
        for name in guest.networks:
            yield f"network {name}", mask_of(name in host.networks for host in hosts)
        models = guest.cpu_models
        yield (
            "its CPU model",
            mask_of(models is None or host.cpu_model is None or host.cpu_model in models for host in hosts),
        )
        for feature in guest.cpu_features:
            is_vendor = feature.startswith(VENDOR)
            text = f"CPU vendor {feature.removeprefix(VENDOR)}" if is_vendor else f"CPU feature {feature}"
            yield text, mask_of(_has_feature(host, feature, home) for host in hosts)
        targets = guest.targets
        if targets is not None:
            names = ", ".join(name_of(host) for host in targets[:10]) or "none"
            yield (
                f"its list of possible targets ({names})",
                mask_of(host.id in targets for host in hosts),
            )
        refused = self._barred.get(guest.id, {})
        if refused:
            texts = [f"{name_of(host)}: {refusal.why}" for host, refusal in sorted(refused.items())]
            yield (
                f"a refusal by the platform ({'; '.join(texts[:5])})",
                mask_of(host.id not in refused for host in hosts),
            )
        versions = (guest.min_version, least)
        yield (
            "its hypervisor version",
            mask_of(not any(is_older(host.version, version) for version in versions) for host in hosts),
        )
        dedicated = "its dedicated host" if home.dedicated else "that other hosts are dedicated"
        yield dedicated, mask_of(host.dedicated == home.dedicated for host in hosts)


def _takes_disks(host: Host, datastore: str) -> bool:
    """Local disks are copied to the host, so that its datastore has to be open to new ones."""
    place = host.datastores.get(datastore)
    return place is not None and not place.shared and place.closed_because is None


def _has_feature(host: Host, name: str, home: Host) -> bool:
    """Where the features of a host are not known, only the CPU of the present host will do."""
    if host.cpu_features is None:
        return host.id == home.id or (host.cpu_model is not None and host.cpu_model == home.cpu_model)
    return name in host.cpu_features


def is_older(version: str | None, least: str | None) -> bool:
    """Whether a version is certainly below another by its leading numbers; unknown ones are not."""
    if version is None or least is None:
        return False
    have, want = ([int(part) for part in NUMBERS.findall(text)] for text in (version, least))
    if not have or not want:
        return False
    length = max(len(have), len(want))
    return have + [0] * (length - len(have)) < want + [0] * (length - len(want))
