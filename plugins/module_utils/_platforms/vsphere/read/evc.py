# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts' processors a guest can run on, by vSphere's EVC modes."""

from __future__ import annotations

from collections.abc import Collection

# Each mode runs what the ones before it run. VMware KB 1003212 (Intel) and 1005764 (AMD).
_INTEL = (
    "intel-merom",
    "intel-penryn",
    "intel-nehalem",
    "intel-westmere",
    "intel-sandybridge",
    "intel-ivybridge",
    "intel-haswell",
    "intel-broadwell",
    "intel-skylake",
    "intel-cascadelake",
    "intel-icelake",
    "intel-sapphirerapids",
)
_AMD = (
    "amd-rev-e",
    "amd-rev-f",
    "amd-greyhound-no3dnow",
    "amd-greyhound",
    "amd-bulldozer",
    "amd-piledriver",
    "amd-steamroller",
    "amd-zen",
    "amd-zen2",
    "amd-zen3",
    "amd-zen4",
)


def fitting_models(
    required: str | None, present: str | None, models: Collection[str]
) -> tuple[str, ...] | None:
    """Of the hosts' `models` those that run a guest which needs the mode `required` and is on `present` now.

    None when all of them do. A mode that is not in the lists above fits itself alone.
    """
    if not required:
        return None
    fitting = {model for model in models if model == present or runs(model, required)}
    return None if fitting == set(models) else tuple(sorted(fitting))


def runs(model: str, required: str) -> bool:
    if model == required:
        return True
    for order in (_INTEL, _AMD):
        if model in order and required in order:
            return order.index(model) >= order.index(required)
    return False
