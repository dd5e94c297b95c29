# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page says of datastores and disk moves, against the documents and against a rehearsed run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import DiskMoveOutcome, Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    DiskMove,
    GuestRef,
    StoragePlan,
    StorageProof,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page import step_list
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.cards import Card, cards_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.datastores import (
    MAX_DISKS,
    Datastores,
    datastores,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.disk_moves import disk_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.disk_timeline import (
    disk_timeline_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.headlines import headline_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.headroom import headroom_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render, section_ids
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.rules import Undone, rules, undone
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.step_list import (
    MAX_ITEMS,
    StepList,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.storage import (
    StorageView,
    snapshot_after_run,
    storage_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.timeline import Span
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.report_pages import (
    disk_run,
    documents,
    example_datastores,
    hostile,
    planned_storage,
    uneven,
)

GIB = 1024**3


def the_view(given: Given) -> StorageView:
    view = storage_of(given)
    assert view is not None
    return view


def section(given: Given) -> Datastores:
    found = datastores(given)
    assert found is not None
    assert isinstance(found.data, Datastores)
    return found.data


def steps(given: Given) -> StepList:
    found = disk_moves(given)
    assert found is not None
    assert isinstance(found.data, StepList)
    return found.data


def left_undone(given: Given) -> Undone:
    found = undone(given)
    assert found is not None
    assert isinstance(found.data, Undone)
    return found.data


def parts(given: Given) -> tuple[Snapshot, StoragePlan]:
    assert given.snapshot is not None
    assert given.plan is not None
    assert given.plan.storage is not None
    return given.snapshot, given.plan.storage


def card(given: Given, question: str) -> Card:
    return next(found for found in cards_of(given) if found.question == question)


def said(found: Card) -> list[str]:
    return [f"{line.figure} {line.text}" for line in found.lines]


def test_the_five_questions_count_datastores() -> None:
    given = documents("datastores")

    assert headline_of(given) == ("7 disk moves put the datastores in order.", "good")
    assert said(card(given, "What is wrong?")) == [
        "nfs1 is at 97.0 %, above its limit of 80.0 %",
        "nfs5 is at 90.4 %, above its limit of 80.0 %",
    ]
    work = card(given, "What will be done?")
    assert work.answer == "7 disk moves"
    assert said(work)[:2] == [
        "7 off datastores that are too full",
        "310.3 GiB of disks are copied, in 1 wave",
    ]
    brings = card(given, "What does it bring?")
    assert (brings.answer, brings.mood) == ("Every datastore within its limit", "good")
    assert said(brings) == ["97.0 % → 79.9 % of nfs1 in use", "90.4 % → 79.8 % of nfs5 in use"]
    assert card(given, "Is it safe?").answer == "Yes, checked again here"
    # Where no guest moves, datastores stand before the hosts.
    assert section_ids(given)[:4] == ["summary", "datastores", "disk-moves", "picture"]
    best = card(given, "Is it the best?")
    assert best.answer == "Yes, this is proven"
    assert said(best)[0] == "310.3 GiB copied: no plan can do it with fewer bytes"
    assert section(given).proof.startswith(
        "The plan copies 310.3 GiB, and no plan can reach as much with fewer bytes: this is proven"
    )


def test_hosts_and_datastores_are_told_together() -> None:
    given = documents("both")

    assert (
        headline_of(given)[0] == "6 migrations and 3 disk moves put the cluster and its datastores in order."
    )
    assert card(given, "What will be done?").answer == "6 migrations, then 3 disk moves"
    assert card(given, "What does it bring?").answer == (
        "Every host inside the band; every datastore within its limit"
    )
    assert {"migrations", "datastores", "disk-moves"} <= set(section_ids(given))
    # Steps count on from those of the migrations, and the page has each once.
    text = render(given)
    for step in range(1, 10):
        assert text.count(f'id="step-{step}"') == 1


def test_datastores_are_those_of_the_plan_at_both_ends() -> None:
    given = documents("datastores")
    _snapshot, plan = parts(given)
    view = the_view(given)

    for place in view.places:
        ends = plan.before.datastores[place.id], plan.after.datastores[place.id]
        assert place.used == (ends[0].used, ends[1].used)
        assert place.percent == (ends[0].percent, ends[1].percent)
        assert place.disks == (ends[0].disks, ends[1].disks)
    tags = {meter.place.name: meter.tags for meter in section(given).meters if meter.tags}
    assert tags == dict.fromkeys(("nfs1", "nfs5"), (("gets below its limit", "good"),))


def test_thin_disks_promise_at_the_end_what_the_moved_ones_take_with_them() -> None:
    given = documents("datastore-evacuation")
    snapshot, plan = parts(given)
    view = the_view(given)
    sizes = {
        (guest.id, disk.id): max(disk.size or 0, disk.used or 0)
        for guest in snapshot.guests
        for disk in guest.disks
    }
    more: Counter[str] = Counter()
    for move in plan.moves:
        for disk in move.disks:
            more[move.target] += sizes[move.guest.id, disk]
            more[move.source] -= sizes[move.guest.id, disk]

    for place, store in zip(view.places, snapshot.datastores, strict=True):
        assert store.capacity is not None
        assert store.provisioned is not None
        assert place.grown == (
            pytest.approx(100 * store.provisioned / store.capacity),
            pytest.approx(100 * max(0, store.provisioned + more[place.id]) / store.capacity),
        )


def test_a_datastore_becomes_empty() -> None:
    given = documents("datastore-evacuation")
    assert headline_of(given) == ("11 disk moves empty nfs3.", "good")
    assert "5 → 0 disks on nfs3" in said(card(given, "What does it bring?"))
    tags = {meter.place.name: meter.tags for meter in section(given).meters}
    assert tags["nfs3"] == (("becomes empty", "good"),)


def test_a_datastore_that_can_not_be_emptied_says_what_stays() -> None:
    snapshot = generate_storage(StorageShape(datastores=3, disks=12, seed=1, fixed=0, fill=0.3))
    stays = next(guest for guest in snapshot.guests if guest.disks[0].datastore == "ds01")
    first = replace(stays.disks[0], blockers=("raw_device",))
    guests = tuple(
        replace(guest, disks=(first, *guest.disks[1:])) if guest.id == stays.id else guest
        for guest in snapshot.guests
    )
    given = planned_storage(replace(snapshot, guests=guests), {"evacuate": {"names": ["ds01"]}})

    assert headline_of(given) == ("ds01 can't be emptied in full: 1 disk stays.", "bad")
    assert card(given, "What does it bring?").answer == "1 disk left on datastores to be emptied"
    left = left_undone(given)
    (stuck,) = left.disks
    assert (stuck.guest, stuck.disks, stuck.datastore) == (stays.name, first.id, "ds01")
    assert "raw_device" in stuck.why
    assert any(item.what == "datastore ds01 is not empty" for item in left.unresolved)
    rows = [row for row in section(given).disks if row[0].startswith(stays.name) and row[1] == first.id]
    assert [("raw_device" in row[-1], row[2]) for row in rows] == [(True, "ds01")]


def test_a_run_is_shown_as_the_platform_is_after_it() -> None:
    given, after = disk_run()
    assert headline_of(given) == (
        "6 of 7 disk moves are done, 1 failed. 2 copies have to be deleted by hand.",
        "bad",
    )
    really = {
        store.id: store.capacity - store.free
        for store in after.datastores
        if store.capacity is not None and store.free is not None
    }
    half = "a copy that db-1 does not use was left behind: half a copy of scsi0: nfs6"
    for place in the_view(given).places:
        if place.name == "nfs6":
            # The rehearsal knows how large half a copy is, the page does not.
            assert f"{half}, whose size is not known here and not counted" in place.remarks
        else:
            assert place.used[1] == really[place.id]
    assert said(card(given, "What was done?"))[:3] == [
        "6 disk moves done, 260.4 GiB copied",
        "1 disk move failed",
        "2 copies left behind, to be deleted by hand: old copy of scsi0, scsi1: nfs1 and half a copy of "
        "scsi0: nfs6",
    ]
    assert card(given, "What did it bring?").answer == "nfs1 still above its limit"


def test_what_was_left_behind_stands_where_it_is_looked_for() -> None:
    given, _after = disk_run()

    assert [(one.name, one.guest, one.step) for one in left_undone(given).left] == [
        ("old copy of scsi0, scsi1: nfs1", "mail-1", 1),
        ("half a copy of scsi0: nfs6", "db-1", 2),
    ]
    items = {item.step: item for wave in steps(given).waves for item in wave.items}
    assert items[1].left == ("old copy of scsi0, scsi1: nfs1",)
    assert [item.step for item in steps(given).failures] == [2]
    # A run of which all went well, but for a copy, is not all well.
    assert given.outcome is not None
    well = replace(
        given.outcome,
        disk_moves=tuple(move for move in given.outcome.disk_moves if move.result == "migrated"),
    )
    headline = headline_of(replace_outcome(given, well))
    assert headline == ("All 6 disk moves are done. 1 copy has to be deleted by hand.", "warn")


def replace_outcome(given: Given, outcome: Outcome) -> Given:
    return Given(snapshot=given.snapshot, plan=given.plan, outcome=outcome)


def test_without_its_snapshot_a_run_does_not_claim_what_it_can_not_know() -> None:
    whole, _after = disk_run()
    given = Given(plan=whole.plan, outcome=whole.outcome)

    assert all(place.percent[1] is None for place in the_view(given).places)
    assert card(given, "What did it bring?").answer == "Not known without the snapshot"
    assert card(given, "Was the plan safe?").answer == "Checked when it was made"
    assert "unknown" in render(given)


def test_a_plan_that_is_not_safe_for_datastores_is_called_so() -> None:
    given = documents("datastores")
    _snapshot, storage = parts(given)
    assert given.plan is not None
    crowded = replace(storage, moves=tuple(replace(move, target="nfs4") for move in storage.moves))

    found = card(Given(snapshot=given.snapshot, plan=replace(given.plan, storage=crowded)), "Is it safe?")
    assert (found.answer, found.mood) == ("The check objects", "bad")


def test_guests_that_take_their_disks_to_another_host_are_checked_and_told() -> None:
    given = planned_storage(
        uneven(),
        {
            "relocate": True,
            "evacuate": {"names": ["local1@h1"]},
            "exclude": {"targets": {"names": ["ds*"]}},
        },
    )
    assert given.plan is not None
    assert [step.kind for step in given.plan.migrations] == ["storage"]
    guest = given.plan.migrations[0].guest

    assert card(given, "Is it safe?").answer == "Yes, checked again here"
    assert "1 together with their disks, for the datastores" in said(card(given, "What will be done?"))
    assert "1 → 0 disks on local1@h1" in said(card(given, "What does it bring?"))
    row = next(row for row in section(given).disks if row[0].startswith(guest.name))
    assert row[2].startswith("local1@h1 → local1@")
    assert "with its disks on local1" in render(given)


def test_rules_for_disks_are_among_the_rules() -> None:
    snapshot = generate_storage(StorageShape(seed=17, rules=2, disks=20))
    given = planned_storage(snapshot, {})

    assert "1 rule for disks violated: apart0" in said(card(given, "What is wrong?"))
    assert "1 → 0 violated rules for disks" in said(card(given, "What does it bring?"))
    found = rules(given)
    assert found is not None
    text = render(given)
    assert "disks of guests on different datastores" in text
    assert "1 other rule holds." in text


def test_datastores_of_which_little_is_known_are_named() -> None:
    snapshot = example_datastores()
    unknown, busy, shut, *others = snapshot.datastores
    odd = replace(
        snapshot,
        datastores=(
            replace(unknown, capacity=None, free=None),
            replace(busy, latency=31.0),
            replace(shut, maintenance=True),
            *(replace(store, latency=None) for store in others),
        ),
    )
    given = planned_storage(odd, {"latency": 15})

    wrong = said(card(given, "What is wrong?"))
    assert "1 datastore slower than 15 ms: nfs2 (31 ms)" in wrong
    assert "1 datastore without a known capacity or free space: nfs1" in wrong
    assert any(text.startswith("nfs3 to be emptied, with ") for text in wrong)
    remarks = {place.name: place.remarks for place in the_view(given).places}
    assert any("its capacity or its free space is not reported" in text for text in remarks["nfs1"])
    assert "its latency is not reported" in remarks["nfs6"]
    assert "1 datastore has no known capacity or free space." in section(given).lead


def test_a_snapshot_alone_has_its_datastores_without_limits() -> None:
    given = Given(snapshot=example_datastores())

    found = section(given)
    assert not found.changes
    assert [meter.limit for meter in found.meters] == [None] * 6
    assert found.meters[0].change == "97.0 %"
    assert "datastores" in section_ids(given)
    # A plan that says nothing about datastores leaves them off its page.
    assert "datastores" not in section_ids(documents("plan"))


def by_hand(moves: int) -> Given:
    """A run that moved so many disks, one a guest, of which the first, the last and every 100th failed."""
    snapshot = generate_storage(StorageShape(datastores=2, disks=40, seed=3, fixed=0))
    given = planned_storage(snapshot, {"utilisation": 99})
    assert given.plan is not None
    assert given.plan.storage is not None
    guest = snapshot.guests[0]
    steps_ = tuple(
        DiskMove(
            step=number + 1,
            wave=1 + number // 900,
            guest=numbered_guest(number),
            host=guest.host,
            disks=("scsi0",),
            source="ds01",
            target="ds02",
            kind="space",
            why="takes ds01 from 97.0 % to 79.9 %",
            after=(),
            bytes=GIB,
            room=GIB,
            seconds=5,
        )
        for number in range(moves)
    )
    storage = replace(
        given.plan.storage,
        moves=steps_,
        proof=StorageProof(bytes=moves * GIB, bytes_lower_bound=0, optimal=False, method="none"),
    )
    ended = tuple(
        DiskMoveOutcome(
            step=move.step,
            guest=move.guest,
            disks=move.disks,
            source=move.source,
            target=move.target,
            result="failed" if move.step % 100 in (1, moves % 100) else "migrated",
            why="no space left on device" if move.step % 100 in (1, moves % 100) else "",
        )
        for move in steps_
    )
    outcome = Outcome(
        cluster=snapshot.cluster,
        status="partial",
        started_at="2026-11-20T22:00:00Z",
        seconds=60,
        migrations=(),
        disk_moves=ended,
    )
    return Given(plan=replace(given.plan, storage=storage), outcome=outcome)


def numbered_guest(number: int) -> GuestRef:
    return GuestRef(id=f"{number}", name=f"vm{number:05}")


def test_many_disk_moves_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_list, "MAX_ROWS", 500)
    given = by_hand(700)
    found = steps(given)

    shown = [item for wave in found.waves for item in wave.items]
    assert len(shown) == MAX_ITEMS == 700 - found.more_items
    assert (len(found.rows), found.more_rows) == (500, 200)
    # What failed is shown, wherever it stands.
    assert {item.step for item in shown if item.result == "failed"} == {
        step for step in range(1, 701) if step % 100 in (0, 1)
    }
    text = render(given)
    assert "300 more disk moves are in the table below only." in text
    assert "200 more disk moves are not on this page" in text
    assert "The slots of each datastore are not drawn" in text


def test_two_thousand_disks_are_cut_and_counted() -> None:
    snapshot = generate_storage(StorageShape(datastores=80, disks=2000, seed=2))
    given = Given(snapshot=snapshot)
    found = section(given)

    assert (len(found.meters), found.more_meters) == (60, 20)
    assert (len(found.disks), found.more_disks) == (MAX_DISKS, 2000 - MAX_DISKS)
    # Those that can't be moved come first.
    fixed = sum(bool(disk.blockers) for guest in snapshot.guests for disk in guest.disks)
    assert all(row[-1] for row in found.disks[:fixed])
    text = render(given)
    assert "20 more datastores are in the table only." in text
    assert "1500 more disks are not listed, to keep the page small." in text
    assert len(text.encode()) < 2_000_000


def test_estimates_keep_the_slots_and_the_order() -> None:
    given = documents("datastores")
    snapshot, plan = parts(given)
    timeline = disk_timeline_of(given)
    assert timeline is not None
    assert timeline.estimated is not None
    assert given.plan is not None
    assert given.plan.policy.storage is not None
    spans = {row.step: row.estimated for row in timeline.rows}

    assert all(span is not None for span in spans.values())
    most = given.plan.policy.storage.max_per_datastore
    for store in snapshot.datastores:
        here = [spans[move.step] for move in plan.moves if store.id in (move.source, move.target)]
        for span in here:
            assert span is not None
            assert sum(covers(other, span.start) for other in here) <= most
    busiest = max(
        sum(move.seconds for move in plan.moves if store.id in (move.source, move.target))
        for store in snapshot.datastores
    )
    assert busiest / most <= timeline.estimated < 2 * busiest / most
    assert given.max_parallel is None
    one_by_one = disk_timeline_of(Given(snapshot=snapshot, plan=given.plan, max_parallel=1))
    assert one_by_one is not None
    assert one_by_one.estimated == pytest.approx(sum(move.seconds for move in plan.moves))


def covers(span: Span | None, moment: float) -> bool:
    return span is not None and span.start <= moment < span.end


def test_real_times_are_those_of_the_run() -> None:
    given, _after = disk_run()
    timeline = disk_timeline_of(given)
    assert timeline is not None
    assert given.outcome is not None

    for row in timeline.rows:
        assert row.real is not None
        assert row.ended is not None
        assert row.real.seconds == pytest.approx(row.ended.seconds)
    assert timeline.real is not None
    assert timeline.real <= given.outcome.seconds + 1
    assert steps(given).intro.endswith("and 260.4 GiB were copied.")


def test_names_of_datastores_disks_and_copies_are_text() -> None:
    text = render(hostile())

    assert "&lt;/script&gt;&lt;img src=x" in text
    assert "<img" not in text
    assert "left behind, to be deleted by hand: &lt;/script&gt;" in text


def test_headroom_is_that_of_the_end_with_the_disks_there() -> None:
    given = documents("datastores")
    rooms = headroom_of(given)
    assert rooms is not None
    assert rooms[0].moment == "planned"
    assert given.snapshot is not None
    assert given.plan is not None
    # The datastores become level, so that some that were too full take disks again.
    now, then = (
        sum(one.fit_on_datastores or 0 for one in room.found.sizes) for room in (rooms[1], rooms[0]) if room
    )
    assert then != now
    text = render(given)
    assert "No more fit than have room for their disks within the limits of the policy." in text
    assert "Free storage is not counted." in render(documents("evacuation"))

    run, after = disk_run()
    assert run.outcome is not None
    assert given.snapshot is not None
    ended = snapshot_after_run(given.snapshot, run.plan, run.outcome)
    places = {guest.id: [disk.datastore for disk in guest.disks] for guest in ended.guests}
    assert places == {guest.id: [disk.datastore for disk in guest.disks] for guest in after.guests}


def test_of_many_datastores_those_that_are_wrong_or_full_stand_first() -> None:
    snapshot = generate_storage(StorageShape(datastores=20, disks=60, seed=2, maintenance=1))
    found = section(Given(snapshot=snapshot))

    first, *others = found.meters
    assert (first.place.name, first.tags) == ("ds01", (("in maintenance", "warn"),))
    assert first.place.remarks == ("in maintenance mode",)
    shares = [meter.before or 0 for meter in others]
    assert shares == sorted(shares, reverse=True)
    # The table has them in the order of the cluster.
    assert [row[0] for row in found.rows] == [store.name for store in snapshot.datastores]
