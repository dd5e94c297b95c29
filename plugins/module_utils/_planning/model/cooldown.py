# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that rest: moved a short while ago, or failed to; and how long a failure counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..._model.errors import InputError
from ..._model.loads import is_unmeasured
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Rule, Snapshot
from ..._model.text.moments import later
from .capacity import HostRoles
from .choices import CHOICE
from .snapshot_index import SnapshotIndex

NAMES = {"cpu": "CPU", "disk_io": "disk I/O", "network_io": "network I/O"}


def cooldown_reason(
    index: SnapshotIndex, policy: Policy, roles: HostRoles, rules: Sequence[Rule]
) -> list[str | None]:
    """By guest index: why it is not moved yet, None for one that rests no more or never did.

    "Now" is the moment of the snapshot. A guest whose host is to be emptied never rests, and one that only
    cools down, or is not measured yet, is moved when a strict rule that it is under is broken. One that is
    pinned elsewhere by choice never rests.
    """
    snapshot = index.snapshot
    fresh = policy.demand != "assigned" and any(guest.sources for guest in snapshot.guests)
    if not policy.cool_down and not policy.retry_after and not fresh:
        return [None] * len(snapshot.guests)
    warm_since = _before(snapshot.taken_at, policy.cool_down)
    pause = pause_after_failure(snapshot, policy)
    needed = _under_broken_rules(index, rules)
    pinned = _under_broken_rules(index, [rule for rule in rules if rule.source == CHOICE])
    found: list[str | None] = []
    for guest in snapshot.guests:
        why = None
        if not roles.leaving[index.host_at[guest.host]] and guest.id not in pinned:
            why = _failed(guest, pause)
            if why is None and guest.id not in needed:
                why = _in_cooldown(guest, warm_since, policy.cool_down)
                why = why or (_unmeasured(guest, policy) if fresh else None)
        found.append(why)
    return found


def recently_migrated(snapshot: Snapshot, seconds: float) -> set[str]:
    """Ids of the guests that were migrated within this many seconds before the moment of the snapshot."""
    moved = {guest.id: guest.last_migrated_at for guest in snapshot.guests if guest.last_migrated_at}
    if not moved:
        return set()
    since = _before(snapshot.taken_at, seconds)
    return {guest for guest, at in moved.items() if at > since}


@dataclass(frozen=True, slots=True)
class PauseAfterFailure:
    """What has failed after `since` is not tried again yet; `seconds` is the policy's retry_after."""

    since: str
    seconds: float

    def reason(self, what: str, failed_at: str | None) -> str | None:
        """Why it is not tried again; None where it may be. what: whose failure it was."""
        if failed_at is None or failed_at <= self.since:
            return None
        return f"{what} failed at {failed_at}, and retry_after is {self.seconds:g} s"


def pause_after_failure(snapshot: Snapshot, policy: Policy) -> PauseAfterFailure | None:
    """None where all is tried again at once. Raises InputError for a moment that can't be reckoned with."""
    if not policy.retry_after:
        return None
    return PauseAfterFailure(_before(policy.now or snapshot.taken_at, policy.retry_after), policy.retry_after)


def _before(moment: str, seconds: float) -> str:
    try:
        return later(moment, -seconds)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None


def _failed(guest: Guest, pause: PauseAfterFailure | None) -> str | None:
    if pause is None or (guest.last_failed_at or "") < (guest.last_migrated_at or ""):
        return None
    return pause.reason("its migration", guest.last_failed_at)


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


def _under_broken_rules(index: SnapshotIndex, rules: Sequence[Rule]) -> set[str]:
    """The guests of every strict rule that does not hold as things are."""
    return {guest for rule in rules if rule.strict and _broken(index, rule) for guest in rule.guests}


def _broken(index: SnapshotIndex, rule: Rule) -> bool:
    counts = Counter(index.home[guest] for guest in index.members(rule))
    if rule.kind == "affinity":
        return len(counts) > 1
    if rule.kind == "anti_affinity":
        return len(counts) < len(rule.guests)
    if rule.kind == "even_spread":
        # Perhaps not every active host is one that they could be spread over: better to let them move.
        most = max(counts.values(), default=0)
        active = (counts[number] for number, host in enumerate(index.hosts) if host.active)
        return most - min(active, default=most) > rule.max_skew
    return index.broken_pin(rule)
