# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that keep a plan from being run at all."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class ExecutionError(EvenKeelError):
    """A plan cannot be run."""


class JournalError(ExecutionError):
    """The journal cannot be read or written; nothing is started without it."""


class WrongCluster(ExecutionError):
    """The plan is for another cluster than the platform serves."""


class StorageUnsupported(ExecutionError):
    """The plan moves disks, and the platform has no part that does."""
