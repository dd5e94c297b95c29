# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can keep a plan from being carried out at all."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class ExecutionError(EvenKeelError):
    """A plan can't be carried out."""


class JournalError(ExecutionError):
    """The journal can't be read or written: without it nothing is started."""


class WrongCluster(ExecutionError):
    """The plan is for another cluster than the platform serves."""
