# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations of a run, and the conditions under which they are run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .._model.codec import encode
from .._model.plan import DiskMove, Migration
from .._model.policy.policy import Limits
from .._model.snapshot import ClusterRef, Rule, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationJob:
    """Migrations of one cluster in a safe order; the rules that must hold and how full a target may get.
    `emptied` are hosts that all guests are to leave: they count in no even spread. `names` says how
    people know hosts and guests, by id. `disk_moves` are those of the same plan, which come afterwards.
    """

    cluster: ClusterRef
    migrations: Sequence[Migration]
    rules: Sequence[Rule]
    limits: Limits
    emptied: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    disk_moves: Sequence[DiskMove] = ()

    @property
    def last_step(self) -> int:
        """The highest number of a step; those that undo a run have the numbers after it."""
        steps = [migration.step for migration in self.migrations]
        return max([*steps, *(move.step for move in self.disk_moves)], default=0)

    def digest(self) -> str:
        """The name of this job in the journal."""
        parts = [encode(self.cluster), [encode(migration) for migration in self.migrations]]
        if self.disk_moves:
            parts.append([encode(move) for move in self.disk_moves])
        text = json.dumps(parts)
        return hashlib.sha256(text.encode()).hexdigest()


def names_of(snapshot: Snapshot) -> Mapping[str, str]:
    """How people know the guests and hosts of a cluster, by id."""
    guests = {guest.id: guest.name for guest in snapshot.guests}
    return guests | {host.id: host.name for host in snapshot.hosts}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """How to behave when something goes wrong or somebody wants it to stop; times in seconds.

    `max_failures` may be a number, or a share of all migrations when it is below 1; more failures than that
    make `on_failure` happen. `on_stop` is for what runs when the run is stopped from outside.
    """

    timeout: float = 3600.0
    poll_interval: float = 2.0
    on_failure: Literal["continue", "stop", "rollback"] = "continue"
    max_failures: float = 0
    on_stop: Literal["finish", "cancel"] = "finish"

    def tolerated(self, migrations: int) -> int:
        """Failures that do not count yet."""
        share = self.max_failures if self.max_failures >= 1 else self.max_failures * migrations
        return int(share)


# How many times its estimated duration what copies disks may take, where no time limit is set.
DISK_PATIENCE = 4.0
# How long an unreachable platform is asked again before the run gives up on it, how long a cancelled task may
# take to end, and how often a start is repeated whose fate is unknown and of which nothing came.
MAX_UNREACHABLE_SECONDS = 120.0
MAX_CANCEL_SECONDS = 60.0
# How long, at the end of a run, a cancelled migration may still turn out to have gone on.
MAX_LATE_SECONDS = 5.0
# How long a guest may be busy with something else before its migration is dropped.
MAX_BUSY_SECONDS = 60.0
# After how long a platform is asked again whose objection may pass: first, and at most.
RETRY_SECONDS = (1.0, 15.0)
MAX_START_ATTEMPTS = 3
