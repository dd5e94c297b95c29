#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_summary
short_description: Show a report as lines, and fail with its reason
version_added: 1.0.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Shows a report, such as that of M(evenkeel.cluster.balance_plan) or M(evenkeel.cluster.vm_migrate), line by line, where M(ansible.builtin.debug)
    shows a list in JSON.
  - It is the last task of the roles of this collection, so that their report is right above the end of the output.
  - Nothing is shown when the callback plugin for the standard output is for programs, such as P(ansible.posix.json#callback), or when
    P(evenkeel.cluster.summary#callback) is enabled, which shows the reports at the end of the playbook. The report is returned anyway.
options:
  report:
    description: Lines of the report.
    type: list
    elements: str
    default: []
  show:
    description: Whether to show the report. It is returned anyway.
    type: bool
    default: true
  error:
    description: Message to fail with after the report. With an empty text the task succeeds.
    type: str
    default: ""
  error_type:
    description: Returned as RV(error) when the task fails.
    type: str
    default: ""
  changed:
    description: Whether to report a change.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Plan the migrations
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
  register: planned

- name: Show the plan
  evenkeel.cluster.run_summary:
    report: "{{ planned.report }}"
    error: "{{ (planned.summary.unresolved > 0) | ternary(planned.unresolved | join('; '), '') }}"
"""

RETURN = r"""
report:
  description: The lines that were shown. Characters that a terminal does not print are escaped.
  returned: success
  type: list
  elements: str
  sample:
    - "cluster production (proxmox): balanced by 9 migrations in 1 wave, 72.0 GiB of memory"
error:
  description: Kind of the error, when O(error_type) is set.
  returned: failure
  type: str
  sample: GuestsOnHost
"""
