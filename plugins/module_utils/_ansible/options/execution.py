# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of vm_migrate to how a run behaves."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from math import inf
from types import FrameType
from typing import Annotated, Literal

from ..._execution.clock import Clock
from ..._execution.concurrency_limits import ConcurrencyLimits
from ..._execution.job import FailurePolicy
from ..._execution.stopping import StopSignal
from ..._execution.storage.job import DiskSlots
from ..._model.errors import InputError
from ..._model.policy.storage import StoragePolicy
from ..._model.quantities import LONG_TIME, SIZE, TIME
from ..._platforms.protocol import Capacities
from .argument_spec import Path
from .values import at_least

LIMITS = (
    "max_parallel",
    "max_per_host",
    "max_in_per_host",
    "max_out_per_host",
    "max_per_datastore",
    "max_memory_in_flight",
    "max_bytes_in_flight",
)


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """How many migrations run at once, and when a run stops. Times in seconds, memory in bytes."""

    max_parallel: int | None = None
    max_per_host: int | None = None
    max_in_per_host: int | None = None
    max_out_per_host: int | None = None
    max_per_datastore: int | None = None
    max_memory_in_flight: Annotated[int | None, SIZE] = None
    max_bytes_in_flight: Annotated[int | None, SIZE] = None
    timeout: Annotated[float, LONG_TIME] = 3600
    disk_timeout: Annotated[float | None, LONG_TIME] = None
    run_timeout: Annotated[float | None, LONG_TIME] = None
    poll_interval: Annotated[float, TIME] = 2
    on_failure: Literal["continue", "stop", "rollback"] = "continue"
    max_failures: str = "0"
    on_stop: Literal["finish", "cancel"] = "finish"
    stop_file: Path | None = None
    pause_file: Path | None = None


def concurrency_limits(
    options: ExecutionOptions, capacities: Capacities, local: frozenset[tuple[str, str]]
) -> ConcurrencyLimits:
    """Limits that are not set are those that the platform sustains."""
    at_least(options, 1, *LIMITS)
    per_host = options.max_per_host or capacities.per_host
    return ConcurrencyLimits(
        cluster=options.max_parallel or capacities.cluster,
        per_host=per_host,
        per_datastore=options.max_per_datastore or per_host,
        memory=options.max_memory_in_flight,
        into_host=options.max_in_per_host,
        out_of_host=options.max_out_per_host,
        local=local,
    )


def disk_slots(options: ExecutionOptions, storage: StoragePolicy | None) -> DiskSlots:
    """The limits of the options where they are set, and otherwise those of the plan."""
    return DiskSlots(
        per_datastore=options.max_per_datastore or (storage or StoragePolicy()).max_per_datastore,
        cluster=options.max_parallel,
        bytes=options.max_bytes_in_flight,
    )


def failure_policy(options: ExecutionOptions) -> FailurePolicy:
    for name in ("timeout", "disk_timeout", "run_timeout", "poll_interval"):
        # So that what is no number at all is refused too.
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise InputError(name, value, "a number of seconds greater than 0")
    return FailurePolicy(
        timeout=options.timeout,
        poll_interval=options.poll_interval,
        on_failure=options.on_failure,
        max_failures=_failures(options.max_failures),
        on_stop=options.on_stop,
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


def stop_of(options: ExecutionOptions, clock: Clock, requests: StopSignal | None = None) -> StopSignal:
    """Stops on the stop file, when the time of the run is over, and when `requests` has one."""
    run_timeout = options.run_timeout
    deadline = None if run_timeout is None else clock.monotonic() + run_timeout
    return StopSignal(
        file=options.stop_file, pause_file=options.pause_file, deadline=deadline, requests=requests
    )


def stop_signal(options: ExecutionOptions, clock: Clock) -> StopSignal:
    """Stops on SIGTERM and SIGINT, on the stop file, and when the time of the run is over."""
    stop = stop_of(options, clock)

    def heard(number: int, _frame: FrameType | None) -> None:
        stop.request(f"{signal.Signals(number).name} asked for it")

    signal.signal(signal.SIGTERM, heard)
    signal.signal(signal.SIGINT, heard)
    return stop
