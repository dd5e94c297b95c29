#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_export
short_description: Export the metrics of a run for Prometheus
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Writes the loads of a cluster, its datastores, its plan, and the migrations and moves of disks of a run as metrics into a file for
    the textfile collector of node_exporter, or pushes them to a Pushgateway, or both.
  - Counters, such as C(evenkeel_migrations_total), continue from the file of the run before. A file that is removed or that cannot be
    read makes them begin at 0, which Prometheus takes for a restart.
  - The time of the last good run is kept when a run fails.
  - A file that cannot be written, or a Pushgateway that does not answer, never fails the task. It is a warning, and an entry of
    RV(failed_exports).
options:
  cluster:
    description:
      - Value of the label C(cluster) of all metrics. It must be different for every cluster that the same Prometheus monitors.
      - The file has this name, too, with unusual characters replaced.
    type: str
    required: true
  state:
    description: V(absent) removes the metrics of the cluster, its counters included.
    type: str
    choices: [present, absent]
    default: present
  plan:
    description: The plan of the run, as M(evenkeel.cluster.balance_plan) returns it.
    type: dict
  plan_path:
    description: File that holds the plan.
    type: path
  snapshot:
    description: The snapshot of the run, as M(evenkeel.cluster.cluster_facts) returns it. Without it the metrics of guests that cannot be
      migrated, and of what could not be read, are missing.
    type: dict
  snapshot_path:
    description: File that holds the snapshot.
    type: path
  summaries:
    description:
      - The summaries that M(evenkeel.cluster.vm_migrate) has returned in the run, in their order. Usually it is one.
      - C(lock_waited) and C(lock_taken_over), which that module returns beside its summary, are read here, too.
    type: list
    elements: dict
    default: []
  error:
    description: Reason of the failure of the run. An empty text is no failure.
    type: str
    default: ""
  textfile_path:
    description:
      - Folder of the textfile collector, as in C(--collector.textfile.directory) of node_exporter. It must exist.
      - Each cluster has a file of its own there, which is replaced as a whole and which everybody may read.
    type: path
  pushgateway:
    description: Pushgateway to push the metrics to, with the job C(evenkeel) and the cluster as its group.
    type: dict
    suboptions:
      url:
        description: URL of the Pushgateway, such as V(https://pushgateway.example.com:9091).
        type: str
        required: true
      username:
        description: User for basic authentication.
        type: str
      password:
        description: Password of the user.
        type: str
      bearer_token:
        description: Bearer token, instead of a user and password.
        type: str
      validate_certs:
        description: Whether to verify the TLS certificate.
        type: bool
        default: true
      ca_path:
        description: PEM file with the trusted certificate authorities, instead of those of the system.
        type: path
      timeout:
        description: Timeout of one request, in seconds or as V(1m).
        type: str
        default: "10"
  totals_path:
    description:
      - File to continue the counters from and to keep them in.
      - Without a value it is the file in O(textfile_path). Without that, it is a file for each cluster in C(evenkeel/metrics) below
        E(XDG_STATE_HOME) or C(~/.local/state).
    type: path
  only_check:
    description: Only check O(textfile_path) and O(pushgateway), export nothing, and fail when one of them cannot be used. Whether the
      Pushgateway answers is not checked.
    type: bool
    default: false
requirements:
  - prometheus_client
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Exports nothing, and returns the metrics instead.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
seealso:
  - module: evenkeel.cluster.notify
  - module: evenkeel.cluster.prometheus_load
"""

EXAMPLES = r"""
- name: Export the metrics of a run
  evenkeel.cluster.metrics_export:
    cluster: production
    plan: "{{ planned.plan }}"
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
    summaries: ["{{ migrated.summary }}"]
    error: "{{ migrated.msg | default('') }}"
    textfile_path: /var/lib/prometheus/node-exporter

- name: Push them instead
  evenkeel.cluster.metrics_export:
    cluster: production
    plan_path: /var/lib/evenkeel/production.plan.json
    summaries: ["{{ migrated.summary }}"]
    pushgateway:
      url: https://pushgateway.example.com:9091
      username: evenkeel
      password: "{{ vault_pushgateway_password }}"

- name: Remove those of a cluster that is gone
  evenkeel.cluster.metrics_export:
    cluster: old-production
    state: absent
    textfile_path: /var/lib/prometheus/node-exporter
"""

RETURN = r"""
exported:
  description: Files that were written or removed, and URLs of Pushgateways.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/prometheus/node-exporter/evenkeel-production.prom]
failed_exports:
  description: Places to which the metrics could not be exported.
  returned: success
  type: list
  elements: dict
  contains:
    place:
      description: The file or the URL.
      returned: always
      type: str
      sample: https://pushgateway.example.com:9091
    why:
      description: The reason.
      returned: always
      type: str
      sample: "pushgateway: https://pushgateway.example.com:9091 can't be reached: [Errno 111] Connection refused"
metrics:
  description: The metrics in the text format of Prometheus.
  returned: in check mode
  type: str
  sample: |
    # HELP evenkeel_last_run_success Whether the last run did not fail.
    # TYPE evenkeel_last_run_success gauge
    evenkeel_last_run_success{cluster="production"} 1.0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.metrics_export import (
    ExportOptions,
    run_metrics_export,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(ExportOptions),
        supports_check_mode=True,
        mutually_exclusive=[("plan", "plan_path"), ("snapshot", "snapshot_path")],
        required_one_of=[("textfile_path", "pushgateway")],
    )
    run_module(module, run_metrics_export)


if __name__ == "__main__":
    main()
