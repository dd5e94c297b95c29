# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why rules can't be kept, in the smallest terms: nothing can be left out of an answer without losing it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from .capacity import MEMORY, HostRoles, ResourceNeeds, closed_hosts
from .eligibility import HostRequirements
from .problem import Group
from .snapshot_index import Mask, SnapshotIndex, bits


def minimal_conflict(places: Mask, wanted: Mapping[str, Mask]) -> tuple[str, ...]:
    """Names of restrictions that leave none of these places, none of which could go; the later ones go first.

    Raises ValueError when all of them together leave a place.
    """
    kept = list(wanted)
    if _common(places, wanted.values()):
        raise ValueError("there is no conflict")
    for name in reversed(list(wanted)):
        others = [other for other in kept if other != name]
        if not _common(places, map(wanted.__getitem__, others)):
            kept = others
    return tuple(kept)


def excludes_every_host(names: Sequence[str], whom: str, what: str = "such") -> str:
    """Says that these restrictions leave `whom` no host of that sort."""
    return f"{' and '.join(names)} {'leaves' if len(names) == 1 else 'leave'} {whom} no {what} host"


def _common(places: Mask, masks: Iterable[Mask]) -> Mask:
    for mask in masks:
        places &= mask
    return places


def hall_violation(allowed: Mapping[int, Mask]) -> tuple[list[int], Mask] | None:
    """The fewest guests that have fewer hosts among them than they are, and those hosts; None where each can
    have a host of its own.

    Hall's theorem: whoever a maximum matching leaves out, with all that alternating paths reach, is such a
    set.
    """
    holder: dict[int, int] = {}
    for guest in allowed:
        crowd = _match(guest, allowed, holder)
        if crowd:
            for other in sorted(crowd, reverse=True):
                rest = [member for member in crowd if member != other]
                if rest and len(rest) > _hosts_of(rest, allowed).bit_count():
                    crowd = rest
            return sorted(crowd), _hosts_of(crowd, allowed)
    return None


def _match(guest: int, allowed: Mapping[int, Mask], holder: dict[int, int]) -> list[int]:
    """Assign the guest a host along a shortest alternating path; where there is none, returns all guests that
    such paths reach, itself included. O(guests + hosts) steps.
    """
    seen: Mask = 0
    reached, ahead = [guest], deque([guest])
    # By host that a path reached, the guest that would take it over.
    taker: dict[int, int] = {}
    while ahead:
        one = ahead.popleft()
        fresh = allowed[one] & ~seen
        seen |= fresh
        for host in bits(fresh):
            taker[host] = one
            if host not in holder:
                _hand_over(host, taker, holder)
                return []
            reached.append(holder[host])
            ahead.append(holder[host])
    return reached


def _hand_over(host: int, taker: Mapping[int, int], holder: dict[int, int]) -> None:
    """Turn the path that ends at this free host around: each guest on it gets the host that it reached."""
    had = {guest: place for place, guest in holder.items()}
    while True:
        guest = taker[host]
        holder[host] = guest
        if guest not in had:
            return
        host = had[guest]


def _hosts_of(guests: Sequence[int], allowed: Mapping[int, Mask]) -> Mask:
    union = 0
    for guest in guests:
        union |= allowed[guest]
    return union


