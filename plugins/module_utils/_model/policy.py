# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as in order: what the user wants of a cluster. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from .codec import Bounds, decode, encode
from .errors import InputError
from .snapshot import Id, RuleKind

Goal = Literal["spread", "rules", "evacuate"]
Metric = Literal[
    "cpu", "memory", "disk_io", "network_io", "storage", "pressure_cpu", "pressure_memory", "pressure_io"
]
Percent = Annotated[float, Bounds(0, 100)]

YEAR = 366 * 86_400.0

# FDRS: five degrees of aggressiveness, in percentage points between the fullest and the emptiest host.
SPREAD_BY_AGGRESSIVENESS: Mapping[int, float] = {1: 25.0, 2: 20.0, 3: 15.0, 4: 10.0, 5: 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Hosts or guests that match any of its parts; names are ids, names or shell patterns of names."""

    names: tuple[str, ...] = ()
    regex: str | None = None
    tags: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """What stays out: hosts that give nothing, hosts that take nothing, guests that stay where they are."""

    sources: Selector = field(default_factory=Selector)
    targets: Selector = field(default_factory=Selector)
    guests: Selector = field(default_factory=Selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How full an arriving guest may make a host; a host that is fuller already only may not get fuller."""

    cpu: Annotated[
        Percent, "percent of a host's cpu, less what is reserved, that may be in use after an arrival"
    ] = 90
    memory: Annotated[Percent, "the same of its memory"] = 90
    cpu_for_rules: Annotated[Percent, "the same for migrations that mend a rule"] = 95
    memory_for_rules: Annotated[Percent, "the same for migrations that mend a rule"] = 95
    memory_reserve: Annotated[int, Bounds(least=0), "bytes of every host that are kept free besides"] = 0
    cpu_overcommit: (
        Annotated[float, Bounds(least=0), "assigned vCPUs per core of a host; null for no limit"] | None
    ) = None
    memory_overcommit: (
        Annotated[float, Bounds(least=0), "assigned memory per byte of a host; null for no limit"] | None
    ) = None
    max_guests: Annotated[int, Bounds(least=0), "running guests on a host; null for no limit"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """Makes rules out of names, tags, pools or a list of guests.

    name_prefix: guests whose names are alike but for trailing digits (web01, web12); a name of digits only
    stands alone. regex: guests whose names match `pattern` and agree in its first group (in the whole match
    when it has none). tag, pool: guests with the same tag or pool, for each that matches the shell pattern
    `pattern`. guests: the guests that `guests` selects.
    """

    by: Literal["name_prefix", "regex", "tag", "pool", "guests"]
    kind: RuleKind
    pattern: str | None = None
    guests: Selector | None = None
    hosts: Annotated[Selector | None, "host_affinity and host_anti_affinity only"] = None
    name: Annotated[Id | None, "starts the names of the rules that come of it"] = None
    min_members: Annotated[int, Bounds(least=1)] = 2
    strict: bool = True
    max_skew: Annotated[int, Bounds(least=1)] = 1
    weight: Annotated[float, Bounds(least=0)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What counts as in order, and what may be done to get there."""

    goal: Goal = "spread"
    evacuate: Annotated[
        Selector | None, "hosts that are to be emptied and take no guests; goal evacuate needs it"
    ] = None
    metrics: tuple[Metric, ...] = ("cpu", "memory")
    aggressiveness: Annotated[int, Bounds(1, 5), "1 to 5 stand for 25, 20, 15, 10 and 5 points of spread"] = 3
    max_spread: Annotated[
        Percent | Mapping[str, Percent] | None,
        "points of spread, one number or one a metric; wins over aggressiveness",
    ] = None
    demand: Annotated[
        Literal["used", "assigned", "max"],
        "what a guest weighs: what it uses, what it was given, or the larger of both",
    ] = "used"
    limits: Limits = field(default_factory=Limits)
    max_migrations: Annotated[int, Bounds(least=0)] | None = None
    exclude: Exclusions = field(default_factory=Exclusions)
    rules: tuple[RuleSpec, ...] = ()
    platform_rules: Annotated[bool, "whether the rules of the platform itself count"] = True
    allow_blockers: Annotated[
        tuple[str, ...],
        "blockers that do not keep a guest from being migrated, such as container_restart or local_disk",
    ] = ()
    migration_bandwidth: Annotated[
        float,
        Bounds(least=1),
        "bytes per second that one migration copies; only estimates of time rest on it",
    ] = 1_000_000_000 / 8
    max_per_host: Annotated[int, Bounds(least=1), "migrations into or out of one host at the same time"] = 2
    min_gain: Annotated[
        float,
        Bounds(least=0),
        "points outside the band that a migration must take away to pay, where the band can't be reached",
    ] = 0.5
    effort: Annotated[
        int,
        Bounds(least=0),
        "how long to look for fewer migrations, in search steps for each guest (of 400 to 4000 guests); "
        "the same effort, the same plan",
    ] = 40
    engine: Annotated[
        Literal["search", "exact"],
        "exact: prove the fewest migrations with HiGHS, for clusters of up to about 10 hosts and 100 guests",
    ] = "search"
    time_limit: (
        Annotated[
            float,
            Bounds(least=0),
            "seconds after which the search stops early with the best plan so far; null for none",
        ]
        | None
    ) = None
    cool_down: Annotated[
        float,
        Bounds(0, YEAR),
        "seconds for which a migrated guest stays, unless its strict rule is broken or its host is emptied",
    ] = 0
    retry_after: Annotated[
        float,
        Bounds(0, YEAR),
        "seconds for which a guest stays that failed to be migrated, unless its host is emptied",
    ] = 3600
    other_balancers: Annotated[
        Literal["respect", "ignore"],
        "what to do where something else moves guests by itself: plan nothing, or plan all the same",
    ] = "respect"
    seed: int = 1

    @classmethod
    def from_json(cls, value: object) -> Policy:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong or contradicts
        another.
        """
        policy = decode(cls, value, "policy")
        if not policy.metrics:
            raise InputError("policy.metrics", [], "a list of at least one metric")
        if len(set(policy.metrics)) < len(policy.metrics):
            raise InputError("policy.metrics", list(policy.metrics), "a list without repetition")
        _check_evacuate(policy)
        if isinstance(policy.max_spread, Mapping):
            for metric in policy.max_spread:
                if metric not in policy.metrics:
                    raise InputError(
                        f"policy.max_spread.{metric}",
                        metric,
                        f"among policy.metrics ({', '.join(policy.metrics)})",
                    )
        for metric in ("cpu", "memory"):
            plain, mending = getattr(policy.limits, metric), getattr(policy.limits, f"{metric}_for_rules")
            if mending < plain:
                raise InputError(
                    f"policy.limits.{metric}_for_rules",
                    mending,
                    f"at least policy.limits.{metric} ({plain:g})",
                )
        for index, spec in enumerate(policy.rules):
            _check_rule_spec(spec, f"policy.rules[{index}]")
        for name in ("sources", "targets", "guests"):
            _check_regex(getattr(policy.exclude, name).regex, f"policy.exclude.{name}.regex")
        return policy

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def spread_limit(self, metric: str) -> float:
        """Points between the fullest and the emptiest host that are in order."""
        if isinstance(self.max_spread, Mapping):
            return self.max_spread.get(metric, SPREAD_BY_AGGRESSIVENESS[self.aggressiveness])
        if self.max_spread is not None:
            return self.max_spread
        return SPREAD_BY_AGGRESSIVENESS[self.aggressiveness]


def _check_evacuate(policy: Policy) -> None:
    selector = policy.evacuate
    if policy.goal != "evacuate":
        if selector is not None:
            raise InputError("policy.evacuate", "a selector", f"wanted, since policy.goal is {policy.goal}")
        return
    if selector is None or selector == Selector():
        raise InputError("policy.evacuate", None, "a selector of hosts, which goal: evacuate needs")
    _check_regex(selector.regex, "policy.evacuate.regex")


def _check_rule_spec(spec: RuleSpec, path: str) -> None:
    if spec.by == "regex" and not spec.pattern:
        raise InputError(f"{path}.pattern", spec.pattern, "a regular expression, which by: regex needs")
    if spec.by == "guests" and spec.guests is None:
        raise InputError(f"{path}.guests", None, "a selector, which by: guests needs")
    if spec.by == "name_prefix" and spec.pattern is not None:
        raise InputError(f"{path}.pattern", spec.pattern, "wanted, since by: name_prefix needs none")
    if spec.by != "guests" and spec.guests is not None:
        raise InputError(f"{path}.guests", "a selector", f"wanted, since by: {spec.by} finds its own guests")
    if spec.kind in ("host_affinity", "host_anti_affinity"):
        if spec.hosts is None:
            raise InputError(f"{path}.hosts", None, f"a selector of hosts, which kind: {spec.kind} needs")
    elif spec.hosts is not None:
        raise InputError(f"{path}.hosts", "a selector", f"wanted, since kind: {spec.kind} names no hosts")
    if spec.by == "regex":
        _check_regex(spec.pattern, f"{path}.pattern")
    for name, selector in (("guests", spec.guests), ("hosts", spec.hosts)):
        if selector is not None:
            _check_regex(selector.regex, f"{path}.{name}.regex")


def _check_regex(regex: str | None, path: str) -> None:
    if regex is None:
        return
    try:
        re.compile(regex)
    except re.error as error:
        raise InputError(path, regex, f"a regular expression: {error}") from None
