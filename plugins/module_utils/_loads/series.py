# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of which guest or host a series is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._model.snapshot import Snapshot
from .._model.text.regexes import compiled
from .prometheus import Series, usable
from .queries import Of, Query


@dataclass(frozen=True, slots=True)
class Names:
    """Guests or hosts of a snapshot by label; None for a label that several have. `bare`: hosts
    that the platform knows without a domain.
    """

    ids: frozenset[str]
    known: Mapping[str, str | None]
    bare: Mapping[str, str | None]

    @classmethod
    def of(cls, snapshot: Snapshot, of: Of) -> Names:
        if of == "guest":
            ids = frozenset(guest.id for guest in snapshot.guests)
            return cls(ids, _unique((guest.name, guest.id) for guest in snapshot.guests), {})
        names = [(host.name, host.id) for host in snapshot.hosts]
        # Many a monitoring knows a host without its domain, or with one that the platform does not know.
        short = [(name.partition(".")[0], identity) for name, identity in names]
        addresses = [(host.address, host.id) for host in snapshot.hosts if host.address]
        return cls(
            frozenset(host.id for host in snapshot.hosts),
            _unique([*names, *short, *addresses]),
            _unique((name, identity) for name, identity in names if "." not in name),
        )

    def find(self, text: str) -> str | None:
        """The id; None for nobody's name, and for one that several have."""
        if text in self.ids:
            return text
        if text in self.known:
            return self.known[text]
        return self.bare.get(text.partition(".")[0])


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for name, identity in pairs:
        result[name] = identity if result.get(name, identity) == identity else None
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """By id: the values, and why there is none; `strangers` are the labels of series that fit nobody."""

    values: Mapping[str, float]
    troubles: Mapping[str, str]
    strangers: Sequence[str]


def assign(series: Iterable[Series], query: Query, names: Names) -> Found:
    """Which series is whose. One that is nobody's is left aside: a Prometheus sees more than one cluster."""
    matches = compiled(query.pattern).fullmatch
    values: dict[str, float] = {}
    troubles: dict[str, str] = {}
    strangers = []
    for item in series:
        label = item.labels.get(query.label, "")
        match = matches(label)
        text = "" if match is None else match.group(1 if match.re.groups else 0) or ""
        identity = names.find(text)
        if identity is None:
            strangers.append(f'{query.label}="{label}"')
        elif identity in values or identity in troubles:
            troubles[identity] = f"several series match its {query.metric}; narrow selector to one of them"
            values.pop(identity, None)
        elif usable(item.value):
            values[identity] = item.value
        else:
            troubles[identity] = f"its {query.metric} in Prometheus is {item.value:g}"
    return Found(values=values, troubles=troubles, strangers=strangers)
