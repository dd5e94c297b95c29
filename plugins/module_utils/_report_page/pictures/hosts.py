# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as vessels that are filled with guests: what has no script to draw it is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..view import ClusterView, GuestView, HostView, MetricView
from .treemap import Rectangle, squarified

WIDTH: Final = 100.0
# Hosts that are few are drawn taller.
HEIGHTS: Final = {"few": 150.0, "many": 120.0}
MANY: Final = 16

Kind = Literal["stays", "moves", "fixed", "new"]
KINDS: Final[tuple[Kind, ...]] = ("stays", "fixed", "moves", "new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vessel:
    """One host at one end. paths: the blocks of each kind of guest as an SVG path. own: the part that no
    guest explains. used: percent.
    """

    name: str
    note: str
    used: float | None
    guests: int
    own: Rectangle | None
    paths: tuple[tuple[Kind, str], ...]
    blocks: int


def kind_of(guest: GuestView) -> Kind:
    if guest.host < 0:
        return "new"
    if guest.target != guest.host:
        return "moves"
    return "fixed" if guest.fixed else "stays"


def vessels(view: ClusterView, metric: MetricView, end: Literal[0, 1]) -> tuple[Vessel, ...]:
    """All hosts before (0) or after (1)."""
    on: list[list[GuestView]] = [[] for _host in view.hosts]
    for guest in view.guests:
        place = guest.target if end else guest.host
        if place >= 0 and guest.on_host:
            on[place].append(guest)
    height = height_of(len(view.hosts))
    return tuple(
        _vessel(host, guests, metric, end, height) for host, guests in zip(view.hosts, on, strict=True)
    )


def _vessel(
    host: HostView, guests: Sequence[GuestView], metric: MetricView, end: Literal[0, 1], height: float
) -> Vessel:
    used = host.used[end].get(metric.name)
    capacity = (host.capacity or {}).get(metric.name, 0.0)
    own, paths, blocks = None, dict.fromkeys(KINDS, ""), 0
    if used is not None and capacity:
        share = [guest.load.get(metric.name, 0.0) / capacity for guest in guests]
        rest = (host.own or {}).get(metric.name, 0.0)
        own, frame = frames(used, rest if share else used, metric.axis, height)
        for guest, box in zip(guests, squarified(share, frame), strict=True):
            if box.width and box.height:
                paths[kind_of(guest)] += _path(box)
                blocks += 1
    return Vessel(
        name=host.name,
        note=host.note,
        used=used,
        guests=host.guests[end],
        own=own,
        paths=tuple((kind, path) for kind, path in paths.items() if path),
        blocks=blocks,
    )


def height_of(hosts: int) -> float:
    return HEIGHTS["many" if hosts > MANY else "few"]


def frames(used: float, own: float, axis: float, height: float) -> tuple[Rectangle, Rectangle]:
    """Where the host's own part is drawn, at the bottom, and its guests, above it."""
    own = min(own, used)
    bottom = height * own / axis
    top = height * used / axis
    return (
        Rectangle(0.0, height - bottom, WIDTH, bottom),
        Rectangle(0.0, height - top, WIDTH, top - bottom),
    )


def _path(box: Rectangle) -> str:
    return f"M{box.x:.4g} {box.y:.4g}h{box.width:.4g}v{box.height:.4g}h-{box.width:.4g}z"
