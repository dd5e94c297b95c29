# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that keep a plan from being made at all."""

from __future__ import annotations

from .._model.errors import EvenKeelError


class PlanningError(EvenKeelError):
    """The question itself is wrong: there is nothing to plan, or the policy names what does not exist."""


class UnsafePlan(EvenKeelError):
    """A finished plan did not pass the verifier: a defect of the planner, told instead of a wrong plan."""
