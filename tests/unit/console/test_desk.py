# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person chooses about a plan, and the plan that comes of it, without a screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.extensions.console.desk import (
    Desk,
    Line,
    Wish,
    moving,
    read_options,
    read_overrides,
    wished_policy,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

CLUSTER = generate(Shape(hosts=4, guests=16, seed=2, skew=6))
STORAGE = generate_storage(StorageShape(datastores=4, disks=24, seed=17))
STORAGE_GIVEN = {"goal": "storage", "effort": 2, "storage": {"utilisation": 60}}
GIVEN = {"max_spread": 15, "effort": 2}


def now(work: Callable[[], None]) -> None:
    work()


def desk_of(snapshot: Snapshot = CLUSTER, given: dict[str, Any] = GIVEN, **more: Any) -> Desk:
    desk = Desk(snapshot, given, run=now, changed=lambda: None, **more)
    desk.begin()
    return desk


def line_of(desk: Desk, guest: str) -> Line:
    return next(line for line in desk.lines() if line.guest.id == guest)


def moved(desk: Desk) -> dict[str, str]:
    assert desk.plan is not None
    return {step.guest.id: step.target for step in desk.plan.migrations}


def test_a_migration_is_left_out_and_taken_back_in() -> None:
    desk = desk_of()
    before = moved(desk)
    first = desk.lines()[0]
    desk.toggle(first)
    assert first.guest.id not in moved(desk)
    out = line_of(desk, first.guest.id)
    assert (out.left_out, out.migration, desk.lines()[-1]) == (True, None, out)
    desk.toggle(out)
    assert moved(desk) == before
    assert not desk.choices


def test_a_guest_is_kept_from_one_host_and_the_line_says_which() -> None:
    desk = desk_of()
    first = desk.lines()[0]
    desk.toggle_target(first)
    assert moved(desk).get(first.guest.id) != first.target
    (out,) = [line for line in desk.lines() if line.not_there]
    assert (out.guest, out.target) == (first.guest, first.target)
    desk.toggle_target(out)
    assert not desk.choices


def test_a_pinned_migration_stays_in_the_plan() -> None:
    desk = desk_of()
    first = desk.lines()[0]
    desk.toggle_pin(first)
    pinned = line_of(desk, first.guest.id)
    assert (pinned.pinned, pinned.target) == (True, first.target)
    assert pinned.migration is not None
    assert pinned.migration.kind == "manual"
    # Leaving it out takes the pin away.
    desk.toggle(pinned)
    assert not desk.choices.pinned
    # And pinning it what was left out.
    desk.toggle_pin(line_of(desk, first.guest.id))
    assert moved(desk)[first.guest.id] == first.target
    assert not desk.choices.left_out
    desk.toggle_pin(line_of(desk, first.guest.id))
    assert not desk.choices


def test_all_choices_are_taken_back_at_once() -> None:
    desk = desk_of()
    before = moved(desk)
    for line in desk.lines()[:2]:
        desk.toggle(line)
    desk.forget()
    assert (moved(desk), bool(desk.choices)) == (before, False)


def test_a_pin_that_cannot_be_respected_is_still_on_the_desk() -> None:
    desk = desk_of()
    first = desk.lines()[0]
    closed = replace(
        CLUSTER,
        hosts=tuple(replace(one, maintenance=one.id == first.target) for one in CLUSTER.hosts),
    )
    desk.toggle_pin(first)
    desk.read_again(closed)
    assert desk.plan is not None
    assert any("by choice" in item.what for item in desk.plan.unresolved)
    held = [line for line in desk.lines() if line.pinned]
    assert [(line.guest, line.migration) for line in held] == [(first.guest, None)]


def test_choices_about_what_is_gone_are_dropped() -> None:
    desk = desk_of()
    first, second = desk.lines()[:2]
    desk.toggle(first)
    desk.toggle_pin(second)
    gone = {first.guest.id, second.guest.id}
    desk.read_again(
        replace(
            CLUSTER,
            guests=tuple(one for one in CLUSTER.guests if one.id not in gone),
            rules=(),
        )
    )
    assert (bool(desk.choices), desk.error) == (False, "")


