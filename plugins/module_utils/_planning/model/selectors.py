# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts and guests a policy's selectors mean."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..._model.lookup import Directory
from ..._model.policy.policy import Exclusions
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Host
from ..._model.text.regexes import compiled

WILDCARDS = frozenset("*?[")


def select_hosts(hosts: Iterable[Host], selector: Selector, field: str) -> frozenset[str]:
    """Ids of the hosts that match any part. Raises UnknownName for an exact name that no host has,
    since a typing error there would open a host that was meant to stay closed, and AmbiguousName for one that
    several have."""
    hosts = tuple(hosts)
    directory = Directory(hosts, "host")
    named = {directory.one(name, field) for name in exact_names(selector)}
    return frozenset(
        host.id
        for host in hosts
        if host.id in named
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
    nothing. Raises AmbiguousName for an exact name that several guests have."""
    guests = tuple(guests)
    names = exact_names(selector)
    directory = Directory(guests, "guest") if names else None
    named = {directory.find(name, field) for name in names} if directory else set()
    return frozenset(
        guest.id
        for guest in guests
        if guest.id in named
        or _like(selector, guest.name)
        or guest.kind in selector.kinds
        or _any_like((guest.pool,), selector.pools)
        or _any_like(guest.tags, selector.tags)
    )


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
