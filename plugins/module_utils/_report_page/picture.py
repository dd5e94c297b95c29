# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section with the hosts as pictures, and the guests on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .content import view_of
from .given import Given
from .pictures.hosts import MANY, Vessel, height_of, kind_of, vessels
from .section import Section
from .texts import GIB, percent
from .view import NOWHERE, ClusterView, GuestView, HostView, MetricView

# The page is to stay small: guests beyond this are in the picture only.
MAX_GUESTS: Final = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A host's row in the chart of one metric: positions in percent of its width."""

    host: HostView
    before: float | None
    after: float | None
    was: str
    will: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """All hosts in one metric, with the band: its positions in percent of the width."""

    metric: MetricView
    tracks: tuple[Track, ...]
    low: float | None
    high: float | None
    limit: float | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """metric: the one that is drawn without a script; more_guests: those that are not in the table."""

    view: ClusterView
    metric: MetricView | None
    before: tuple[Vessel, ...]
    after: tuple[Vessel, ...]
    charts: tuple[Chart, ...]
    guests: tuple[tuple[str, ...], ...]
    more_guests: int
    host_heads: tuple[object, ...]
    host_rows: tuple[tuple[str, ...], ...]
    size: str
    height: float
    changes: bool


def picture(given: Given) -> Section | None:
    view = view_of(given)
    if view is None:
        return None
    # A cluster of which no load is known has tables alone.
    metric = view.metrics[0] if view.metrics else None
    changes = view.changes != "none"
    return Section(
        id="picture",
        title="Before and after" if changes else "The hosts",
        template="picture.j2",
        data=Picture(
            view=view,
            metric=metric,
            before=vessels(view, metric, 0) if metric and view.guests else (),
            after=vessels(view, metric, 1) if metric and view.guests and changes else (),
            charts=tuple(_chart(view, metric) for metric in view.metrics),
            guests=tuple(_guest_rows(view)),
            more_guests=max(0, len(view.guests) - MAX_GUESTS),
            host_heads=_host_heads(view, changes),
            host_rows=tuple(_host_rows(view, changes)),
            size="many" if len(view.hosts) > MANY else "few",
            height=height_of(len(view.hosts)),
            changes=changes,
        ),
        script=_script(view) if metric and view.guests else None,
    )


def _chart(view: ClusterView, metric: MetricView) -> Chart:
    def at(value: float | None) -> float | None:
        return None if value is None else round(100.0 * value / metric.axis, 2)

    band = metric.band
    tracks = []
    for host in view.hosts:
        before, after = host.used[0].get(metric.name), host.used[1].get(metric.name)
        tracks.append(
            Track(host=host, before=at(before), after=at(after), was=percent(before), will=percent(after))
        )
    return Chart(
        metric=metric,
        tracks=tuple(tracks),
        low=at(band.low) if band else None,
        high=at(min(band.high, metric.axis)) if band else None,
        limit=at(metric.overload if metric.overload is not None else metric.limit),
        label="overloaded above" if metric.overload is not None else "limit",
    )


def _host_heads(view: ClusterView, changes: bool) -> tuple[object, ...]:
    heads: list[object] = ["Host"]
    for metric in view.metrics:
        heads.append((f"{metric.label} before" if changes else metric.label, "num"))
        if changes:
            heads.append((f"{metric.label} after", "num"))
    heads.append(("Guests before" if changes else "Guests", "num"))
    if changes:
        heads.append(("Guests after", "num"))
    return (*heads, "Remark")


def _host_rows(view: ClusterView, changes: bool) -> Iterator[tuple[str, ...]]:
    ends = (0, 1) if changes else (0,)
    for host in view.hosts:
        cells = [percent(host.used[end].get(metric.name)) for metric in view.metrics for end in ends]
        yield (host.name, *cells, *(str(host.guests[end]) for end in ends), host.note)


def _guest_rows(view: ClusterView) -> Iterator[tuple[str, ...]]:
    guests = view.guests
    if len(guests) > MAX_GUESTS:
        # Those that move, then those that can't.
        first = sorted(guests, key=lambda guest: (guest.target == guest.host, not guest.fixed))
        guests = tuple(first[:MAX_GUESTS])
    for guest in guests:
        host = view.hosts[guest.host].name if guest.host != NOWHERE else "new"
        moves = guest.target != guest.host
        yield (
            f"{guest.name} ({guest.id})" if guest.id != guest.name else guest.name,
            f"{host} → {view.hosts[guest.target].name}" if moves else host,
            "" if guest.cores is None else f"{guest.cores:g}",
            "" if guest.memory is None else f"{guest.memory / GIB:.1f}",
            *(_share(view, guest, metric) for metric in view.metrics),
            ", ".join(view.rules[rule].name for rule in guest.rules),
            guest.stays,
        )


def _share(view: ClusterView, guest: GuestView, metric: MetricView) -> str:
    """Percent of the host that it is on, or comes to."""
    host = view.hosts[guest.host if guest.host != NOWHERE else guest.target]
    capacity = (host.capacity or {}).get(metric.name)
    return f"{guest.load.get(metric.name, 0.0) / capacity:.1f}" if capacity else ""


def _script(view: ClusterView) -> Mapping[str, object]:
    """What script.js draws: short names, since there may be thousands of guests."""
    reasons: dict[str, int] = {}
    kinds: dict[str, int] = {}
    names = [metric.name for metric in view.metrics]

    def reason(text: str) -> int:
        return reasons.setdefault(text, len(reasons)) if text else -1

    guests: list[list[Any]] = [
        [
            guest.id,
            guest.name,
            guest.host,
            kind_of(guest),
            guest.cores,
            None if guest.memory is None else round(guest.memory / GIB, 2),
            [round(guest.load.get(name, 0.0), 2) for name in names] if guest.on_host else [],
            list(guest.rules),
            reason(guest.stays),
            "" if guest.state == "running" else guest.state,
        ]
        for guest in view.guests
    ]
    steps = [
        [
            step.step,
            step.guest,
            step.source,
            step.target,
            step.wave,
            kinds.setdefault(step.kind, len(kinds)),
            step.why,
        ]
        for step in view.steps
    ]
    return {
        "metrics": [
            {
                "name": metric.name,
                "label": metric.label,
                "axis": metric.axis,
                "band": [metric.band.low, metric.band.high] if metric.band else None,
                "allowed": metric.allowed,
                "limit": metric.limit if metric.overload is None else metric.overload,
            }
            for metric in view.metrics
        ],
        "hosts": [
            {
                "name": host.name,
                "note": host.note,
                "used": [_rounded(host.used[0].get(name)) for name in names],
                "own": [round((host.own or {}).get(name, 0.0), 3) for name in names],
                "capacity": [(host.capacity or {}).get(name, 0.0) for name in names],
                "apart": bool(host.note),
            }
            for host in view.hosts
        ],
        "guests": guests,
        "rules": [[rule.name, rule.says, rule.strict, bool(rule.broken[0])] for rule in view.rules],
        "reasons": list(reasons),
        "kinds": list(kinds),
        "steps": steps,
        "changes": view.changes,
        "height": height_of(len(view.hosts)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