def test_a_plan_is_stale_when_a_guest_of_it_is_elsewhere() -> None:
    desk = desk_of()
    assert desk.stale(CLUSTER) == ""
    step = desk.lines()[0]
    elsewhere = tuple(
        replace(one, host=step.target) if one.id == step.guest.id else one for one in CLUSTER.guests
    )
    assert desk.stale(replace(CLUSTER, guests=elsewhere)).endswith(f"is on {step.target} now")
    without = tuple(one for one in CLUSTER.guests if one.id != step.guest.id)
    assert desk.stale(replace(CLUSTER, guests=without)).endswith("is not there any more")
    shut = tuple(replace(one, maintenance=one.id == step.target) for one in CLUSTER.hosts)
    assert desk.stale(replace(CLUSTER, hosts=shut)) == f"{step.target} does not accept guests now"


def test_a_cancelled_planning_leaves_the_plan_before() -> None:
    waiting: list[Callable[[], None]] = []
    changes: list[int] = []
    desk = Desk(CLUSTER, GIVEN, run=waiting.append, changed=lambda: changes.append(1))
    desk.begin()
    waiting.pop()()
    before = desk.plan
    desk.toggle(desk.lines()[0])
    assert desk.planning
    desk.cancel()
    waiting.pop()()
    assert (desk.plan, desk.planning, len(changes)) == (before, False, 1)
    assert "cancelled" in desk.error


def test_only_the_newest_wish_counts() -> None:
    waiting: list[Callable[[], None]] = []
    desk = Desk(CLUSTER, GIVEN, run=waiting.append, changed=lambda: None)
    desk.begin()
    desk.ask(Wish(goal="rules"))
    for work in reversed(waiting):
        work()
    assert desk.plan is not None
    assert desk.plan.policy.goal == "rules"


def test_what_if_is_hypothetical_and_wrong_names_change_nothing() -> None:
    desk = desk_of()
    before = desk.plan
    with pytest.raises(EvenKeelError, match=r"what_if\.hosts_removed\[0\]: no host has the name or id 'h9'"):
        desk.ask(Wish(overrides=read_overrides("h9", "", "", "")))
    assert (desk.plan, desk.hypothetical) == (before, False)
    desk.ask(Wish(overrides=read_overrides(CLUSTER.hosts[0].name, "", "", "")))
    assert desk.plan is not None
    assert (desk.plan.hypothetical, desk.hypothetical) == (True, True)
    assert CLUSTER.hosts[0].id not in moved(desk).values()


def test_a_plan_by_hand_cannot_be_toggled() -> None:
    guest = CLUSTER.guests[0]
    target = next(host.id for host in CLUSTER.hosts if host.id != guest.host)
    desk = desk_of(make=moving(guest.id, target, Policy()))
    assert not desk.editable


def test_another_goal_drops_what_belongs_to_the_one_of_the_inventory() -> None:
    given = {"goal": "relieve", "relieve": {"overload": {"memory": 80}}, "max_migrations": 7}
    policy = wished_policy(given, Wish(goal="spread"))
    assert (policy.goal, policy.relieve, policy.max_migrations) == ("spread", None, 7)
    again = wished_policy(given, Wish(options={"max_migrations": 3}))
    assert (again.goal, again.max_migrations) == ("relieve", 3)
    assert wished_policy({}, Wish(preset="fdrs")).preset == "fdrs"
    with pytest.raises(EvenKeelError, match=r"relieve\.overload is required when goal is relieve"):
        wished_policy({}, Wish(goal="relieve"))


def test_options_are_written_as_in_a_playbook() -> None:
    assert read_options("") == {}
    assert read_options("max_spread: {cpu: 10}, effort: 5") == {"max_spread": {"cpu": 10}, "effort": 5}
    for wrong in ("max_spread: {", "]"):
        with pytest.raises(InputError, match="options such as"):
            read_options(wrong)


