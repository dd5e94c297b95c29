# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_load_merge: merge the loads that hosts report into a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..._loads.fallback import Fallback
from ..._loads.from_hosts import Choice, merge
from ..._loads.host_load import HostLoad
from ..._model.errors import InputError
from ..options.argument_spec import argument_spec, options_of
from ..reports.missing_loads import missing_report
from ..snapshots import MergeOptions, snapshot_of, snapshot_result


@dataclass(frozen=True, kw_only=True)
class HostLoadOptions:
    """The answers of hosts, and how to read them; `period` in seconds."""

    answers: Mapping[str, Any] | None = None
    cpu: Literal["platform", "load"] = "platform"
    period: Literal[60, 300] = 300
    on_silent_host: Fallback = "platform"


@dataclass(frozen=True, kw_only=True)
class HostLoadMergeOptions(MergeOptions, HostLoadOptions):
    """The options of host_load_merge."""


HOST_LOAD_ARGUMENTS = argument_spec(HostLoadOptions)


def run_host_load_merge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Merges the answers of hosts into the snapshot; without answers, only lists the hosts to ask."""
    options = options_of(HostLoadMergeOptions, params)
    snapshot = snapshot_of(options)
    result: dict[str, Any] = {
        "changed": False,
        "hosts": [
            {"id": host.id, "name": host.name, "address": host.address}
            for host in snapshot.hosts
            if host.status == "online"
        ],
    }
    if options.answers is None:
        return result
    choice = Choice(cpu=options.cpu, period=options.period, on_silent_host=options.on_silent_host)
    merged = merge(
        snapshot, {key: parse_answer(key, given) for key, given in options.answers.items()}, choice
    )
    return {
        **result,
        **snapshot_result(options, merged.snapshot, check_mode=check_mode),
        "told": list(merged.told),
        "silent": [{"id": host.id, "name": host.name, "why": host.why} for host in merged.silent],
        "warnings": missing_report(merged.silent, options.on_silent_host),
    }


def parse_answer(key: str, given: object) -> HostLoad | str:
    """The load in a registered result of host_load_info, or the reason why there is none."""
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
