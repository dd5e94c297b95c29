# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated clusters with what is unusual in them: each kind on demand."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def consistent(snapshot: Snapshot) -> Snapshot:
    """No host uses less than its guests do."""
    for host in snapshot.hosts:
        for resource in ("cpu", "memory"):
            here = sum(guest.used[resource] or 0 for guest in snapshot.guests if guest.host == host.id)
            assert (host.used[resource] or 0) + 0.01 >= here, (host.id, resource)
    return Snapshot.from_json(snapshot.to_json())


def test_guests_that_are_paused() -> None:
    plain, paused = generate(Shape(seed=5)), consistent(generate(Shape(seed=5, paused=0.2)))
    still = [guest for guest in paused.guests if guest.run_state == "paused"]
    assert len(still) == 12
    assert {guest.used["cpu"] for guest in still} == {0.0}
    assert all(guest.is_on_host for guest in still)
    assert [guest.host for guest in paused.guests] == [guest.host for guest in plain.guests]


def test_agents_of_the_platform() -> None:
    snapshot = consistent(generate(Shape(agents=3)))
    agents = [guest for guest in snapshot.guests if guest.platform_managed]
    assert [agent.host for agent in agents] == [host.id for host in snapshot.hosts[:3]]


@pytest.mark.parametrize("numbered", [False, True])
def test_arrivals_at_a_host_above_its_limit(numbered: bool) -> None:
    snapshot = consistent(generate(Shape(arriving=2, numbered=numbered)))
    arriving = [guest for guest in snapshot.guests if guest.migrating_to is not None]
    assert len(arriving) == 2
    (target,) = {guest.migrating_to for guest in arriving}
    host = next(host for host in snapshot.hosts if host.id == target)
    assert (host.used["memory"] or 0) > 0.94 * (host.capacity["memory"] or 0)
    assert all(guest.host != target for guest in arriving)


def test_hosts_of_unequal_size() -> None:
    sizes = [host.capacity["memory"] or 0 for host in generate(Shape(hosts=5, guests=100, unequal=4)).hosts]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 3 * sizes[0]


def test_chains_of_siblings_move_from_their_end() -> None:
    snapshot = consistent(generate(Shape(hosts=6, guests=20, chains=1, broken=0)))
    apart = next(rule for rule in snapshot.rules if rule.name == "chain1")
    moves = [
        step for step in plan(snapshot, Policy(goal="rules")).migrations if step.guest.id in apart.guests
    ]
    assert [step.guest.id for step in moves] == list(reversed(apart.guests))
