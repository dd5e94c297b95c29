# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking again at the storage policies of the platform: one may have been assigned since the plan."""

from __future__ import annotations

from typing import Literal

from ..._model.policy.storage import StoragePolicy
from ..._platforms.errors import PlatformError
from ..._platforms.storage_protocol import DiskMoveRequest, StoragePlatform

PoliciesKept = Literal["all", "those that can be read", "none"]


def policies_kept(policy: StoragePolicy | None) -> PoliciesKept:
    """What a policy says about the storage policies of the platform."""
    if policy is None:
        return "all"
    if not policy.platform_rules:
        return "none"
    return "those that can be read" if "storage_policy_unknown" in policy.allow_blockers else "all"


def policy_breach(platform: StoragePlatform, request: DiskMoveRequest, kept: PoliciesKept) -> str | None:
    """Why a move would break a storage policy that is to be kept; None where it would not. Raises
    PlatformError where policies are to be kept that can't be read.
    """
    if kept == "none":
        return None
    try:
        return platform.policy_breach(request)
    except PlatformError:
        if kept == "all":
            raise
        return None
