# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cluster_facts: read a cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

from ..._model.quantities import LONG_TIME
from ..._model.snapshot import Snapshot
from ..json_files import is_kept
from ..options.argument_spec import Path, options_of
from ..options.environment import with_environment
from ..options.values import at_least
from ..platforms import open_platform
from ..state_session import ClusterStateOptions, WantedReadings, with_history


@dataclass(frozen=True, kw_only=True)
class FactsOptions(ClusterStateOptions):
    """The options of cluster_facts; `window`, `history` and `sustained_for` in seconds."""

    window: Annotated[int, LONG_TIME] = 0
    history: Annotated[int, LONG_TIME] = 3600
    sustained: int = 1
    sustained_for: Annotated[float, LONG_TIME] = 0
    storage: bool = False
    snapshot_path: Path | None = None


def run_cluster_facts(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read the cluster into ansible_facts; into a file, with a summary as the fact, when snapshot_path is
    given and it is not check mode.
    """
    options = options_of(FactsOptions, params)
    snapshot, notices = read_cluster(options)
    value = snapshot.to_json()
    kept = is_kept(options.snapshot_path, value, "snapshot_path", check_mode=check_mode)
    facts: dict[str, Any] = {"evenkeel_summary": summary(snapshot, options.snapshot_path if kept else None)}
    if not kept:
        facts["evenkeel_snapshot"] = value
    return {"changed": False, "ansible_facts": facts, "warnings": list(notices)}


def read_cluster(options: FactsOptions) -> tuple[Snapshot, Sequence[str]]:
    """The cluster with what earlier runs recorded; and what could not be read."""
    at_least(options, 0, "window", "history", "sustained_for", unit="seconds")
    at_least(options, 1, "sustained", unit="readings")
    connection = with_environment(options, os.environ)
    with closing(
        open_platform(connection, window=options.window, history=options.history, storage=options.storage)
    ) as platform:
        snapshot, unknown = with_history(platform.read, options, os.environ, wanted_readings(options))
    return snapshot, (*(notice.text for notice in snapshot.notices), *unknown)


def wanted_readings(options: FactsOptions) -> WantedReadings | None:
    """Enough for a policy with the same options, also where several readings count once."""
    if options.sustained <= 1 and not options.sustained_for:
        return None
    return WantedReadings(count=4 * options.sustained, seconds=3 * options.sustained_for)


def summary(snapshot: Snapshot, path: str | None) -> dict[str, Any]:
    """A snapshot in a few numbers."""
    return {
        "platform": snapshot.platform,
        "cluster": {"id": snapshot.cluster.id, "name": snapshot.cluster.name},
        "taken_at": snapshot.taken_at,
        "snapshot_path": path,
        "hosts": len(snapshot.hosts),
        "active_hosts": sum(host.active for host in snapshot.hosts),
        "guests": len(snapshot.guests),
        "running_guests": sum(guest.is_on_host for guest in snapshot.guests),
        "migratable_guests": sum(guest.migratable for guest in snapshot.guests),
        "datastores": len(snapshot.datastores),
        "disks": sum(len(guest.disks) for guest in snapshot.guests),
        "movable_disks": sum(
            disk.id is not None and not disk.blockers for guest in snapshot.guests for disk in guest.disks
        ),
        "rules": len(snapshot.rules),
        "other_balancers": list(snapshot.other_balancers),
        "notices": [notice.text for notice in snapshot.notices],
    }
