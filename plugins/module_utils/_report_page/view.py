# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pictures of a page show: plain figures of hosts, guests and migrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .._model.plan import ClusterState

NOWHERE: Final = -1

Changes = Literal["none", "planned", "run", "placed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The window that all hosts are to be in, in percent: as high as the policy's max_spread."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricView:
    """One metric. axis: the percentage at the top of its pictures. allowed: points of spread, None where the
    policy does not level it. limit, overload, relieved: percent, None where the policy has none.
    """

    name: str
    label: str
    axis: float
    spread: tuple[float | None, float | None]
    allowed: float | None = None
    band: Band | None = None
    limit: float | None = None
    overload: float | None = None
    relieved: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host: percent in use by metric before and after, its running guests before and after, and what is
    special about it. own: percent that no guest explains; capacity: by metric, relative to the largest host.
    """

    id: str
    name: str
    used: tuple[Mapping[str, float | None], Mapping[str, float | None]]
    guests: tuple[int, int]
    note: str = ""
    own: Mapping[str, float] | None = None
    capacity: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestView:
    """One guest. host and target: positions among the hosts, NOWHERE for one that is not created yet.
    load: percent of the largest host by metric; stays: why it is not migrated, empty where it may be; fixed:
    whether it can't be.
    """

    id: str
    name: str
    host: int
    target: int
    state: str
    cores: float | None
    memory: float | None
    load: Mapping[str, float]
    rules: tuple[int, ...] = ()
    stays: str = ""
    fixed: bool = False
    on_host: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule over guests, in words."""

    name: str
    says: str
    strict: bool
    source: str
    broken: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One change of the pictures: a guest, by position, from a host to a host."""

    step: int
    guest: int
    source: int
    target: int
    wave: int
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """Everything that the pictures show. changes: whether `after` is what a plan, a run or a placement leads
    to. defects: what a second check of the plan objects to, None where it could not be made.
    """

    metrics: tuple[MetricView, ...]
    hosts: tuple[HostView, ...]
    guests: tuple[GuestView, ...]
    rules: tuple[RuleView, ...]
    steps: tuple[StepView, ...]
    before: ClusterState
    after: ClusterState
    changes: Changes
    defects: tuple[str, ...] | None = None

    def host_name(self, host_id: str) -> str:
        host = self.before.hosts.get(host_id)
        return host.name if host else host_id
