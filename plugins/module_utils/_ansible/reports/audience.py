# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reads what a run prints: people, a program, or the callback plugin evenkeel.cluster.summary."""

from __future__ import annotations

from collections.abc import Mapping

# Set by the callback plugin, which shows progress and reports itself.
FOLDER_VARIABLE = "EVENKEEL_SUMMARY_FOLDER"
_FOR_PROGRAMS = ("json", "jsonl", "junit", "null")


def lines_are_read(stdout_callback: str, environment: Mapping[str, str]) -> bool:
    """Whether lines between those of the callback plugin for the standard output are for somebody."""
    return FOLDER_VARIABLE not in environment and stdout_callback.rpartition(".")[2] not in _FOR_PROGRAMS
