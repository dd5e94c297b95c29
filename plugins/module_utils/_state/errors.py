# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the state database."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class StateError(EvenKeelError):
    """State that outlives a run could not be read or written."""


class StateLibraryMissing(StateError):
    """A Python library that the database needs is not installed."""


class StateUnavailable(StateError):
    """The database can't be opened or does not answer."""


class StateBusy(StateError):
    """Others changed the same rows each time that it was tried."""


class StateTooNew(StateError):
    """A newer version of the collection has changed the tables."""


class LockHeld(StateError):
    """Someone else works on the cluster."""


class LockLost(StateError):
    """The lock ran out and someone else has it, or it could not be renewed in time: nothing more may be
    started.
    """
