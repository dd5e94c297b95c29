# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a migration would break a strict rule in the cluster as it is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from .._model.plan import Migration
from .._model.snapshot import Rule
from .._platforms.protocol import ClusterNow


class RuleCheck:
    """The strict rules of a cluster, by guest. Hosts that are `emptied` do not count in an even spread.
    `names`: how people know hosts and guests, by id.
    """

    def __init__(
        self, rules: Iterable[Rule], emptied: Collection[str] = (), names: Mapping[str, str] | None = None
    ) -> None:
        self._emptied = emptied
        self._names = names or {}
        self._by_guest: dict[str, list[Rule]] = {}
        for rule in rules:
            if rule.strict:
                for guest in rule.guests:
                    self._by_guest.setdefault(guest, []).append(rule)

    def members(self, migrations: Iterable[Migration]) -> set[str]:
        """Every guest whose place decides about these migrations."""
        return {
            guest
            for migration in migrations
            for rule in self._by_guest.get(migration.guest.id, ())
            for guest in rule.guests
        } | {migration.guest.id for migration in migrations}

    def with_migration(
        self,
        migration: Migration,
        now: ClusterNow,
        underway: Sequence[Migration],
        pending: Sequence[Migration],
    ) -> str | None:
        """The rule that held and that this migration would break, or None. A guest that is under way counts
        on both of its hosts; what keeps guests together or even is judged by where everything ends.
        """
        for rule in self._by_guest.get(migration.guest.id, ()):
            why = self._broken(rule, migration, now, underway, pending)
            if why is not None:
                return f"it would break rule {rule.name}: {why}"
        return None

    def _broken(
        self,
        rule: Rule,
        migration: Migration,
        now: ClusterNow,
        underway: Sequence[Migration],
        pending: Sequence[Migration],
    ) -> str | None:
        if rule.kind == "anti_affinity":
            return self._together(rule, migration, now, underway)
        if rule.kind == "host_affinity":
            inside = migration.source in rule.hosts
            return (
                f"{self._name(migration.target)} is not one of its hosts"
                if inside and migration.target not in rule.hosts
                else None
            )
        if rule.kind == "host_anti_affinity":
            outside = migration.source not in rule.hosts
            banned = outside and migration.target in rule.hosts
            return f"{self._name(migration.target)} is one of its hosts" if banned else None
        ends = _ends(rule, now, [*underway, *pending])
        if rule.kind == "affinity":
            apart = sorted(
                host
                for guest, host in ends.items()
                if guest != migration.guest.id and host != ends.get(migration.guest.id)
            )
            whole = len({now.guests[guest].host for guest in rule.guests if guest in now.guests}) <= 1
            return f"other guests of it stay on {self._name(apart[0])}" if apart and whole else None
        return self._uneven(rule, now, ends, [*underway, *pending])

    def _name(self, identity: str) -> str:
        return self._names.get(identity, identity)

    def _together(
        self, rule: Rule, migration: Migration, now: ClusterNow, underway: Sequence[Migration]
    ) -> str | None:
        sibling = _on(migration.target, rule, migration, now, underway)
        if sibling is None or _on(migration.source, rule, migration, now, underway) is not None:
            # Where it was broken before, it is not this migration that breaks it.
            return None
        return f"guest {self._name(sibling)} is on {self._name(migration.target)}"

    def _uneven(
        self, rule: Rule, now: ClusterNow, ends: Mapping[str, str], planned: Sequence[Migration]
    ) -> str | None:
        """A host that never has a member may be closed to all of them, and does not count as empty."""
        present = [now.guests[guest].host for guest in rule.guests if guest in now.guests]
        touched = {*present, *(end for other in planned if other.guest.id in ends for end in _both(other))}
        hosts = [
            host
            for host, state in now.hosts.items()
            if state.active and host in touched and host not in self._emptied
        ]
        skew = _skew(ends.values(), hosts)
        if skew <= max(rule.max_skew, _skew(present, hosts)):
            return None
        return f"its guests on two hosts would differ by {skew}"


def _on(
    host: str, rule: Rule, migration: Migration, now: ClusterNow, underway: Sequence[Migration]
) -> str | None:
    """Another guest of the rule that is on the host, or on its way to or from it."""
    for guest in rule.guests:
        if guest == migration.guest.id or guest not in now.guests:
            continue
        hosts = {now.guests[guest].host}
        hosts.update(
            end for other in underway if other.guest.id == guest for end in (other.source, other.target)
        )
        if host in hosts:
            return guest
    return None


def _ends(rule: Rule, now: ClusterNow, planned: Sequence[Migration]) -> Mapping[str, str]:
    """Where the members will be once all that is planned has happened."""
    places = {guest: now.guests[guest].host for guest in rule.guests if guest in now.guests}
    places.update({other.guest.id: other.target for other in planned if other.guest.id in places})
    return places


def _both(migration: Migration) -> tuple[str, str]:
    return migration.source, migration.target


def _skew(places: Iterable[str], hosts: Sequence[str]) -> int:
    counts = Counter(places)
    numbers = [counts[host] for host in hosts]
    return max(numbers, default=0) - min(numbers, default=0)
