# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts and guests a policy's selectors mean. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from .._model.policy import Selector
from .._model.snapshot import Guest, Host
from .errors import PlanningError

WILDCARDS = frozenset("*?[")


def is_empty(selector: Selector) -> bool:
    return not (selector.names or selector.regex or selector.tags or selector.pools or selector.labels)


def select_hosts(hosts: Iterable[Host], selector: Selector, field: str) -> frozenset[str]:
    """Ids of the hosts that match any part. Raises PlanningError for an exact name that no host has: a typing
    error there would open a host that was meant to stay closed."""
    hosts = tuple(hosts)
    known = {name for host in hosts for name in (host.id, host.name)}
    for name in selector.names:
        if name not in known and not WILDCARDS & set(name):
            raise PlanningError(
                f"no host has the name or id {name!r}",
                where=field,
                hint=f"Hosts of this cluster: {', '.join(sorted(host.name for host in hosts)[:10])}",
            )
    return frozenset(
        host.id
        for host in hosts
        if _named(selector, host.id, host.name)
        or host.pool in selector.pools
        or (selector.labels and selector.labels.items() <= host.labels.items())
        or any(tag in host.labels for tag in selector.tags)
    )


def select_guests(guests: Iterable[Guest], selector: Selector) -> frozenset[str]:
    """Ids of the guests that match any part; guests come and go, so a name that no guest has selects
    nothing."""
    return frozenset(
        guest.id
        for guest in guests
        if _named(selector, guest.id, guest.name)
        or guest.pool in selector.pools
        or any(tag in guest.tags for tag in selector.tags)
    )


def _named(selector: Selector, id_: str, name: str) -> bool:
    for pattern in selector.names:
        if pattern in (id_, name) or fnmatchcase(name, pattern):
            return True
    return selector.regex is not None and re.search(selector.regex, name) is not None
