# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: runs
short_description: The runs of the roles balance and evacuate on clusters
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns what the role P(evenkeel.cluster.balance#role) or P(evenkeel.cluster.evacuate#role) did on each cluster in this playbook, for the
    option O(evenkeel.cluster.notify#module:runs) of M(evenkeel.cluster.notify).
  - Of several runs on a cluster, it is the last one. A cluster on which the role has not come to its end counts as failed.
positional: _input, hostvars
options:
  _input:
    description: Names of the clusters in the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Report all clusters in one message, also those that failed
  evenkeel.cluster.notify:
    urls: "{{ vault_receivers }}"
    runs: "{{ groups.clusters | evenkeel.cluster.runs(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The runs.
  type: list
  elements: dict
  contains:
    cluster:
      description: Name of the cluster in the inventory.
      returned: always
      type: str
      sample: production
    plan:
      description: The summary of M(evenkeel.cluster.balance_plan).
      returned: when the role has come to its end
      type: dict
      sample: {"status": "balanced", "migrations": 9}
    outcome:
      description: The summary of M(evenkeel.cluster.vm_migrate). Empty when nothing was run.
      returned: when the role has come to its end
      type: dict
      sample: {"status": "done", "migrated": 9}
    unresolved:
      description: What is not resolved, one line each.
      returned: when the role has come to its end
      type: list
      elements: str
      sample: []
    report:
      description: Lines of the report.
      returned: when the role has come to its end
      type: list
      elements: str
      sample: ["cluster production: done in 83 s, 9 of 9 migrations, 72.0 GiB of memory"]
    error:
      description: Reason of the failure. Empty when the run did not fail.
      returned: always
      type: str
      sample: ""
    lock_taken_over:
      description: Process whose lock the run took over. Empty when it took over none.
      returned: when the role has come to its end
      type: str
      sample: ""
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.notifications.host_results import (
    runs_of,
)


def runs(names: Any, hostvars: Any) -> list[dict[str, Any]]:
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise AnsibleFilterError("runs: the input is not a list of names of clusters")
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("runs: its argument is not the variable hostvars")
    return runs_of([str(name) for name in names], hostvars)


class FilterModule:
    """The filter runs."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"runs": runs}
