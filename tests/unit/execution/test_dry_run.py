# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform on which nothing really happens says of where guests seem to be."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import (
    DryRunClock,
    DryRunPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import CoMigrated
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest

from .slow import HandClock, Slow

GIB = 1024**3


def used(platform: DryRunPlatform) -> dict[str, float]:
    return {host: (state.memory_used or 0) / GIB for host, state in platform.look([]).hosts.items()}


def test_memory_seems_to_move_with_a_guest_and_with_those_that_come_along(cluster: Path) -> None:
    partner = CoMigrated(guest=GuestRef(id="2", name="guest-2"), source="a", memory=4 * GIB)
    below = Slow(str(cluster), HandClock(), along={"1": [partner]})
    dry = DryRunPlatform(below, {"1": 7 * GIB, "2": 99 * GIB})
    request = MigrationRequest(guest="1", source="a", target="b")
    prepared = dry.prepare(request)
    assert prepared.partners == (partner,)
    task = dry.start(prepared)
    assert used(dry) == {"a": 40 - 7 - 4, "b": 40 + 7 + 4, "c": 40}
    places = {guest: state.host for guest, state in dry.look(["1", "2", "3"]).guests.items()}
    assert places == {"1": "b", "2": "b", "3": "a"}
    assert dry.poll({task: request})[task].state == "migrated"
    # They have seemed to go there already.
    assert dry.prepare(request).partners == ()
    assert not below.starts


def test_of_what_only_seems_so_the_platform_is_not_asked(cluster: Path) -> None:
    """It would object: for it the guest is where it was, and the host full."""
    dry = DryRunPlatform(Slow(str(cluster), HandClock()), {"1": GIB})
    dry.start(dry.prepare(MigrationRequest(guest="1", source="a", target="b")))
    assert dry.prepare(MigrationRequest(guest="1", source="b", target="c")).objection is None
    assert dry.prepare(MigrationRequest(guest="9", source="b", target="a")).objection is None
    objection = dry.prepare(MigrationRequest(guest="9", source="a", target="b")).objection
    assert objection is not None
    assert objection.why == "there is no guest 9"
    assert dry.prepare(MigrationRequest(guest="2", source="a", target="c")).objection is None


def test_the_clock_of_what_seems_so_goes_on_by_what_was_slept() -> None:
    clock = DryRunClock()
    before = clock.monotonic()
    clock.sleep(1000)
    clock.sleep(500)
    assert clock.monotonic() - before >= 1500
