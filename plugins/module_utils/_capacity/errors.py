# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of pools and leases."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class CapacityError(EvenKeelError):
    """A pool or a lease could not be read, changed, granted or released."""


class UnknownPool(CapacityError):
    """There is no pool of that name."""


class PoolInUse(CapacityError):
    """A pool cannot be changed or removed as requested, because of its leases."""


class Impossible(CapacityError):
    """No pool could ever fulfil the request, not even when all of them are free."""


class NotFulfilled(CapacityError):
    """There was not enough free capacity in the time to wait."""


class LeaseDiffers(CapacityError):
    """A lease of that name exists already, with another request or another owner."""


class LeaseNotHeld(CapacityError):
    """No lease of that name exists, or it has ended."""


class HoldsChanged(CapacityError):
    """Other reservations were added in the cluster since the placement was made."""
