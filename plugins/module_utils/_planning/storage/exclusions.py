# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exclusions of a policy, as the verifier takes them."""

from __future__ import annotations

from ..verify.storage_exclusions import StorageExclusions
from .problem import Problem


def exclusions_of(problem: Problem) -> StorageExclusions:
    """Ids of the datastores, guests and disks that the policy excludes, empties or keeps."""
    barred = problem.barred
    return StorageExclusions(
        sources=barred.sources,
        targets=barred.targets,
        guests=barred.guests,
        emptied=barred.emptied,
        alone=frozenset(place.datastore.id for place in problem.places if place.alone),
        kept=barred.kept,
        kept_from=barred.kept_from,
        retry_refused_after=barred.retry_refused_after,
        allowed=problem.allowed,
    )
