# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that rest: moved a short while ago, or failed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..._model.errors import InputError
from ..._model.loads import is_unmeasured
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Rule, Snapshot
from ..._model.text.moments import later
from .capacity import HostRoles
from .guest_locations import place_of

NAMES = {"cpu": "CPU", "disk_io": "disk I/O", "network_io": "network I/O"}


def cooldown_reason(
    snapshot: Snapshot, policy: Policy, roles: HostRoles, rules: Sequence[Rule]
) -> list[str | None]:
    """By guest index: why it is not moved yet, None for one that rests no more or never did.

    "Now" is the moment of the snapshot. A guest whose host is to be emptied never rests, and one that only
    cools down, or is not measured yet, is moved when a strict rule that it is under is broken.
    """
    fresh = policy.demand != "assigned" and any(guest.sources for guest in snapshot.guests)
    if not policy.cool_down and not policy.retry_after and not fresh:
        return [None] * len(snapshot.guests)
    try:
        warm_since = later(snapshot.taken_at, -policy.cool_down)
        failed_since = later(snapshot.taken_at, -policy.retry_after)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None
    leaving = {host.id for host, leaves in zip(snapshot.hosts, roles.leaving, strict=True) if leaves}
    needed = _under_broken_rules(snapshot, rules)
    found: list[str | None] = []
    for guest in snapshot.guests:
        why = None
        if guest.host not in leaving:
            why = _failed(guest, failed_since, policy.retry_after)
            if why is None and guest.id not in needed:
                why = _in_cooldown(guest, warm_since, policy.cool_down)
                why = why or (_unmeasured(guest, policy) if fresh else None)
        found.append(why)
    return found


def recently_migrated(snapshot: Snapshot, seconds: float) -> set[str]:
    """Ids of the guests that were migrated less than so many seconds before the moment of the snapshot."""
    moved = {guest.id: guest.last_migrated_at for guest in snapshot.guests if guest.last_migrated_at}
    if not moved:
        return set()
    try:
        since = later(snapshot.taken_at, -seconds)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None
    return {guest for guest, at in moved.items() if at > since}


def _failed(guest: Guest, since: str, seconds: float) -> str | None:
    at = guest.last_failed_at
    if not seconds or at is None or at <= since or at < (guest.last_migrated_at or ""):
        return None
    return f"its migration failed at {at}, and retry_after is {seconds:g} s"


def _in_cooldown(guest: Guest, since: str, seconds: float) -> str | None:
    at = guest.last_migrated_at
    if not seconds or at is None or at <= since:
        return None
    return f"it was migrated at {at}, less than {seconds:g} s ago"


def _unmeasured(guest: Guest, policy: Policy) -> str | None:
    wanted = dict.fromkeys(("cpu", "memory", *policy.metrics))
    names = [NAMES.get(name, name) for name in wanted if is_unmeasured(guest, name)]
    if not names:
        return None
    verb = "is" if len(names) == 1 else "are"
    return f"its {' and '.join(names)} {verb} not measured yet: it started or arrived a moment ago"


def _under_broken_rules(snapshot: Snapshot, rules: Sequence[Rule]) -> set[str]:
    """The guests of every strict rule that does not hold as things are."""
    known = {host.id for host in snapshot.hosts}
    at = {guest.id: place_of(guest, known) for guest in snapshot.guests}
    active = [host.id for host in snapshot.hosts if host.active]
    return {guest for rule in rules if rule.strict and _broken(rule, at, active) for guest in rule.guests}


def _broken(rule: Rule, at: dict[str, str], active: Sequence[str]) -> bool:
    counts = Counter(at[guest] for guest in rule.guests)
    if rule.kind == "affinity":
        return len(counts) > 1
    if rule.kind == "anti_affinity":
        return len(counts) < len(rule.guests)
    if rule.kind == "even_spread":
        # Perhaps not every active host is one that they could be spread over: better to let them move.
        most = max(counts.values(), default=0)
        return most - min((counts[host] for host in active), default=most) > rule.max_skew
    return any((host in rule.hosts) != (rule.kind == "host_affinity") for host in counts)
