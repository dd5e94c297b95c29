# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from .._model.errors import InputError
from .._model.outcome import Outcome
from .._model.placement import Placement
from .._model.plan import Plan
from .._model.snapshot import Snapshot

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The documents of one page, at least one of them, or the error of a run that came to none. `history` is
    a result of history_info; `notes` are lines about the run that no document has; `metric` is the one that
    is shown first; `cluster` is a name where no document has one; `max_parallel` is how many migrations a run
    has at once, where that is known.
    """

    snapshot: Snapshot | None = None
    plan: Plan | None = None
    outcome: Outcome | None = None
    placement: Placement | None = None
    history: Mapping[str, Any] | None = None
    error: str = ""
    notes: tuple[str, ...] = ()
    title: str = ""
    cluster: str = ""
    metric: str = ""
    max_parallel: int | None = None
    _made: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises InputError for documents that are not about the same thing."""
        if not any((self.snapshot, self.plan, self.outcome, self.placement, self.history, self.error)):
            raise InputError.required(
                "snapshot", expected="or plan, outcome, placement, history or error, at least one of them"
            )
        if self.snapshot and self.plan and self.plan.snapshot_digest != self.snapshot.digest():
            raise InputError(
                "snapshot",
                self.snapshot.taken_at,
                "the snapshot of the plan",
                hint="Pass the snapshot that the plan was made from, or leave it out.",
                statement=f": the plan was not made from this snapshot, taken at {self.snapshot.taken_at}",
            )
        ids = {
            name: document.cluster.id
            for name, document in (
                ("snapshot", self.snapshot),
                ("plan", self.plan),
                ("outcome", self.outcome),
                ("placement", self.placement),
            )
            if document is not None
        }
        first = next(iter(ids), "")
        for name, cluster in ids.items():
            if cluster != ids[first]:
                raise InputError(name, cluster, f"of cluster {ids[first]}, as {first} is")

    @property
    def cluster_name(self) -> str:
        for document in (self.plan, self.snapshot, self.outcome, self.placement):
            if document is not None:
                return document.cluster.name
        return self.cluster

    def once(self, name: str, make: Callable[[Given], _Made]) -> _Made:
        """What several sections need of these documents, made once."""
        if name not in self._made:
            self._made[name] = make(self)
        return cast(_Made, self._made[name])
