#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Check the variables of a role of this collection
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Fails with one sentence when a variable with a prefix of the role does not exist, such as C(balance_agressiveness), and names the nearest
    variable that exists. Facts and registered results may have any name.
  - Fails when a required variable is not set, or a value is not possible.
  - Fails when two clusters of the play write the same file, such as C(balance_plan_path).
  - Fails when a file that the role writes later, such as C(balance_outcome_path), can't be written, in check mode too.
  - Every role of this collection starts with it, by the role C(check_variables), which their C(meta) depends on.
options:
  role:
    description: Name of the role.
    type: str
    choices: [balance, evacuate, host_load, lease, notify, place, report, schedule, service_setup]
    required: true
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Check the variables before anything else
  evenkeel.cluster.check_variables:
    role: balance
"""

RETURN = r"""
error:
  description: Kind of the error.
  returned: failure
  type: str
  sample: InputError
"""
