# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with pools and leases."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class CapacityError(EvenKeelError):
    """A pool or a lease could not be had, changed or given up."""


class UnknownPool(CapacityError):
    """There is no pool of that name."""


class PoolInUse(CapacityError):
    """Leases stand in the way of what is asked of a pool."""


class Impossible(CapacityError):
    """No pool could ever fulfil the request, not even when all of them are free."""


class NotFulfilled(CapacityError):
    """There was no room within the time that there was to wait."""


class LeaseDiffers(CapacityError):
    """There is a lease of that name already, for something else or for somebody else."""


class LeaseNotHeld(CapacityError):
    """There is no lease of that name that goes on."""


class HoldsChanged(CapacityError):
    """Others were promised room in the cluster since the placement was thought of."""
