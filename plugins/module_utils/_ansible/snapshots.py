# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as options and as results: in variables or in files. No planner is packed with this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.snapshot import Snapshot
from .json_files import read_json, write_json

SNAPSHOT_ARGUMENTS: dict[str, Any] = {
    "snapshot": {"type": "dict"},
    "snapshot_path": {"type": "path"},
}
MERGE_ARGUMENTS: dict[str, Any] = {**SNAPSHOT_ARGUMENTS, "merged_path": {"type": "path"}}


def snapshot_of(params: Mapping[str, Any]) -> Snapshot:
    """The snapshot of the option `snapshot`, or of the file that `snapshot_path` names."""
    path = params["snapshot_path"]
    return Snapshot.from_json(params["snapshot"] if path is None else read_json(path, "snapshot_path"))


def snapshot_result(params: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as the result, or in a file where it came from one or is to go to one."""
    path = params["merged_path"] or params["snapshot_path"]
    if path is None:
        return {"snapshot": snapshot.to_json()}
    write_json(path, snapshot.to_json(), "merged_path" if params["merged_path"] else "snapshot_path")
    return {"snapshot_path": path}
