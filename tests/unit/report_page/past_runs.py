# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past of a cluster, in the form in which history_info returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SINCE, UNTIL = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"


def run(at: str, status: str = "done", spread: Mapping[str, float | None] | None = None, **more: Any) -> Any:
    """One run of the cluster k1."""
    return {
        "id": "3f0c92d1",
        "cluster": "prod",
        "key": "k1",
        "platform": "proxmox",
        "started_at": at,
        "ended_at": at,
        "status": status,
        "goal": "spread",
        "preset": None,
        "policy_digest": "sha256:0",
        "plan_digest": "sha256:1",
        "has_plan": True,
        "read_at": at,
        "spread": {"cpu": 20.0, "memory": 30.0} if spread is None else spread,
        "highest": {},
        "violations": [],
        "result": {"migrated": 2, "failed": 0},
        "who": {"user": "root", "controller": "ctl"},
        **more,
    }


def migration(guest: str, at: str, result: str = "migrated", why: str = "", **more: Any) -> Any:
    """One migration of a guest from pve1 to pve2."""
    return {
        "cluster": "prod",
        "key": "k1",
        "guest": {"id": f"id-{guest}", "name": guest},
        "from": {"id": "pve1", "name": "pve1"},
        "to": {"id": "pve2", "name": "pve2"},
        "result": result,
        "why": why,
        "kind": "balance",
        "reason": "takes pve1 from 91 % to 78 % memory",
        "started_at": at,
        "ended_at": at,
        "recorded_at": at,
        "seconds": 3.0,
        "memory_bytes": 1,
        "run": "3f0c92d1",
        "goal": "spread",
        "plan_digest": "sha256:1",
        "who": {"user": "awx", "job": "812", "awx_user": "anna"},
        **more,
    }


def disk_move(guest: str, at: str, result: str = "migrated", why: str = "", **more: Any) -> Any:
    """One move of two disks of a guest from nfs1 to nfs2."""
    return {
        "cluster": "prod",
        "key": "k1",
        "guest": {"id": f"id-{guest}", "name": guest},
        "disks": ["scsi0", "scsi1"],
        "from": "nfs1",
        "to": "nfs2",
        "result": result,
        "why": why,
        "moved": ["scsi0", "scsi1"] if result == "migrated" else [],
        "left_behind": [],
        "kind": "space",
        "reason": "takes nfs1 from 97.0 % to 79.9 %",
        "started_at": at,
        "ended_at": at,
        "recorded_at": at,
        "seconds": 3.0,
        "bytes": 10 * 1024**3,
        "run": "3f0c92d1",
        **more,
    }


def history(
    runs: Sequence[Any] = (), migrations: Sequence[Any] = (), disk_moves: Sequence[Any] = (), **more: Any
) -> dict[str, Any]:
    """The newest first, as the module returns them."""
    moved = [one for one in disk_moves if one["result"] == "migrated"]
    failed = [one for one in migrations if one["result"] != "migrated"]
    days = sorted({one["ended_at"][:10] for one in migrations} | {one["started_at"][:10] for one in runs})
    names = list(dict.fromkeys(one["guest"]["name"] for one in migrations))
    reasons = list(dict.fromkeys((one["result"], one["why"]) for one in failed))
    return {
        "changed": False,
        "since": SINCE,
        "until": UNTIL,
        "clusters": [{"key": "k1", "name": "prod", "platform": "proxmox"}],
        "summary": {
            "runs": len(runs),
            "failed_runs": 0,
            "migrations": len(migrations) - len(failed),
            "failures": len(failed),
            "memory_bytes": 1,
            "disk_moves": len(moved),
            "disk_failures": len(disk_moves) - len(moved),
            "bytes_copied": sum(one["bytes"] for one in moved),
            "left_behind": sum(len(one["left_behind"]) for one in disk_moves),
        },
        "disk_moves": list(disk_moves),
        "runs": list(runs),
        "migrations": list(migrations),
        "days": [
            {
                "day": day,
                "runs": sum(one["started_at"][:10] == day for one in runs),
                "failed_runs": 0,
                "migrations": sum(
                    one["ended_at"][:10] == day and one["result"] == "migrated" for one in migrations
                ),
                "failures": sum(one["ended_at"][:10] == day for one in failed),
                "memory_bytes": 1,
                "spread": {},
            }
            for day in reversed(days)
        ],
        "guests": [
            {
                "guest": {"id": f"id-{name}", "name": name},
                "key": "k1",
                "migrations": sum(
                    one["guest"]["name"] == name and one["result"] == "migrated" for one in migrations
                ),
                "failures": sum(one["guest"]["name"] == name for one in failed),
                "memory_bytes": 1,
                "last": UNTIL,
            }
            for name in names
        ],
        "failures": [
            {
                "result": result,
                "why": why,
                "count": sum((one["result"], one["why"]) == (result, why) for one in failed),
                "guests": [one["guest"]["name"] for one in failed if one["why"] == why],
                "last": UNTIL,
            }
            for result, why in reasons
        ],
        "cut": [],
        **more,
    }
