# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of requests to the service."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class ServiceError(EvenKeelError):
    """A request could not be taken, worked on or answered."""


class RequestDiffers(ServiceError):
    """There is a request of that id already, for something else."""


class UnknownRequest(ServiceError):
    """There is no request of that id."""


class ClaimLost(ServiceError):
    """The request has ended, or somebody else works on it by now."""


class ServiceLibraryMissing(ServiceError):
    """A Python library that the service needs is not installed."""


class SecretMissing(ServiceError):
    """A secret that the configuration names is not available, or not usable."""
