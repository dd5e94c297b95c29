# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that an even spread is over."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.snapshot import Rule
from .rules import PINS
from .snapshot_index import Mask, SnapshotIndex, bits, mask_of


class SpreadDomains:
    """Hosts that take part and could have one of the guests, or have one, unless strict host rules keep every
    one of the guests away from there.

    A host that one guest has to leave counts as long as another may be there by the rules, even if that one
    can't go there now: what was evenly spread is not to end up on fewer hosts.
    """

    def __init__(self, index: SnapshotIndex, rules: Sequence[Rule], places: Sequence[Mask]) -> None:
        """places: by guest the hosts where it may be."""
        self._places, self._home = places, index.home
        self._active = mask_of(host.active for host in index.hosts)
        self._ruled = [index.everywhere] * len(index.guests)
        for rule in rules:
            if rule.strict and rule.kind in PINS:
                allowed = index.allowed_hosts(rule)
                for guest in index.members(rule):
                    self._ruled[guest] &= allowed

    def of(self, guests: Sequence[int], moving: Sequence[int]) -> frozenset[int]:
        """moving: those of the guests that may move."""
        mask = ruled = 0
        for guest in guests:
            mask |= 1 << self._home[guest]
            ruled |= self._ruled[guest]
        for guest in moving:
            mask |= self._places[guest]
        mask &= ruled & self._active
        return frozenset(bits(mask))
