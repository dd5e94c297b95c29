# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of a page: their band, their limits, and how far apart the hosts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._model.plan import ClusterState
from .._model.policy.policy import Policy
from .._planning.report.reasons import label
from .._planning.tolerances import REPORTED_POINTS
from .given import Given
from .view import Band, MetricView


def metric_views(
    given: Given,
    policy: Policy | None,
    before: ClusterState,
    after: ClusterState,
    asleep: frozenset[str],
    counted: Mapping[str, frozenset[str]],
) -> tuple[MetricView, ...]:
    """In the order of the policy, the one that is to be shown first at the start."""
    names = [
        name
        for name in before.spread
        if any(host.used.get(name) is not None for host in before.hosts.values())
    ]
    if given.metric in names:
        names.sort(key=lambda name: name != given.metric)
    found = []
    relief = policy.relieve if policy is not None and policy.goal == "relieve" else None
    overload, relieved = (relief.overload.percents(), relief.ceilings()) if relief else ({}, {})
    limits = {"cpu": policy.limits.cpu, "memory": policy.limits.memory} if policy else {}
    if policy is not None and policy.demand != "used":
        limits = {}
    for name in names:
        levelled = policy is not None and policy.goal == "spread" and name not in asleep
        allowed = policy.spread_limit(name) if policy and levelled else None
        values = [
            value
            for id_, host in after.hosts.items()
            if (value := host.used.get(name)) is not None and (name not in counted or id_ in counted[name])
        ]
        every = [
            value
            for state in (before, after)
            for host in state.hosts.values()
            if (value := host.used.get(name)) is not None
        ]
        top = max([100.0, *every])
        found.append(
            MetricView(
                name=name,
                label=metric_label(name),
                axis=100.0 if top <= 100.0 else -(-top // 50) * 50.0,
                spread=(before.spread.get(name), after.spread.get(name)),
                allowed=allowed,
                band=_band(values, allowed),
                limit=limits.get(name),
                overload=overload.get(name),
                relieved=relieved.get(name),
            )
        )
    return tuple(found)


def _band(values: Sequence[float], allowed: float | None) -> Band | None:
    """The window around where the hosts end; around most of them, where it can't hold all."""
    if allowed is None or not values:
        return None
    low = (max(values) + min(values) - allowed) / 2
    if max(values) - min(values) > allowed + REPORTED_POINTS:
        middle = low

        def holds(start: float) -> tuple[int, float]:
            inside = sum(start <= value <= start + allowed for value in values)
            return inside, -abs(start - middle)

        low = max(values, key=holds)
    low = max(0.0, low)
    return Band(low=round(low, 3), high=round(low + allowed, 3))


def metric_label(name: str) -> str:
    """Such as CPU, memory, disk I/O."""
    return label(name).replace("vcpu", "vCPU").replace("cpu", "CPU").replace("pressure io", "pressure I/O")