class HostSharing:
    """The obstacles to guests sharing a host. mask: by guest where it may be; stays: why it does not move."""

    def __init__(
        self,
        index: SnapshotIndex,
        mask: Sequence[Mask],
        stays: Sequence[str | None],
        needs: ResourceNeeds,
        groups: Sequence[Group],
    ) -> None:
        self.guests, self.hosts, self.home = index.guests, index.hosts, index.home
        self.everywhere = index.everywhere
        self.mask, self.stays, self.needs, self.groups = mask, stays, needs, groups

    def conflict(self, members: Sequence[int]) -> str | None:
        """Why these guests can't share a host; None when some host would do."""
        names = [self.guests[member].name for member in members]
        together = set(members)
        for group in self.groups:
            pair = [guest for guest in group.guests if guest in together]
            if group.kind == "apart" and group.strict and len(pair) > 1:
                first, second = (self.guests[guest].name for guest in pair[:2])
                return f"rule {group.name} keeps {first} and {second} apart, which this one wants together"
        fixed = {self.home[member]: member for member in members if self.stays[member] is not None}
        if len(fixed) > 1:
            texts = [
                f"{self.guests[member].name} stays on {self.hosts[home].name} ({self.stays[member]})"
                for home, member in sorted(fixed.items())[:2]
            ]
            return " and ".join(texts)
        masks = {
            self.guests[m].name: self.mask[m] if self.stays[m] is None else 1 << self.home[m] for m in members
        }
        mask = _common(self.everywhere, masks.values())
        if not mask:
            conflict = minimal_conflict(self.everywhere, masks)[:10]
            return f"no host may run {'all of ' * (len(conflict) > 1)}{', '.join(conflict)}"
        total = [sum(parts) for parts in zip(*(self.needs.guest[member] for member in members), strict=True)]
        if any(self.could_hold(host, members, total) for host in bits(mask)):
            return None
        size = f"{total[self.needs.resources.index(MEMORY)] / 2**30:.1f} GiB of memory"
        return f"no host has room for {', '.join(names[:10])} together ({size})"

    def could_hold(self, host: int, members: Sequence[int], total: Sequence[float]) -> bool:
        """Whether they fit on the host with every other guest that may leave it gone."""
        if all(self.home[guest] == host for guest in members):
            return True
        used = list(self.needs.used[host])
        for guest, home in enumerate(self.home):
            if home == host and (self.stays[guest] is None or guest in members):
                used = [a - b for a, b in zip(used, self.needs.guest[guest], strict=True)]
        tops = self.needs.ceiling_for_rules[host]
        return all(a + b <= top for a, b, top in zip(used, total, tops, strict=True) if b)


class NoFeasibleHost:
    """The restrictions that leave a guest no host, in words."""

    def __init__(self, requirements: HostRequirements, roles: HostRoles) -> None:
        index = requirements.index
        self.hosts, self.guests, self.home = index.hosts, index.guests, index.home
        self.requirements, self.roles = requirements, roles
        self.receiving = requirements.receiving

    def such_host(self, guest: int, wanted: Mask) -> str:
        """Why none of the hosts that a rule leaves could run this guest of it."""
        name = self.guests[guest].name
        places = wanted & self.receiving
        if not places:
            return "no such host takes guests"
        return _conflict(places, self.requirements.of(guest), name, "such") or f"there is none for {name}"

    def other_host(
        self,
        guests: Sequence[int],
        stays: Sequence[str | None],
        pins: Mapping[str, tuple[frozenset[int], Mask]],
    ) -> str:
        """Why these guests, which are on one host and stay together, have no other.

        stays: why one does not move; pins: by the name of a rule its guests, and the hosts that it leaves.
        """
        places = self.receiving & ~(1 << self.home[guests[0]])
        if not places:
            why = closed_hosts(self.hosts, self.roles, without=self.home[guests[0]])
            return f"no other host takes guests{f' ({why})' if why else ''}"
        wanted: dict[str, Mask] = {}
        for guest in guests:
            of = f" of {self.guests[guest].name}" if len(guests) > 1 else ""
            if stays[guest] is not None:
                wanted[f"{self.guests[guest].name}, which stays and is kept beside it,"] = (
                    1 << self.home[guest]
                )
            wanted.update({f"{what}{of}": mask for what, mask in self.requirements.of(guest).items()})
            wanted.update({f"rule {name}": mask for name, (whom, mask) in pins.items() if guest in whom})
        return _conflict(places, wanted, "it", "other") or "its rules leave it no other host"


def _conflict(places: Mask, wanted: Mapping[str, Mask], whom: str, what: str) -> str | None:
    """Which of these restrictions leave `whom` no host of these places; None when they leave one."""
    if _common(places, wanted.values()):
        return None
    return excludes_every_host(minimal_conflict(places, wanted), whom, what)
