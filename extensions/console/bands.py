# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The band of each metric, as it is drawn into the bars of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import ClusterState
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Band:
    """Percent between which a host is in order. `limit`: the points that the spread may have."""

    low: float
    high: float
    limit: float | None = None


def bands_of(state: ClusterState, policy: Policy) -> Mapping[str, Band]:
    """By metric: a window of the allowed spread around the middle of the hosts, as the report page has it;
    for the goal relieve, what is below the threshold. Metrics that the policy does not level have none.
    """
    found = {}
    overload = policy.relieve.overload.percents() if policy.goal == "relieve" and policy.relieve else {}
    for metric, spread in state.spread.items():
        values = [used for host in state.hosts.values() if (used := host.used.get(metric)) is not None]
        if metric in overload:
            found[metric] = Band(low=0.0, high=overload[metric])
        elif policy.levels and spread is not None and max(values, default=0.0) > policy.levelled_from(metric):
            limit = policy.spread_limit(metric)
            low = max(0.0, (max(values) + min(values) - limit) / 2)
            found[metric] = Band(low=low, high=low + limit, limit=limit)
    return found


def measured_metrics(state: ClusterState) -> list[str]:
    """The metrics that at least one host reports, in the order of the policy."""
    hosts = state.hosts.values()
    return [metric for metric in state.spread if any(host.used.get(metric) is not None for host in hosts)]
