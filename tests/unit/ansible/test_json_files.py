# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that modules exchange: what is wrong with one is told by the option and the path, and nothing but a
file is ever replaced.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.json_files import (
    read_json,
    write_json,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    ClusterStateOptions,
    with_history,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", "is not JSON: Expecting value: line 1"),
        (b'{"hosts": [', "is not JSON: "),
        (b"\xff\xfe{", "is not JSON: .*utf-8"),
        (b"1" + b"0" * 5000, "is not JSON: .*digits"),
        (b"[" * 100_000, "is not JSON: it is nested too deep"),
    ],
)
def test_what_is_no_document(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"^snapshot_path: {path} {message}"):
        read_json(str(path), "snapshot_path")


@pytest.mark.parametrize("path", ["/nowhere/none.json", "/", "~nobody-of-this-name/plan.json"])
def test_what_is_not_there(path: str) -> None:
    with pytest.raises(FileError, match=rf"^plan_path: {path} can't be"):
        read_json(path, "plan_path")


def test_nothing_but_a_file_is_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(FileError, match=rf"^plan_path: {path} can't be written: it is not a regular f"):
            write_json(str(path), {}, "plan_path")
    assert pipe.is_fifo()


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, file = tmp_path / "latest.json", tmp_path / "plans" / "1.json"
    link.symlink_to(file)
    write_json(str(link), {"a": 1}, "plan_path")
    assert link.is_symlink()
    assert read_json(str(file), "plan_path") == {"a": 1}
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_what_can_t_be_written_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    write_json(str(file), {"a": 1}, "plan_path")
    for path in (f"{file}/plan.json", f"{tmp_path}/{'n' * 300}", "~nobody-of-this-name/plan.json"):
        with pytest.raises(FileError, match=rf"^plan_path: {path} can't be"):
            write_json(path, {}, "plan_path")
    assert read_json(str(file), "plan_path") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_database_that_can_t_be_made_later_is_refused_when_the_cluster_is_read() -> None:
    """In check mode too, in which no database is made."""
    options = ClusterStateOptions(platform="rehearsal", state_url="sqlite:////proc/nowhere/state.db")
    with pytest.raises(FileError, match=r"state_url: /proc/nowhere/state\.db can't be written: "):
        with_history(lambda: pytest.fail("the cluster is read"), options, {})
