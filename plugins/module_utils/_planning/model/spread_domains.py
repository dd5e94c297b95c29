# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that an even spread is over."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.snapshot import Guest, Host, Rule


class SpreadDomains:
    """Hosts that take part and could have one of the guests, or have one, unless strict host rules keep every
    one of the guests away from there.

    A host that one guest has to leave counts as long as another may be there by the rules, even if that one
    can't go there now: what was evenly spread is not to end up on fewer hosts.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        guests: Sequence[Guest],
        rules: Sequence[Rule],
        places: Sequence[int],
        home: Sequence[int],
    ) -> None:
        """places: by guest a bit mask of the hosts where it may be; home: by guest where it is."""
        self._places, self._home = places, home
        self._size = len(hosts)
        everywhere = (1 << len(hosts)) - 1
        bit = {host.id: 1 << index for index, host in enumerate(hosts)}
        self._active = sum(bit[host.id] for host in hosts if host.active)
        self._ruled = dict.fromkeys(range(len(guests)), everywhere)
        index = {guest.id: number for number, guest in enumerate(guests)}
        for rule in rules:
            if rule.strict and rule.kind in ("host_affinity", "host_anti_affinity"):
                listed = sum(bit[host] for host in rule.hosts)
                wanted = listed if rule.kind == "host_affinity" else everywhere & ~listed
                for guest in rule.guests:
                    self._ruled[index[guest]] &= wanted

    def of(self, guests: Sequence[int], moving: Sequence[int]) -> frozenset[int]:
        """moving: those of the guests that may move."""
        mask = ruled = 0
        for guest in guests:
            mask |= 1 << self._home[guest]
            ruled |= self._ruled[guest]
        for guest in moving:
            mask |= self._places[guest]
        mask &= ruled & self._active
        return frozenset(index for index in range(self._size) if mask >> index & 1)
