# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of modules that put loads from elsewhere into a snapshot."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  snapshot:
    description: The snapshot, as M(evenkeel.cluster.cluster_facts) returns it.
    type: dict
  snapshot_path:
    description:
      - File that holds the snapshot, instead of O(snapshot).
      - The result replaces it, unless O(merged_path) is set. In check mode no file is written, and the result is returned instead.
    type: path
  merged_path:
    description: File to write the resulting snapshot to. The snapshot is not returned then.
    type: path
"""
