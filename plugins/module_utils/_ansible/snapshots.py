# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as options and as results: in variables or in files. No planner is packed with this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.snapshot import Snapshot
from .json_files import is_kept, read_json
from .options.argument_spec import Path


@dataclass(frozen=True, kw_only=True)
class SnapshotOptions:
    """A snapshot, or the file that it is in."""

    snapshot: Mapping[str, Any] | None = None
    snapshot_path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class MergeOptions(SnapshotOptions):
    """Where the snapshot goes that something was merged into."""

    merged_path: Path | None = None


def snapshot_of(options: SnapshotOptions) -> Snapshot:
    """The snapshot of the option `snapshot`, or of the file that `snapshot_path` names."""
    path = options.snapshot_path
    return Snapshot.from_json(options.snapshot if path is None else read_json(path, "snapshot_path"))


def snapshot_result(options: MergeOptions, snapshot: Snapshot, *, check_mode: bool) -> dict[str, Any]:
    """The snapshot as the result, or in a file where it came from one or is to go to one. In check mode it is
    always the result.
    """
    path = options.merged_path or options.snapshot_path
    value = snapshot.to_json()
    option = "merged_path" if options.merged_path else "snapshot_path"
    kept = is_kept(path, value, option, check_mode=check_mode)
    return {"snapshot_path": path} if kept else {"snapshot": value}
