# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts and guests a policy's selectors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from ..._model.lookup import Directory
from ..._model.policy.policy import Exclusions, Policy
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Host, Snapshot
from ..._model.text.regexes import compiled
from ..._model.where import GUEST, HOST, true_of

Thing = TypeVar("Thing", Guest, Host)
WILDCARDS = frozenset("*?[")


def select_hosts(hosts: Iterable[Host], selector: Selector, field: str) -> frozenset[str]:
    """Ids of the hosts that match any part. Raises UnknownName for an exact name that no host has,
    since a typing error there would open a host that was meant to stay closed, AmbiguousName for one that
    several have, and InputError for an expression that does not work for a host."""
    hosts = tuple(hosts)
    directory = Directory(hosts, "host")
    named = {directory.one(name, field) for name in exact_names(selector)}
    path = f"{field.removesuffix('.names')}.where"
    named |= {host.id for host in true_of(hosts, selector.where, path, HOST)}
    return frozenset(
        host.id
        for host in hosts
        if host.id in named
        or host.id in selector.names
        or _like(selector, host.name)
        or _any_like((host.pool,), selector.pools)
        or (selector.labels and selector.labels.items() <= host.labels.items())
        or _any_like(host.labels, selector.tags)
    )


def excluded_hosts(hosts: Iterable[Host], exclude: Exclusions) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of the hosts that give no guests, and of those that take none. Raises as select_hosts."""
    hosts = tuple(hosts)
    return (
        select_hosts(hosts, exclude.sources, "policy.exclude.sources.names"),
        select_hosts(hosts, exclude.targets, "policy.exclude.targets.names"),
    )


def select_guests(guests: Iterable[Guest], selector: Selector, field: str = "guests") -> frozenset[str]:
    """Ids of the guests that match any part; guests come and go, so a name that no guest has selects
    nothing. Raises AmbiguousName for an exact name that several guests have, and InputError for an expression
    that does not work for a guest."""
    guests = tuple(guests)
    names = exact_names(selector)
    directory = Directory(guests, "guest") if names else None
    named = {directory.find(name, field) for name in names} if directory else set()
    named |= {guest.id for guest in true_of(guests, selector.where, f"{field}.where", GUEST)}
    return frozenset(
        guest.id
        for guest in guests
        if guest.id in named
        or guest.id in selector.names
        or _like(selector, guest.name)
        or guest.kind in selector.kinds
        or _any_like((guest.pool,), selector.pools)
        or _any_like(guest.tags, selector.tags)
    )


def with_expressions_answered(policy: Policy, snapshot: Snapshot) -> Policy:
    """The policy with the guests and hosts that its expressions select, by their ids.

    They are selected once, in the cluster as it was read: a plan changes loads and hosts, and would otherwise
    select others on the way.
    """
    guests = _Answers(snapshot.guests, select_guests)
    hosts = _Answers(snapshot.hosts, select_hosts)
    exclude = policy.exclude
    return replace(
        policy,
        exclude=Exclusions(
            sources=hosts.of(exclude.sources, "policy.exclude.sources"),
            targets=hosts.of(exclude.targets, "policy.exclude.targets"),
            guests=guests.of(exclude.guests, "policy.exclude.guests"),
        ),
        may_stay=guests.of(policy.may_stay, "policy.may_stay"),
        shut_down=guests.of(policy.shut_down, "policy.shut_down"),
        evacuate=policy.evacuate and hosts.of(policy.evacuate, "policy.evacuate"),
        reserves=tuple(
            replace(one, hosts=hosts.of(one.hosts, f"policy.reserves[{index}].hosts"))
            for index, one in enumerate(policy.reserves)
        ),
        maintenance_windows=tuple(
            replace(one, hosts=hosts.of(one.hosts, f"policy.maintenance_windows[{index}].hosts"))
            for index, one in enumerate(policy.maintenance_windows)
        ),
        priorities=tuple(
            replace(one, guests=guests.of(one.guests, f"policy.priorities[{index}].guests"))
            for index, one in enumerate(policy.priorities)
        ),
        rules=tuple(
            replace(
                one,
                guests=one.guests and guests.of(one.guests, f"policy.rules[{index}].guests"),
                hosts=one.hosts and hosts.of(one.hosts, f"policy.rules[{index}].hosts"),
            )
            for index, one in enumerate(policy.rules)
        ),
    )


class _Answers(Generic[Thing]):
    """Selectors whose expressions are replaced by the ids of those that they select."""

    def __init__(
        self,
        things: Sequence[Thing],
        select: Callable[[Sequence[Thing], Selector, str], frozenset[str]],
    ) -> None:
        self._things: Sequence[Thing] = things
        self._select: Callable[[Sequence[Thing], Selector, str], frozenset[str]] = select

    def of(self, selector: Selector, field: str) -> Selector:
        if selector.where is None:
            return selector
        ids: frozenset[str] = self._select(self._things, Selector(where=selector.where), field)
        return replace(selector, where=None, names=(*selector.names, *sorted(ids)))


def exact_names(selector: Selector) -> list[str]:
    """Those of its names that are ids or names as they are."""
    return [name for name in selector.names if not WILDCARDS & set(name)]


def _any_like(values: Iterable[str | None], patterns: Iterable[str]) -> bool:
    texts = [value for value in values if value is not None]
    return any(pattern == text or fnmatchcase(text, pattern) for pattern in patterns for text in texts)


def _like(selector: Selector, name: str) -> bool:
    """Whether a shell pattern or the regular expression fits a name."""
    for pattern in selector.names:
        if WILDCARDS & set(pattern) and (pattern == name or fnmatchcase(name, pattern)):
            return True
    return selector.regex is not None and compiled(selector.regex).match(name) is not None
