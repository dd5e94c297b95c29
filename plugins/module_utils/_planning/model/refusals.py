# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's own check refused so recently that it is not planned again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ..._model.errors import InputError
from ..._model.policy.policy import Policy
from ..._model.snapshot import DiskRefusal, Refusal, Snapshot
from ..._model.text.moments import later

# By guest and host.
Refused = Mapping[str, Mapping[str, Refusal]]
# By guest, disk and datastore.
RefusedDisks = Mapping[tuple[str, str, str], DiskRefusal]
AnyRefusal = TypeVar("AnyRefusal", Refusal, DiskRefusal)


def refused_targets(snapshot: Snapshot, policy: Policy) -> Refused:
    """The hosts to which a guest is not migrated."""
    found: dict[str, dict[str, Refusal]] = {}
    for refusal in _recent(snapshot.refusals, snapshot, policy.retry_refused_after):
        found.setdefault(refusal.guest, {})[refusal.host] = refusal
    return found


def refused_datastores(snapshot: Snapshot, retry_refused_after: float) -> RefusedDisks:
    """The datastores to which a disk is not moved. A refusal to move several disks counts for each of them,
    because the platform does not say which of them it is about.
    """
    return {
        (refusal.guest, disk, refusal.datastore): refusal
        for refusal in _recent(snapshot.disk_refusals, snapshot, retry_refused_after)
        for disk in refusal.disks
    }


def _recent(refusals: Sequence[AnyRefusal], snapshot: Snapshot, seconds: float) -> list[AnyRefusal]:
    """The oldest first."""
    if not seconds or not refusals:
        return []
    try:
        since = later(snapshot.taken_at, -seconds)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None
    return sorted((one for one in refusals if one.at > since), key=lambda one: one.at)
