# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: Live progress of migrations, and one block for each cluster at the end
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - While M(evenkeel.cluster.vm_migrate) runs, shows bars at the bottom of the terminal, one for each migration under way, with the number of
    migrations done and left and the expected end. Where the output is no terminal, it shows one line per cluster and minute instead.
  - At the end of the playbook shows one block for each cluster, with the load before and after, the migrations, and what could not be done.
  - The roles do not show their own reports then.
requirements:
  - enable in configuration, with E(ANSIBLE_CALLBACKS_ENABLED=evenkeel.cluster.summary) or C(callbacks_enabled) in C(ansible.cfg)
options:
  interval:
    description: Number of seconds between two lines of progress where the output is no terminal.
    type: float
    default: 60
    env:
      - name: EVENKEEL_SUMMARY_INTERVAL
    ini:
      - section: callback_evenkeel_summary
        key: interval
"""

import atexit
import os
import shutil
import sys
import tempfile
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.audience import (
    FOLDER_VARIABLE,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.bars import Footer, bars
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import (
    ProgressFolder,
    line_of,
)

# How often the bars are drawn.
_SECONDS = 0.25
_MIGRATES = "evenkeel.cluster.vm_migrate"
# The later report of a cluster takes the place of an earlier one. That of run_summary is the whole, but it has
# none where it fails.
_REPORTS = (
    "evenkeel.cluster.balance_plan",
    "evenkeel.cluster.vm_placement",
    "evenkeel.cluster.capacity_lease",
    "evenkeel.cluster.run_summary",
    _MIGRATES,
)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Besides the callback plugin that shows tasks."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "evenkeel.cluster.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._folder: Path | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._footer = Footer(_write_at_once, _size)
        self._reports: dict[str, list[str]] = {}
        self._failures: dict[str, str] = {}

    def v2_playbook_on_start(self, playbook: object) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="evenkeel-summary-"))
        os.environ[FOLDER_VARIABLE] = str(self._folder)
        atexit.register(self._stop)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.action == _MIGRATES and self._thread is None and self._folder is not None:
            self._thread = threading.Thread(target=self._follow, args=(self._folder,), daemon=True)
            self._thread.start()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._record(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._record(result)
        if not ignore_errors:
            self._failures[result.host.get_name()] = str(result.result.get("msg", "a task failed"))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._stop()
        failed = {host: why for host, why in self._failures.items() if stats.failures.get(host)}
        names = sorted({*self._reports, *failed})
        if names:
            self._display.banner("SUMMARY")
        for name in names:
            report = self._reports.get(name, [])
            lines = [f"{name}:", *(f"  {line}".rstrip() for line in report)]
            if name in failed:
                lines.append(f"  failed: {failed[name]}")
            for line in lines:
                self._display.display(line)
            self._display.display("")

    def _record(self, result: Any) -> None:
        report = result.result.get("report")
        if result.task.action in _REPORTS and report:
            self._reports[result.host.get_name()] = report

    def _follow(self, folder: Path) -> None:
        """Shows the progress of all runs until the playbook ends."""
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        seen, shown = ProgressFolder(folder), ""
        while not self._over.wait(_SECONDS if terminal else self.get_option("interval")):
            clusters = seen.read()
            if terminal and clusters:
                columns, height = self._footer.room
                self._footer.show(bars(clusters, columns, height, datetime.now().astimezone()))
            elif terminal:
                self._footer.clear()
            else:
                text = "\n".join(f"{name}: {line_of(progress)}" for name, progress in clusters.items())
                if text and text != shown:
                    self._display.display(text)
                shown = text
        seen.close()
        self._footer.clear()

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._folder is not None:
            os.environ.pop(FOLDER_VARIABLE, None)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _write_at_once(text: str) -> None:
    """Not by sys.stdout, whose lock a child of ansible-playbook might inherit."""
    os.write(1, text.encode())


def _size() -> tuple[int, int]:
    columns, lines = shutil.get_terminal_size()
    return columns, lines
