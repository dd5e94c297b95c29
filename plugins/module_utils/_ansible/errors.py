# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of modules and the inventory plugin beside those of the rooms that they call."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class NameTaken(EvenKeelError):
    """Two things would be the same inventory host or group."""


class GuestsOnHost(EvenKeelError):
    """Guests still run on a host that is to go into maintenance."""


class FileError(EvenKeelError):
    """A file can't be read or written."""


class LibraryMissing(EvenKeelError):
    """A Python library that an option needs is not installed."""


class ExportError(EvenKeelError):
    """Metrics can't be handed to a server."""


class ScheduleError(EvenKeelError):
    """A schedule can't be installed or removed."""
