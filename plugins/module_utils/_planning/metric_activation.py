# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics that are levelled only once some host has much of them in use."""

from __future__ import annotations

from dataclasses import replace

from .._model.plan import ClusterState
from .._model.policy.policy import Policy
from .model.metrics import ANY_SPREAD
from .model.problem import Problem
from .tolerances import REPORTED_POINTS


def with_active_metrics(problem: Problem, after: ClusterState) -> Policy | None:
    """The policy that also levels what this plan would make worth levelling; None where there is nothing.

    Without it the next plan would have to, and a plan that was carried out would not be the last one.
    """
    policy = problem.policy
    woken = []
    for name, limit in zip(problem.metrics.names, problem.metrics.limits, strict=True):
        values = [value for state in after.hosts.values() if (value := state.used[name]) is not None]
        spread = after.spread[name]
        if limit < ANY_SPREAD or spread is None or spread <= policy.spread_limit(name) + REPORTED_POINTS:
            continue
        if max(values, default=0.0) + REPORTED_POINTS >= policy.levelled_from(name):
            woken.append(name)
    if not woken or not problem.traits.levels_band:
        return None
    asleep: dict[str, float] = {
        name: policy.levelled_from(name) for name in policy.metrics if name not in woken
    }
    return replace(policy, level_above=asleep)
