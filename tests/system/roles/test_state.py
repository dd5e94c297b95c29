# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which database a module uses, what it takes from there, and what it leaves there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    RunOptions,
    cluster_key,
    journal_path,
    run_state,
    with_history,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    DiskMoveOutcome,
    MigrationOutcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later
from ansible_collections.evenkeel.cluster.plugins.module_utils._state import library
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import (
    LockHeld,
    StateLibraryMissing,
    StateUnavailable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import HISTORY, LOCKS
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

PACKAGE = "ansible_collections.evenkeel.cluster"
SNAPSHOT = generate(Shape(hosts=2, guests=3))
CLUSTER = SNAPSHOT.cluster
GUEST = SNAPSHOT.guests[0].id
NOW = "2026-11-20T22:30:00Z"
FAILED = MigrationOutcome(
    step=1, guest=GuestRef(id=GUEST, name="x"), source="a", target="b", result="failed", why="no",
    ended_at=NOW,
)  # fmt: skip


def options(**given: Any) -> RunOptions:
    return RunOptions(**{"platform": "proxmox", **given})


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def test_a_move_of_disks_that_failed_is_remembered_of_the_disks_and_not_of_the_guest(
    home: dict[str, str],
) -> None:
    disks = tuple(Disk(id=name, datastore="a", size=1) for name in ("scsi0", "scsi1"))
    place = HostDatastore(kind="nfs", shared=True, capacity=None, free=None)
    snapshot = replace(
        SNAPSHOT,
        hosts=tuple(replace(host, datastores={"a": place}) for host in SNAPSHOT.hosts),
        guests=tuple(replace(guest, disks=disks) for guest in SNAPSHOT.guests),
    )
    failed = DiskMoveOutcome(
        step=1, guest=GuestRef(id=GUEST, name="x"), disks=("scsi1",), source="a", target="b", result="failed",
        ended_at=NOW,
    )  # fmt: skip
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record_disks(failed)
    found, _notices = with_history(lambda: snapshot, options(), home)
    assert [guest.last_failed_at for guest in found.guests] == [None, None, None]
    first, *others = ([disk.last_failed_at for disk in guest.disks] for guest in found.guests)
    assert (first[0], others) == (None, [[None, None], [None, None]])
    assert (first[1] or "") <= snapshot.taken_at
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record(FAILED)
    found, _notices = with_history(lambda: snapshot, options(), home)
    assert found.guests[0].last_failed_at is not None
    assert [disk.last_failed_at for disk in found.guests[0].disks] == first


def test_by_default_the_home_folder_remembers(home: dict[str, str], tmp_path: Path) -> None:
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record(FAILED)
    assert kept.notices == ()
    assert (tmp_path / ".local" / "state" / "evenkeel" / "state.db").is_file()
    found, notices = with_history(lambda: SNAPSHOT, options(), home)
    assert [guest.last_failed_at is None for guest in found.guests] == [False, True, True]
    # As long ago as the database says, by the clock of the platform.
    assert (found.guests[0].last_failed_at or "") <= SNAPSHOT.taken_at
    assert notices == []


def test_the_option_wins_over_the_variable_and_that_over_the_default(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "xdg"),
        "EVENKEEL_STATE_URL": f"sqlite:///{tmp_path}/variable.db",
    }
    made = []
    for given in ({"state_url": f"sqlite:///{tmp_path}/option.db"}, {}):
        with run_state(options(**given), CLUSTER, environment, check_mode=False):
            made.append(sorted(file.name for file in tmp_path.glob("**/*.db")))
    del environment["EVENKEEL_STATE_URL"]
    with run_state(options(), CLUSTER, environment, check_mode=False):
        assert (tmp_path / "xdg" / "evenkeel" / "state.db").is_file()
    assert made == [["option.db"], ["option.db", "variable.db"]]


@pytest.mark.parametrize("asked", [True, False])
def test_reading_and_check_mode_make_no_file(asked: bool, home: dict[str, str], tmp_path: Path) -> None:
    params = options(state_url=f"sqlite:///{tmp_path}/new/state.db" if asked else None)
    found, notices = with_history(lambda: SNAPSHOT, params, home)
    assert (replace(found, remembered_at=None), notices) == (SNAPSHOT, [])
    with run_state(params, CLUSTER, home, check_mode=True) as kept:
        kept.record(FAILED)
    assert kept.notices == ()
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_is_refused_and_check_mode_only_tells(home: dict[str, str]) -> None:
    with run_state(options(), CLUSTER, home, check_mode=False):
        with (
            pytest.raises(
                LockHeld,
                match=f"^cluster {CLUSTER.name}: Another run is working on this cluster: process ",
            ),
            run_state(options(), CLUSTER, home, check_mode=False),
        ):
            pass
        with run_state(options(lock=False), CLUSTER, home, check_mode=False):
            pass
        with run_state(options(), CLUSTER, home, check_mode=True) as kept:
            assert "Another run works on cluster" in kept.notices[0]
        with run_state(options(), ClusterRef(id="other", name="other"), home, check_mode=False):
            pass


