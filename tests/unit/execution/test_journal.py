# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unfinished run leaves on disk, and what the next one makes of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.errors import JournalError
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import EarlierRun, Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    MigrationOutcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.tests.support.full_disk import full_after

AT = "2026-01-31T22:00:00Z"
ENDED = MigrationOutcome(
    step=1,
    guest=GuestRef(id="1", name="web"),
    source="a",
    target="b",
    result="migrated",
    task="t1",
    started_at=AT,
    seconds=2.5,
)


def killed(journal: Journal) -> None:
    """As SIGKILL leaves it: nothing is written any more, the lock is gone."""
    journal._stream.close()  # type: ignore[union-attr]


def begun(path: Path) -> Journal:
    journal = Journal(str(path), "plan")
    journal.begin(1, AT)
    journal.started(1, "t1")
    journal.ended(ENDED)
    journal.begin(2, AT)
    journal.started(2, "t2")
    journal.begin(3, AT)
    return journal


def test_an_unfinished_run_is_read_back(tmp_path: Path) -> None:
    killed(begun(tmp_path / "deep" / "journal"))
    past = Journal(str(tmp_path / "deep" / "journal"), "plan").past
    assert past == EarlierRun({1: AT, 2: AT, 3: AT}, {1: "t1", 2: "t2"}, {1: ENDED}, outcomes=(ENDED,))


def test_what_a_step_takes_along_is_known_before_its_task_is(tmp_path: Path) -> None:
    partner = CoMigrated(guest=GuestRef(id="2", name="cache"), source="c", memory=4096)
    journal = Journal(str(tmp_path / "journal"), "plan")
    journal.begin(1, AT, [partner])
    journal.begin(2, AT)
    killed(journal)
    assert Journal(str(tmp_path / "journal"), "plan").past == EarlierRun(
        {1: AT, 2: AT}, along={1: (partner,)}
    )


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    killed(begun(path))
    whole = path.read_bytes()
    for length in range(len(whole) - 30, len(whole)):
        path.write_bytes(whole[:length])
        journal = Journal(str(path), "plan")
        assert set(journal.past.begun) >= {1, 2}
        journal.begin(4, AT)
        killed(journal)
        assert 4 in Journal(str(path), "plan").past.begun


def test_another_plan_begins_anew_and_knows_what_may_have_been_told_to_nobody(tmp_path: Path) -> None:
    killed(begun(tmp_path / "journal"))
    journal = Journal(str(tmp_path / "journal"), "other")
    assert journal.past == EarlierRun(outcomes=(ENDED,))
    killed(journal)
    assert Journal(str(tmp_path / "journal"), "plan").past == EarlierRun()


def test_a_finished_run_leaves_nothing(tmp_path: Path) -> None:
    begun(tmp_path / "journal").finish()
    assert not (tmp_path / "journal").exists()


def test_what_begins_is_on_disk_when_it_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only written: the machine may lose its power while the platform migrates."""
    path = tmp_path / "journal"
    synced: list[bytes] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        sync(descriptor)
        synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", watched)
    journal = Journal(str(path), "plan")
    assert synced[-1] == path.read_bytes()
    journal.begin(1, AT)
    assert synced[-1] == path.read_bytes()
    assert b'"begin"' in synced[-1]
    journal.rolling_back()
    assert synced[-1] == path.read_bytes()
    assert b'"home"' in synced[-1]


def test_that_a_run_was_going_home_is_read_back_of_the_same_plan_only(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(str(path), "plan")
    journal.begin(1, AT)
    journal.rolling_back()
    killed(journal)
    again = Journal(str(path), "plan")
    assert again.past == EarlierRun({1: AT}, rolling_back=True)
    killed(again)
    assert Journal(str(path), "other").past == EarlierRun()


def test_a_journal_that_is_gone_on_with_loses_nothing_and_one_of_another_plan_is_emptied(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    killed(begun(path))
    before = path.read_text()
    assert "\n\n" not in before
    killed(Journal(str(path), "plan"))
    assert path.read_text().startswith(before)
    killed(Journal(str(path), "other"))
    assert path.read_text() == '{"event":"plan","plan":"other"}\n'


def test_a_journal_without_a_path_keeps_nothing_and_none_is_in_the_way_of_itself() -> None:
    journal = Journal(None, "plan")
    journal.begin(1, AT)
    journal.ended(ENDED)
    journal.finish()
    assert (journal.past, journal.broken) == (EarlierRun(), None)
    assert Journal("", "plan").past == EarlierRun()


def test_two_runs_at_once(tmp_path: Path) -> None:
    first = begun(tmp_path / "journal")
    with pytest.raises(JournalError, match="is locked by another run"):
        Journal(str(tmp_path / "journal"), "plan")
    first.finish()
    assert Journal(str(tmp_path / "journal"), "plan").past == EarlierRun()


def test_a_place_where_nothing_can_be_kept() -> None:
    with pytest.raises(JournalError, match=r"^journal_path: /proc/none/journal can't be written"):
        Journal("/proc/none/journal", "plan")


def test_garbage_is_no_past(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'\xff\x00{"event": 5}\n[]\n{"event": "begin"}\nnull\n')
    assert Journal(str(tmp_path / "journal"), "plan").past == EarlierRun()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch(0o644)
    begun(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null", "/", "/tmp/a\0b", "~nobody-of-this-name/j"])
def test_what_is_no_file(path: str) -> None:
    with pytest.raises(JournalError, match=r"^journal_path: "):
        Journal(path, "plan")


@pytest.mark.parametrize(
    "line",
    [
        '{"event":' * 20_000,
        "[" * 100_000,
        '{"event":"begin","step":9,"at":5}',
        '{"event":"begin","step":"9","at":"x"}',
        '{"event":"begin","step":[9],"at":"x"}',
        '{"event":"started","step":2,"task":{"a":1}}',
        '{"event":"started","step":2,"task":7}',
        '{"event":"ended","outcome":[]}',
        '{"event":"begin","step":9,"at":"x","along":{}}',
        f'{{"event":"begin","step":{"9" * 5000},"at":"x"}}',
        '{"event":["plan"]}',
    ],
)
def test_a_line_of_no_use_is_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal"
    killed(begun(path))
    known = Journal(str(path), "plan").past
    with path.open("a") as stream:
        stream.write(line + "\n")
    assert Journal(str(path), "plan").past == known


def test_a_disk_that_fills(tmp_path: Path) -> None:
    """Nothing is begun that is not on disk; the end of what was begun is not lost to the run, nor is the run
    to the end.
    """
    path = tmp_path / "journal"
    journal = begun(path)
    with full_after(path.stat().st_size + 20):
        journal.ended(replace(ENDED, step=3))
        why = f"journal_path: {path} can't be written: File too large"
        assert journal.broken == f"{why}. Free space there, or set another path"
        for begin in (lambda: journal.begin(4, AT), journal.rolling_back):
            with pytest.raises(JournalError, match="can't be written: File too large"):
                begin()
    # There is space again: what was cut off does not spoil what follows.
    journal.begin(5, AT)
    killed(journal)
    assert set(Journal(str(path), "plan").past.begun) == {1, 2, 3, 5}


def test_the_end_of_a_run_on_a_full_disk(tmp_path: Path) -> None:
    journal = begun(tmp_path / "journal")
    with full_after(1):
        journal.ended(ENDED)
        journal.finish()
    assert not (tmp_path / "journal").exists()
