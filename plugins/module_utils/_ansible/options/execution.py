# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of vm_migrate to how a run behaves."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from math import inf
from types import FrameType
from typing import Any

from ..._execution.clock import Clock
from ..._execution.concurrency_limits import ConcurrencyLimits
from ..._execution.job import FailurePolicy
from ..._execution.stopping import StopSignal
from ..._model.errors import InputError
from ..._platforms.protocol import Capacities
from .values import at_least

LIMITS = (
    "max_parallel",
    "max_per_host",
    "max_in_per_host",
    "max_out_per_host",
    "max_per_datastore",
    "max_memory_in_flight",
)


def concurrency_limits(
    params: Mapping[str, Any], capacities: Capacities, local: frozenset[tuple[str, str]]
) -> ConcurrencyLimits:
    """What was not given is what the platform sustains."""
    at_least(params, 1, *LIMITS)
    per_host = params["max_per_host"] or capacities.per_host
    return ConcurrencyLimits(
        cluster=params["max_parallel"] or capacities.cluster,
        per_host=per_host,
        per_datastore=params["max_per_datastore"] or per_host,
        memory=params["max_memory_in_flight"],
        into_host=params["max_in_per_host"],
        out_of_host=params["max_out_per_host"],
        local=local,
    )


def failure_policy(params: Mapping[str, Any]) -> FailurePolicy:
    for name in ("timeout", "run_timeout", "poll_interval"):
        # So that what is no number at all is refused too.
        if params[name] is not None and not params[name] > 0:
            raise InputError(name, params[name], "a number of seconds greater than 0")
    return FailurePolicy(
        timeout=params["timeout"],
        poll_interval=params["poll_interval"],
        on_failure=params["on_failure"],
        max_failures=_failures(params["max_failures"]),
        on_stop=params["on_stop"],
    )


def _failures(text: str) -> float:
    """A number, or a share such as 10%."""
    expected = "a number of migrations such as 3, or a share of them such as 10%"
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise InputError("max_failures", text, expected) from None
    if text.endswith("%") and 0 <= number < 100:
        return number / 100
    if text.endswith("%") or not 0 <= number < inf or number != int(number):
        raise InputError("max_failures", text, expected)
    return number


def stop_signal(params: Mapping[str, Any], clock: Clock) -> StopSignal:
    """Stops on SIGTERM and SIGINT, on the stop file, and when the time of the run is over."""
    run_timeout = params["run_timeout"]
    deadline = None if run_timeout is None else clock.monotonic() + run_timeout
    stop = StopSignal(file=params["stop_file"], deadline=deadline)

    def heard(number: int, _frame: FrameType | None) -> None:
        stop.request(f"{signal.Signals(number).name} asked for it")

    signal.signal(signal.SIGTERM, heard)
    signal.signal(signal.SIGINT, heard)
    return stop
