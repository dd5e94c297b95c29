# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that are under way are still to move to datastores is found by their plans."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.disks_arriving import (
    DAY_SECONDS,
    MovesUnderWay,
    moves_under_way,
    with_disks_arriving,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import Owner, this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.runs import RunStart, begin, end
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import RUNS

FILE = Path(__file__).parents[3] / "playbooks" / "files" / "example-datastores.json"
SNAPSHOT = Snapshot.from_json(json.loads(FILE.read_text(encoding="utf-8")))
PLAN = plan(SNAPSHOT, Policy.from_json({"preset": "sdrs", "effort": 4}))
assert PLAN.storage is not None
MOVES = PLAN.storage.moves


def started(database: Database, cluster: str, name: str = "run", owner: Owner | None = None) -> None:
    run = RunStart(
        id=name,
        cluster=cluster,
        name="production",
        platform="rehearsal",
        who={},
        owner=owner or this_process(),
        plan=PLAN,
    )
    begin(database, run, alone=False)


def arriving(snapshot: Snapshot) -> dict[str, int]:
    return {place.id: place.arriving for place in snapshot.datastores if place.arriving}


def rooms(count: int) -> dict[str, int]:
    """By datastore, the room of all moves but the first so many."""
    found: dict[str, int] = {}
    for move in MOVES[count:]:
        found[move.target] = found.get(move.target, 0) + move.room
    return found


def test_moves_count_until_their_disks_are_there_or_the_run_has_ended(database: Database) -> None:
    assert moves_under_way(database, "c") == MovesUnderWay()
    started(database, "c")
    assert moves_under_way(database, "other") == MovesUnderWay()
    moves = moves_under_way(database, "other", "c")
    assert moves == MovesUnderWay(running=MOVES)
    assert arriving(with_disks_arriving(SNAPSHOT, moves)) == rooms(0)
    first = MovedDisks(guest=MOVES[0].guest.id, disks=MOVES[0].disks, target=MOVES[0].target)
    later = snapshot_after_disk_moves(SNAPSHOT, [first])
    assert arriving(with_disks_arriving(later, moves)) == rooms(1)
    # What a saved snapshot says is of then.
    assert with_disks_arriving(with_disks_arriving(SNAPSHOT, moves), MovesUnderWay()) == SNAPSHOT
    gone = replace(SNAPSHOT, guests=())
    assert arriving(with_disks_arriving(gone, moves)) == {}
    end(database, "run", "done", {})
    assert moves_under_way(database, "c") == MovesUnderWay()


def test_of_a_run_that_was_killed_only_what_the_platform_works_on_counts_for_a_day(
    database: Database,
) -> None:
    dead = replace(this_process(), pid=2**22 + 1, started_at="1")
    started(database, "c", owner=dead)
    moves = moves_under_way(database, "c")
    assert moves == MovesUnderWay(killed=MOVES)
    assert arriving(with_disks_arriving(SNAPSHOT, moves)) == {}
    assert arriving(with_disks_arriving(_held(SNAPSHOT), moves)) == {MOVES[0].target: MOVES[0].room}
    started(database, "d", "alive")
    long_ago = sa.update(RUNS).values(started_at=RUNS.c.started_at - DAY_SECONDS - 1)
    database.transaction(lambda connection: connection.execute(long_ago))
    assert moves_under_way(database, "c") == MovesUnderWay()
    assert moves_under_way(database, "d") == MovesUnderWay(running=MOVES)


def test_a_plan_while_a_copy_goes_on_leaves_its_guest_alone_and_its_space_free() -> None:
    """Of a run that was killed."""
    policy = Policy.from_json({"preset": "sdrs", "effort": 4})
    moves = MovesUnderWay(killed=MOVES)
    found = plan(with_disks_arriving(_held(SNAPSHOT), moves), policy).storage
    plain = plan(SNAPSHOT, policy).storage
    assert found is not None
    assert plain is not None
    assert MOVES[0].guest.id not in {move.guest.id for move in found.moves}
    now, then = (one.before.datastores[MOVES[0].target].used or 0 for one in (found, plain))
    assert now == then + MOVES[0].room
    assert any("another run is moving disks to it" in notice for notice in found.notices)


def _held(snapshot: Snapshot) -> Snapshot:
    """The platform copies the disks of the first move."""
    return replace(
        snapshot,
        guests=tuple(
            replace(guest, blockers=(*guest.blockers, "locked")) if guest.id == MOVES[0].guest.id else guest
            for guest in snapshot.guests
        ),
    )


def test_facts_have_them(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    url = f"sqlite:///{tmp_path}/state.db"
    with open_database(url) as database:
        started(database, f"rehearsal:{file.resolve()}")
    connection = evenkeel.Connection(platform="rehearsal", rehearsal_path=str(file), state_url=url)
    assert arriving(evenkeel.read(connection)) == rooms(0)
