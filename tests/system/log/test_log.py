# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of many processes at once, in syslog, and where the disk is full."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible import log as log_module
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log import LogOptions, open_log
from ansible_collections.evenkeel.cluster.tests.support.unprivileged import python

WRITERS, LINES = 6, 200
WRITER = """
import sys
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log import LogOptions, open_log
file, writer, lines = sys.argv[1:]
with open_log(LogOptions(log=file), {}, {}, check_mode=False) as log:
    log.bind(cluster=writer)
    for number in range(int(lines)):
        log.write("info", "line", number=number, why=writer * 2000)
"""
REFUSED = """
import sys
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log import LogOptions, open_log
for check_mode in (False, True):
    try:
        with open_log(LogOptions(log=sys.argv[1]), {}, {}, check_mode=check_mode):
            print("opened")
    except FileError as error:
        print(error)
"""


def test_lines_of_processes_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, file, str(writer), str(LINES)])
        for writer in range(WRITERS)
    ]
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(line["why"] == line["cluster"] * 2000 for line in found)
    for writer in range(WRITERS):
        assert [line["number"] for line in found if line["cluster"] == str(writer)] == list(range(LINES))


def test_syslog_has_the_level_and_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "log")
    monkeypatch.setattr(log_module, "SYSLOG", address)
    options = LogOptions(log="syslog", log_format="logfmt")
    with (
        pytest.raises(FileError, match=r"syslog can't be reached at .*: No such file or directory"),
        open_log(options, {}, {}, check_mode=True),
    ):
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        with open_log(options, {}, {}, check_mode=False) as log:
            log.write("debug", "progress")
            log.write("info", "run_started", migrations=2)
            log.write("error", "run_failed", why="no answer")
            said = [server.recv(4096).decode() for _ in range(2)]
            server.close()
            Path(address).unlink()
            log.write("error", "run_failed", why="nobody hears it")
    # <facility user * 8 + severity>
    assert said[0].startswith("<14>evenkeel: time=")
    assert said[0].rstrip("\0").endswith(" level=info event=run_started migrations=2")
    assert said[1].startswith("<11>evenkeel: time=")
    assert log.problems() == [f"The log misses 1 line: {address} does not take it"]


def test_a_file_of_others_is_refused_and_a_full_disk_is_not_fatal(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("")
    file.chmod(0o440)
    said = subprocess.run([*python(), "-c", REFUSED, file], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [f"log: {file} can't be written: Permission denied"] * 2
    with open_log(LogOptions(log="/dev/full"), {}, {}, check_mode=False) as log:
        log.write("info", "one")
    assert log.problems() == ["The log misses 1 line: No space left on device"]
