# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage policies that new disks may name: those that a disk of the cluster has."""

from __future__ import annotations

from functools import cached_property

from ..._model.datastores import datastore_ids
from ..._model.snapshot import Host, Snapshot
from ..storage.storage_policies import datastores_by_policy


class KnownPolicies:
    """Which datastores comply with a storage policy, as far as the snapshot says. Found when one is named."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def targets(self) -> dict[str, frozenset[str] | None]:
        """By name of a policy the ids of the datastores that comply with it; None for all."""
        return datastores_by_policy(self._snapshot)

    def allows(self, policy: str | None, host: Host, datastore: str) -> bool:
        """Whether a datastore, by its name on the host, complies with a policy, if there is one."""
        if policy is None:
            return True
        targets = self.targets.get(policy, frozenset())
        return targets is None or self._ids.get((host.id, datastore)) in targets

    @cached_property
    def _ids(self) -> dict[tuple[str, str], str]:
        return dict(datastore_ids(self._snapshot))
