# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the options of a policy against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final, cast

from ..errors import InputError
from ..selector import Selector
from ..where import GUEST, HOST, Kind, check_selector
from .goals import Metric, Relief, Thresholds
from .rule_spec import check_rule_spec
from .storage import StoragePolicy, check_storage
from .windows import zone

if TYPE_CHECKING:
    from .policy import Policy

_STALLS: Final[Mapping[Metric, Metric]] = {
    "cpu": "pressure_cpu",
    "memory": "pressure_memory",
    "disk_io": "pressure_io",
}


def in_terms_of_demand(policy: Policy, given: object) -> Policy:
    """The policy with the metrics that it is about: those of its thresholds with goal relieve, unless it
    names others, and pressures where demand is pressure; and, with goal storage, with the defaults for
    datastores unless it has others.
    """
    if policy.goal == "storage" and policy.storage is None:
        policy = replace(policy, storage=StoragePolicy())
    named = isinstance(given, Mapping) and "metrics" in given
    if policy.goal == "relieve" and policy.relieve and not named:
        policy = replace(policy, metrics=cast("tuple[Metric, ...]", tuple(policy.relieve.ceilings())))
    if policy.demand != "pressure":
        return policy
    for metric in policy.metrics:
        if metric not in _STALLS and metric not in _STALLS.values():
            raise InputError.unsupported(
                "policy.metrics",
                metric,
                "demand: pressure",
                hint="Use cpu, memory, disk_io or one of the pressures",
            )
    return replace(
        policy,
        metrics=tuple(dict.fromkeys(_STALLS.get(metric, metric) for metric in policy.metrics)),
        max_spread=_renamed(policy.max_spread),
        level_above=_renamed(policy.level_above),
        relieve=policy.relieve and _stalling(policy.relieve),
    )


def _renamed(points: float | Mapping[str, float] | None) -> float | Mapping[str, float] | None:
    if not isinstance(points, Mapping):
        return points
    names = {str(plain): str(stall) for plain, stall in _STALLS.items()}
    return {names.get(metric, metric): value for metric, value in points.items()}


def _stalling(relief: Relief) -> Relief:
    return replace(relief, overload=_stalls(relief.overload), target=_stalls(relief.target))


def _stalls(thresholds: Thresholds) -> Thresholds:
    values = {part.name: getattr(thresholds, part.name) for part in fields(thresholds)}
    for plain, stall in _STALLS.items():
        plainly = values.pop(plain)
        if values[stall] is None:
            values[stall] = plainly
    return Thresholds(**values)


def check(policy: Policy) -> None:
    """Raises InputError with the path of the first field that contradicts another."""
    _check_goal(policy)
    if not policy.metrics:
        raise InputError.required("policy.metrics", expected="at least one metric")
    if len(set(policy.metrics)) < len(policy.metrics):
        raise InputError("policy.metrics", list(policy.metrics), "a list without duplicates")
    excepted = policy.sustained_except
    if len(set(excepted)) < len(excepted):
        raise InputError("policy.sustained_except", list(excepted), "a list without duplicates")
    for name in ("max_spread", "level_above"):
        points = getattr(policy, name)
        _among(policy, f"policy.{name}", points if isinstance(points, Mapping) else ())
    for metric in ("cpu", "memory"):
        plain, for_rules = getattr(policy.limits, metric), getattr(policy.limits, f"{metric}_for_rules")
        if for_rules < plain:
            default = getattr(type(policy.limits)(), f"{metric}_for_rules")
            by_default = ", the default" if for_rules == default else ""
            raise InputError.exceeds(
                f"policy.limits.{metric}",
                f"{plain:g}",
                f"limits.{metric}_for_rules",
                f"{for_rules:g}{by_default}",
                hint="Raise both" if by_default else "",
            )
    for index, spec in enumerate(policy.rules):
        check_rule_spec(spec, f"policy.rules[{index}]")
    check_selector(policy.exclude.sources, "policy.exclude.sources", HOST)
    check_selector(policy.exclude.targets, "policy.exclude.targets", HOST)
    check_selector(policy.exclude.guests, "policy.exclude.guests", GUEST)
    check_selector(policy.may_stay, "policy.may_stay", GUEST)
    check_selector(policy.shut_down, "policy.shut_down", GUEST)
    for index, reserve in enumerate(policy.reserves):
        _check_selector(reserve.hosts, f"policy.reserves[{index}].hosts", HOST)
    for index, priority in enumerate(policy.priorities):
        _check_selector(priority.guests, f"policy.priorities[{index}].guests", GUEST)
    if policy.storage is not None:
        check_storage(policy.storage, "policy.storage")
    _check_windows(policy)


def _among(policy: Policy, path: str, metrics: Iterable[str]) -> None:
    for metric in metrics:
        if metric not in policy.metrics:
            raise InputError(
                f"{path}.{metric}", metric, f"one of the metrics ({', '.join(policy.metrics)})",
                hint="Add it to metrics",
            )  # fmt: skip


def _check_goal(policy: Policy) -> None:
    selector = policy.evacuate
    if policy.goal == "evacuate":
        if selector is None or selector == Selector():
            raise InputError.required(
                "policy.evacuate",
                when="goal is evacuate",
                hint="Select the hosts to empty, such as names: [pve1]",
            )
        check_selector(selector, "policy.evacuate", HOST)
    elif selector is not None:
        raise InputError.unsupported(
            "policy.evacuate", "", f"goal: {policy.goal}", hint="Use goal: evacuate, or exclude.targets"
        )
    if policy.goal in ("relieve", "consolidate", "storage") and policy.engine == "exact":
        raise InputError.unsupported(
            "policy.engine", "exact", f"goal: {policy.goal}", hint="Use engine: search"
        )
    if policy.goal != "relieve":
        return
    if policy.relieve is None or not policy.relieve.overload.percents():
        raise InputError.required(
            "policy.relieve.overload",
            when="goal is relieve",
            expected="at least one threshold, such as memory: 80",
        )
    for name in ("overload", "target"):
        thresholds: Thresholds = getattr(policy.relieve, name)
        _among(policy, f"policy.relieve.{name}", thresholds.percents())


def _check_selector(selector: Selector, path: str, kind: Kind) -> None:
    if selector == Selector():
        raise InputError.required(
            path,
            expected="at least one of names, regex, tags, pools, labels, kinds, where",
            hint="Use names: ['*'] for all",
        )
    check_selector(selector, path, kind)


def _check_windows(policy: Policy) -> None:
    for index, window in enumerate(policy.maintenance_windows):
        path = f"policy.maintenance_windows[{index}]"
        _check_selector(window.hosts, f"{path}.hosts", HOST)
        try:
            zone(window.timezone)
        except InputError as error:
            raise error.under(f"{path}.timezone") from None