def test_changes_of_what_if_are_written_in_words() -> None:
    assert read_overrides("", " ", "", "") is None
    found = read_overrides("pve1, pve2", "pve3", "new like pve1", "db 1 x 2, web 1.5")
    assert found is not None
    assert (found.hosts_removed, found.hosts_returned) == (("pve1", "pve2"), ("pve3",))
    assert [(one.name, one.like) for one in found.hosts_added] == [("new", "pve1")]
    assert [(one.guest, one.factor) for one in found.guests_grown] == [("db 1", 2.0), ("web", 1.5)]
    with pytest.raises(InputError, match="a new name and an existing host"):
        read_overrides("", "", "pve9", "")
    with pytest.raises(InputError, match="a guest and a factor"):
        read_overrides("", "", "", "db1 twice")


def disk_lines(desk: Desk) -> list[Line]:
    return [line for line in desk.lines() if line.disks]


def test_moves_of_disks_are_left_out_and_taken_back_in() -> None:
    desk = desk_of(STORAGE, STORAGE_GIVEN)
    before = disk_lines(desk)
    first = before[0]
    assert first.move is not None
    desk.toggle_pin(first)
    assert not desk.choices
    desk.toggle(first)
    shown = disk_lines(desk)
    (out,) = [line for line in shown if line.left_out]
    assert (out.guest, out.disks, out.move) == (first.guest, first.disks, None)
    assert first.key not in [line.key for line in shown]
    desk.toggle_target(out)
    assert [line.key for line in disk_lines(desk)] == [line.key for line in before]
    desk.toggle_target(first)
    assert all(line.left_out or line.key != first.key for line in disk_lines(desk))
    assert [one.datastore for one in desk.choices.disks_left_out] == [first.target]
    desk.read_again(replace(STORAGE, guests=tuple(one for one in STORAGE.guests if one.id != first.guest.id)))
    assert (bool(desk.choices), desk.error) == (False, "")


def test_a_plan_is_stale_when_a_disk_of_it_is_elsewhere_or_its_target_is_closed() -> None:
    desk = desk_of(STORAGE, STORAGE_GIVEN)
    assert desk.stale(STORAGE) == ""
    move = disk_lines(desk)[0].move
    assert move is not None
    moved_on = snapshot_after_disk_moves(
        STORAGE, [MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target)]
    )
    names = {place.id: place.name for place in STORAGE.datastores}
    assert desk.stale(moved_on).endswith(f"of {move.guest.name} is on {names[move.target]} now")
    closed = tuple(replace(one, maintenance=one.id == move.target) for one in STORAGE.datastores)
    assert desk.stale(replace(STORAGE, datastores=closed)) == f"{names[move.target]} takes no disks now"


def test_changes_of_datastores_are_read_as_they_are_typed() -> None:
    found = read_overrides("", "", "", "", "nfs3", "nfs4", "nfs9 like nfs1", "nfs1 + 500G, nfs2 + 10 %")
    assert found is not None
    assert (found.datastores_removed, found.datastores_returned) == (("nfs3",), ("nfs4",))
    assert [(one.name, one.like) for one in found.datastores_added] == [("nfs9", "nfs1")]
    fuller = [(one.datastore, one.filled_by, one.filled_by_percent) for one in found.datastores_changed]
    assert [name for name, _bytes, _percent in fuller] == ["nfs1", "nfs2"]
    assert fuller[0][1] in (500 * 1000**3, 500 * 1024**3)
    assert fuller[1][2] == 10
    with pytest.raises(InputError, match="a datastore and how much"):
        read_overrides("", "", "", "", "", "", "", "nfs1")
    with pytest.raises(InputError, match="a number of percent"):
        read_overrides("", "", "", "", "", "", "", "nfs1 + x %")
