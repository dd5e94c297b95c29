# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts and guests a policy's selectors mean. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from .._model.regexes import compiled
from .._model.selector import Selector
from .._model.snapshot import Guest, Host
from .errors import PlanningError

WILDCARDS = frozenset("*?[")


def select_hosts(hosts: Iterable[Host], selector: Selector, field: str) -> frozenset[str]:
    """Ids of the hosts that match any part. Raises PlanningError for an exact name that no host has: a typing
    error there would open a host that was meant to stay closed."""
    hosts = tuple(hosts)
    known = {name for host in hosts for name in (host.id, host.name)}
    for name in selector.names:
        if name not in known and not WILDCARDS & set(name):
            raise PlanningError(
                f"no host has the name or id {name!r}", where=field, hint=there_are("hosts", hosts)
            )
    return frozenset(
        host.id
        for host in hosts
        if _named(selector, host.id, host.name)
        or _any_like((host.pool,), selector.pools)
        or (selector.labels and selector.labels.items() <= host.labels.items())
        or _any_like(host.labels, selector.tags)
    )


def there_are(what: str, things: Sequence[Host | Guest]) -> str:
    """Some names to choose from, for whoever gave one that nothing has."""
    names = sorted(thing.name for thing in things)
    return f"{what.capitalize()} of this cluster: {', '.join(names[:10])}{', …' if names[10:] else ''}"


def select_guests(guests: Iterable[Guest], selector: Selector) -> frozenset[str]:
    """Ids of the guests that match any part; guests come and go, so a name that no guest has selects
    nothing."""
    return frozenset(
        guest.id
        for guest in guests
        if _named(selector, guest.id, guest.name)
        or guest.kind in selector.kinds
        or _any_like((guest.pool,), selector.pools)
        or _any_like(guest.tags, selector.tags)
    )


def _any_like(values: Iterable[str | None], patterns: Iterable[str]) -> bool:
    texts = [value for value in values if value is not None]
    return any(pattern == text or fnmatchcase(text, pattern) for pattern in patterns for text in texts)


def _named(selector: Selector, id_: str, name: str) -> bool:
    for pattern in selector.names:
        if pattern in (id_, name) or fnmatchcase(name, pattern):
            return True
    return selector.regex is not None and compiled(selector.regex).match(name) is not None
