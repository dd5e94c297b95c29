# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts and guests of a snapshot by number, by id and by rule, worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..._model.snapshot import Guest, Host, Rule, Snapshot

# Bit mask of hosts.
Mask = int


@dataclass(frozen=True, eq=False)
class SnapshotIndex:
    """A number is the position of a host or guest in the snapshot."""

    snapshot: Snapshot

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.snapshot.hosts

    @property
    def guests(self) -> tuple[Guest, ...]:
        return self.snapshot.guests

    @cached_property
    def host_at(self) -> Mapping[str, int]:
        """Number of each host by id."""
        return {host.id: number for number, host in enumerate(self.hosts)}

    @cached_property
    def guest_at(self) -> Mapping[str, int]:
        """Number of each guest by id."""
        return {guest.id: number for number, guest in enumerate(self.guests)}

    @cached_property
    def home(self) -> tuple[int, ...]:
        """By guest, the host that counts as its own: the target of a migration under way, else where it
        is."""
        at = self.host_at
        return tuple(
            at[guest.host] if guest.migrating_to is None else at.get(guest.migrating_to, at[guest.host])
            for guest in self.guests
        )

    @cached_property
    def arriving(self) -> tuple[tuple[Guest, int, int], ...]:
        """Guests that are being migrated, with the numbers of the hosts that they leave and go to."""
        at = self.host_at
        return tuple(
            (guest, at[guest.host], target)
            for guest, target in zip(self.guests, self.home, strict=True)
            if guest.is_on_host and target != at[guest.host]
        )

    @property
    def everywhere(self) -> Mask:
        return (1 << len(self.hosts)) - 1

    def host_name(self, host: str) -> str:
        """Name of the host with this id; the id itself when the cluster has no such host."""
        return self.hosts[self.host_at[host]].name if host in self.host_at else host

    def members(self, rule: Rule) -> tuple[int, ...]:
        """Numbers of the guests of a rule."""
        return tuple(self.guest_at[guest] for guest in rule.guests)

    def allowed_hosts(self, rule: Rule) -> Mask:
        """The hosts that a host rule allows."""
        listed = sum(1 << self.host_at[host] for host in rule.hosts)
        return listed if rule.kind == "host_affinity" else self.everywhere & ~listed

    def broken_pin(self, rule: Rule) -> bool:
        """Whether a guest of a host rule is on a host that the rule does not allow."""
        allowed = self.allowed_hosts(rule)
        return any(not allowed >> self.home[guest] & 1 for guest in self.members(rule))


def bits(mask: Mask) -> Iterator[int]:
    """The hosts of a mask, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(flags: Iterable[bool]) -> Mask:
    """The hosts whose flag is set, of one flag per host."""
    return sum(1 << host for host, flag in enumerate(flags) if flag)
