# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that a platform counts as used and its host does not. Pure."""

from __future__ import annotations

from .._model.snapshot import Host


def reclaimable(host: Host, used: float) -> int:
    """Bytes that the platform counts besides what the host itself calls used; the same when it is asked again
    of a host whose figures are the host's own already.
    """
    platform = host.used.get("memory")
    return 0 if platform is None else max(0, round(platform + host.reclaimable - used))
