# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The differences that planning takes for none, and why. The verifier has tolerances of its own."""

from __future__ import annotations

from typing import Final

# Points outside the band, or above a threshold: loads are added and subtracted some thousand times.
POINTS: Final = 1e-6
# Points by which a plan with fewer migrations may be worse: less than POINTS, so that several such steps
# together stay within it.
SAME_POINTS: Final = 1e-7
# Weights of rules that are not strict: small numbers that are added a few times.
WISHES: Final = 1e-9
# Part of a ceiling, or of an amount on a host, so that what fits exactly does fit.
AMOUNT: Final = 1e-9
# Part of a ceiling by which a host is reported to be above it: sums of the same loads in another order.
REPORTED_AMOUNT: Final = 1e-6
# Points of a spread or load in a plan, which are rounded to three digits.
REPORTED_POINTS: Final = 1e-3
# Migrations: a bound that is a whole number but for the rounding of a solver.
MIGRATIONS: Final = 1e-6
# Points by which the integer program widens its band, so that rounding loses no placement at the limit.
PROGRAM_POINTS: Final = 1e-7
# Costs and deviations that differ by less are equal.
COST: Final = 1e-12
# Parts of the time limit below which nothing is left.
TIME: Final = 1e-9