def test_whoever_loses_the_lock_is_told_to_stop(home: dict[str, str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    stop = StopSignal()
    with run_state(options(state_url=url), CLUSTER, home, check_mode=False, seconds=0.3) as kept:
        kept.renew_lock(stop)
        assert stop.reason(0) is None
        with open_database(url) as database:
            steal = LOCKS.update().values(token="thief", pid=1, host="elsewhere", place="far")
            database.transaction(lambda connection: connection.execute(steal))
        time.sleep(0.15)
        # A question renews nothing.
        assert stop.reason(0) is None
        kept.renew_lock(stop)
    assert "taken over by process 1 on elsewhere" in (stop.reason(0) or "")


def test_without_a_lock_none_is_renewed(home: dict[str, str]) -> None:
    stop = StopSignal()
    with run_state(options(lock=False), CLUSTER, home, check_mode=False) as kept:
        kept.renew_lock(stop)
    assert stop.reason(0) is None


def test_a_default_that_does_not_work_is_a_notice_and_one_that_was_asked_for_an_error(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".local").write_text("no folder")
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record(FAILED)
    assert "can't be opened" in kept.notices[0]
    asked = options(state_url=f"sqlite:///{tmp_path}/.local/state.db")
    with pytest.raises(StateUnavailable), run_state(asked, CLUSTER, home, check_mode=False):
        pass
    monkeypatch.setattr(library, "sa", None)
    with pytest.raises(StateLibraryMissing):
        with_history(lambda: SNAPSHOT, options(state_url="sqlite://"), home)
    with run_state(options(), CLUSTER, {}, check_mode=False) as kept:
        assert "set state_url, or HOME" in kept.notices[0]


def test_modules_start_without_the_library() -> None:
    program = f"import sys; sys.modules['sqlalchemy'] = None; import {PACKAGE}.plugins.modules.cluster_facts"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_can_not_be_remembered_fails_no_migration(home: dict[str, str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    with run_state(options(state_url=url, lock=False), CLUSTER, home, check_mode=False) as kept:
        with open_database(url) as database:
            database.transaction(HISTORY.drop)
        for _ in range(2):
            kept.record(FAILED)
        assert kept.notices == ()
    assert len(kept.notices) == 1
    assert kept.notices[0].startswith("The migrations of this run were not recorded: ")


def test_an_end_is_remembered_before_the_run_is_over(home: dict[str, str]) -> None:
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record(FAILED)
        found, _notices = with_history(lambda: SNAPSHOT, options(), home)
        assert found.guests[0].last_failed_at is not None


def test_what_a_database_did_not_take_is_written_when_it_does(home: dict[str, str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    params = options(state_url=url)
    with (
        run_state(params, CLUSTER, home, check_mode=False) as kept,
        open_database(url) as other,
    ):
        other.transaction(HISTORY.drop)
        kept.record(FAILED)
        other.transaction(HISTORY.create)
    assert kept.notices == ()
    assert with_history(lambda: SNAPSHOT, params, home)[0].guests[0].last_failed_at is not None


def test_a_wait_that_makes_no_sense(home: dict[str, str]) -> None:
    with (
        pytest.raises(InputError, match="lock_wait: -1 is not a number of at least 0"),
        run_state(options(lock_wait=-1), CLUSTER, home, check_mode=False),
    ):
        pass


MOVED = replace(FAILED, result="migrated")


def test_a_snapshot_knows_what_it_came_too_early_for(home: dict[str, str]) -> None:
    early, _notices = with_history(lambda: SNAPSHOT, options(), home)
    late: list[float | None] = []

    def read() -> Snapshot:
        with run_state(options(), CLUSTER, home, check_mode=False) as kept:
            kept.record(MOVED)
        return SNAPSHOT

    for reading in (read, lambda: SNAPSHOT):
        found, _notices = with_history(reading, options(), home)
        late.append(found.remembered_at)
        # What is recorded within a millisecond of a reading counts as later.
        time.sleep(0.005)
    for check_mode in (False, True):
        with run_state(options(), CLUSTER, home, check_mode=check_mode) as kept:
            seen = [set(kept.shifted(moment)) for moment in (early.remembered_at, *late)]
            # What was recorded while a cluster was being read may be missing in what was read.
            assert seen == [{GUEST}, {GUEST}, set()]
            assert kept.shifted(None) == {}, "it was recorded before this run asked for the lock"
    with run_state(options(lock=False), CLUSTER, home, check_mode=False) as kept:
        assert kept.shifted(early.remembered_at) == {}
        kept.record(replace(MOVED, ended_at="2026-11-20T22:31:00Z", target="c"))
    with run_state(options(), ClusterRef(id="other", name="other"), home, check_mode=False) as kept:
        assert kept.shifted(early.remembered_at) == {}


def test_what_another_run_does_while_this_one_waits(home: dict[str, str]) -> None:
    began, asked = threading.Event(), threading.Event()

    def other() -> None:
        with run_state(options(), CLUSTER, home, check_mode=False) as kept:
            began.set()
            asked.wait()
            # Nothing tells that somebody waits for the lock.
            time.sleep(1)
            kept.record(MOVED)

    thread = threading.Thread(target=other)
    thread.start()
    began.wait()
    asked.set()
    with run_state(options(lock_wait=30), CLUSTER, home, check_mode=False) as kept:
        assert set(kept.shifted(None)) == {GUEST}
    thread.join()


def test_a_home_that_can_not_be_read_says_nothing_of_when(tmp_path: Path) -> None:
    found, notices = with_history(lambda: SNAPSHOT, options(), {})
    assert (found.remembered_at, len(notices)) == (None, 1)


def test_no_two_clusters_have_the_same_key(tmp_path: Path) -> None:
    copy = options(platform="rehearsal", rehearsal_path=str(tmp_path / "a" / ".." / "copy.json"))
    one = ClusterRef(id="domain-c8", name="prod", instance="1ff2782c")
    assert cluster_key(options(platform="vsphere"), one) == "vsphere:1ff2782c:domain-c8"
    assert cluster_key(options(), ClusterRef(id="prod", name="prod")) == "proxmox:prod"
    assert cluster_key(copy, one) == f"rehearsal:{tmp_path}/copy.json"


LOADS_NO_DATABASE = f"""
import sys
from {PACKAGE}.plugins.modules import cluster_facts, vm_migrate
from {PACKAGE}.plugins.module_utils._ansible.state_session import RunOptions, run_state
from {PACKAGE}.plugins.module_utils._model.snapshot import ClusterRef

cluster, home = ClusterRef(id="prod", name="prod"), {{"HOME": sys.argv[1]}}
with run_state(RunOptions(platform="proxmox"), cluster, home, check_mode=True) as kept:
    assert not kept.shifted(None) and not kept.notices
assert "sqlalchemy" not in sys.modules
"""


def test_a_reading_and_a_dry_run_load_no_database_before_there_is_one(tmp_path: Path) -> None:
    started = [sys.executable, "-c", LOADS_NO_DATABASE, str(tmp_path)]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_controller_with_a_wrong_clock_changes_nothing(home: dict[str, str]) -> None:
    # The run that recorded this had a clock of a quarter of a century ago, or of one to come.
    for ended_at in ("2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        with run_state(options(), CLUSTER, home, check_mode=False) as kept:
            kept.record(replace(FAILED, ended_at=ended_at))
        found, _notices = with_history(lambda: SNAPSHOT, options(), home)
        at = found.guests[0].last_failed_at
        assert at is not None
        assert later(SNAPSHOT.taken_at, -3600) < at <= SNAPSHOT.taken_at


def test_what_the_platform_refused_is_remembered(home: dict[str, str]) -> None:
    with run_state(options(), CLUSTER, home, check_mode=False) as kept:
        kept.record(replace(FAILED, result="refused", why="no such device"))
    found, _notices = with_history(lambda: SNAPSHOT, options(), home)
    assert [(one.guest, one.host, one.why) for one in found.refusals] == [(GUEST, "b", "no such device")]
    assert found.guests[0].last_failed_at is None


def test_clusters_of_one_name_on_two_instances_share_nothing_but_what_is_older(home: dict[str, str]) -> None:
    plain, one, two = (replace(CLUSTER, instance=name) for name in (None, "one", "two"))
    assert len({cluster_key(options(), cluster) for cluster in (plain, one, two)}) == 3
    with run_state(options(), one, home, check_mode=False) as kept:
        kept.record(FAILED)

    def failed(cluster: ClusterRef) -> bool:
        found, _notices = with_history(lambda: replace(SNAPSHOT, cluster=cluster), options(), home)
        return found.guests[0].last_failed_at is not None

    assert [failed(one), failed(two)] == [True, False]
    with run_state(options(), plain, home, check_mode=False) as kept:
        kept.record(FAILED)
    assert [failed(one), failed(two)] == [True, True]


def test_a_journal_that_an_earlier_version_left_unfinished_goes_on(home: dict[str, str]) -> None:
    given = options()
    older = Path(str(journal_path(None, given, replace(CLUSTER, instance=None), home)))
    own = journal_path(None, given, replace(CLUSTER, instance="abc"), home)
    assert own != str(older)
    older.parent.mkdir(parents=True)
    older.write_text("")
    assert journal_path(None, given, replace(CLUSTER, instance="abc"), home) == str(older)
    older.unlink()
    assert journal_path(None, given, replace(CLUSTER, instance="abc"), home) == own
