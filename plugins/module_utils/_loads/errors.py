# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of sources of loads other than the platform."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class LoadMissing(EvenKeelError):
    """A load is not known, and the user wants none to be taken from the platform instead."""


class PrometheusError(EvenKeelError):
    """Prometheus could not be asked, or did not understand the question."""
