# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of modules that put loads from elsewhere into a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._loads.from_hosts import Choice, merge
from ..._loads.host_load import HostLoad
from ..._model.errors import InputError
from ..reports.missing_loads import missing_report
from ..snapshots import snapshot_of, snapshot_result

HOST_LOAD_ARGUMENTS: dict[str, Any] = {
    "answers": {"type": "dict"},
    "cpu": {"type": "str", "choices": ["platform", "load"], "default": "platform"},
    "period": {"type": "int", "choices": [60, 300], "default": 300},
    "on_silent_host": {"type": "str", "choices": ["platform", "exclude", "fail"], "default": "platform"},
}


def run_host_load_merge(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Put what hosts answered into the snapshot; without answers only say whom to ask."""
    snapshot = snapshot_of(params)
    result: dict[str, Any] = {
        "changed": False,
        "hosts": [
            {"id": host.id, "name": host.name, "address": host.address}
            for host in snapshot.hosts
            if host.status == "online"
        ],
    }
    if params["answers"] is None:
        return result
    choice = Choice(cpu=params["cpu"], period=params["period"], on_silent_host=params["on_silent_host"])
    merged = merge(
        snapshot, {key: parse_answer(key, given) for key, given in params["answers"].items()}, choice
    )
    return {
        **result,
        **snapshot_result(params, merged.snapshot),
        "told": list(merged.told),
        "silent": [{"id": host.id, "name": host.name, "why": host.why} for host in merged.silent],
        "warnings": missing_report(merged.silent, params["on_silent_host"]),
    }


def parse_answer(key: str, given: object) -> HostLoad | str:
    """What host_load_info returned on a host, or why it returned nothing: whatever a task registers."""
    where = f"answers.{key}"
    if not isinstance(given, Mapping):
        raise InputError(where, given, "a result of host_load_info, or its failure")
    if isinstance(given.get("load"), Mapping):
        return HostLoad.from_json(given["load"], f"{where}.load")
    if given.get("skipped"):
        return "not asked, because its address is not known"
    if given.get("unreachable") or given.get("failed"):
        why = str(given.get("msg") or "no reason was reported").removeprefix("Task failed: ")
        return " ".join(why.split())
    raise InputError(where, sorted(given), "a result of host_load_info, or its failure")
