#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_load
short_description: Merge loads from Prometheus into the snapshot of a cluster
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Queries a Prometheus for the usage of the guests and hosts of a cluster over a period.
    Returns the snapshot with a percentile of the usage instead of the figures of the platform.
  - Works with everything that speaks the HTTP API of Prometheus, such as Thanos, Mimir and VictoriaMetrics.
  - The period ends when the snapshot was taken, so that the same snapshot gets the same loads.
  - The memory of a guest is at least what the platform measured, because a target needs free memory for all of it.
  - >-
    When Prometheus has series of the guests of a host, the load of the host is its own present usage plus the percentiles of its guests,
    because its history includes guests that have left since. Otherwise it is the percentile of the host itself, since the last
    migration in the snapshot.
  - Changes nothing.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.loads
options:
  url:
    description:
      - URL of the Prometheus, such as V(https://prometheus.example.com:9090), without C(/api/v1/query).
      - Falls back to E(PROMETHEUS_URL).
    type: str
    required: true
  username:
    description:
      - User of the Prometheus, or of a proxy in front of it.
      - Falls back to E(PROMETHEUS_USERNAME).
    type: str
  password:
    description:
      - Password of the user.
      - Falls back to E(PROMETHEUS_PASSWORD).
    type: str
  bearer_token:
    description:
      - Bearer token, instead of a user and password.
      - Falls back to E(PROMETHEUS_TOKEN).
    type: str
  headers:
    description: Headers to send with every query, such as the tenant V(X-Scope-OrgID) of a Mimir. Headers are not treated as secrets.
    type: dict
    default: {}
  validate_certs:
    description: Whether to verify the TLS certificate of the server.
    type: bool
    default: true
  ca_path:
    description:
      - PEM file with the trusted certificate authorities, instead of those of the system.
      - Falls back to E(PROMETHEUS_CA_PATH).
    type: path
  client_cert:
    description: PEM file with the client certificate, and with its key unless O(client_key) is set.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert).
    type: path
  timeout:
    description: Timeout of one query, in seconds or as V(1m).
    type: str
    default: "30"
  exporters:
    description:
      - Exporters with built-in queries. When two report the same metric, the later one in the list counts.
      - V(pve) is prometheus-pve-exporter, which reports CPU and memory of hosts and guests, and of guests also their network and disk traffic.
        Guests are identified by their ids.
      - V(node) is node_exporter on the hosts, which reports everything about hosts, pressure included, and counts the ZFS ARC above its minimum size as free.
        Hosts are identified by their names or addresses.
      - V(vmware) is vmware_exporter, which reports everything but pressure of hosts and guests. Both are identified by their names.
    type: list
    elements: str
    choices: [pve, node, vmware]
    default: []
  queries:
    description:
      - Queries for any other exporter. It replaces the query of O(exporters) for the same metric of the same kind.
      - A query returns the present value of all guests or all hosts, in cores, bytes, bytes per second and percent.
      - C($selector) in a query is replaced by O(selector), and C($rate) by O(rate_window).
    type: list
    elements: dict
    default: []
    suboptions:
      of:
        description: Object of the query, guests or hosts.
        type: str
        choices: [guest, host]
        required: true
      metric:
        description: Metric that the query returns. Pressure is available for hosts only.
        type: str
        choices: [cpu, memory, network_io, disk_io, pressure_cpu, pressure_memory, pressure_io]
        required: true
      query:
        description: The query in PromQL.
        type: str
        required: true
      label:
        description: Label that identifies the guest or host of a series.
        type: str
        required: true
      pattern:
        description:
          - Regular expression that must match the whole label. Its first group, or the whole match without a group, is the id or name of a
            guest, or the id, name or address of a host.
          - A host is also identified by the part of its name before the first dot.
        type: str
        default: .+
  selector:
    description:
      - Label matchers to add to the queries of O(exporters), such as V(job="pve-production").
      - They are needed when the Prometheus monitors several clusters. On Proxmox VE the module fails without them then.
    type: str
    default: ""
  metrics:
    description: Metrics to query.
    type: list
    elements: str
    choices: [cpu, memory, network_io, disk_io, pressure_cpu, pressure_memory, pressure_io]
    default: [cpu, memory]
  range:
    description: Period before the snapshot, in seconds or as V(1h).
    type: str
    default: "3600"
  step:
    description: Resolution of the values for the percentile, in seconds or as V(5m).
    type: str
    default: "60"
  rate_window:
    description: Window for the rate of counters, in seconds or as V(5m). Use at least four times the scrape interval.
    type: str
    default: "300"
  percentile:
    description:
      - Percentile of the values, from V(0), the minimum, to V(100), the maximum.
      - A number for all metrics, or a dictionary with a number for each metric. A metric that is missing in it gets 95.
    type: raw
    default: 95
  on_missing:
    description:
      - Action for a running guest, or a host that is online, without a series or with several. A warning names it in any case.
      - V(platform) keeps the figure of the platform.
      - V(exclude) does not migrate such a guest, and migrates no guests to such a host.
      - V(fail) fails.
    type: str
    choices: [platform, exclude, fail]
    default: platform
requirements:
  - requests
seealso:
  - module: evenkeel.cluster.cluster_facts
  - module: evenkeel.cluster.balance_plan
"""

EXAMPLES = r"""
- name: Take the 95th percentile of the last day from the exporter of Proxmox VE
  evenkeel.cluster.prometheus_load:
    url: https://prometheus.example.com:9090
    bearer_token: "{{ vault_prometheus_token }}"
    exporters: [pve]
    selector: job="pve-production"
    range: 86400
    step: 300
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
  register: loaded

- name: Take the largest memory of the hosts and the median of their CPU from node_exporter, within a file
  evenkeel.cluster.prometheus_load:
    url: https://prometheus.example.com:9090
    exporters: [node]
    metrics: [cpu, memory, pressure_memory]
    percentile:
      cpu: 50
      memory: 100
    snapshot_path: /var/lib/evenkeel/production.snapshot.json

- name: Take the CPU of guests from another exporter
  evenkeel.cluster.prometheus_load:
    url: https://prometheus.example.com:9090
    metrics: [cpu]
    queries:
      - of: guest
        metric: cpu
        query: sum by (domain) (rate(libvirt_domain_info_cpu_time_seconds_total[$rate]))
        label: domain
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
"""

RETURN = r"""
snapshot:
  description: The snapshot with the loads of Prometheus. Its JSON Schema is in C(docs/schemas/snapshot.json) of the collection.
  returned: when neither O(snapshot_path) nor O(merged_path) is given
  type: dict
  sample: {"schema": "evenkeel.cluster/snapshot/1", "platform": "proxmox", "hosts": [], "guests": [], "rules": []}
snapshot_path:
  description: The file that holds it.
  returned: when O(snapshot_path) or O(merged_path) is given
  type: str
  sample: /var/lib/evenkeel/production.snapshot.json
guests:
  description: Number of running guests with a value for each metric.
  returned: success
  type: dict
  sample: {"cpu": 180, "memory": 180}
hosts:
  description: Number of online hosts with a value for each metric.
  returned: success
  type: dict
  sample: {"cpu": 8, "memory": 8}
missing:
  description: Guests and hosts without a value for a metric.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(guest) or V(host).
      type: str
      sample: guest
    id:
      description: The platform's id of it.
      type: str
      sample: "101"
    name:
      description: Its name.
      type: str
      sample: web01
    metric:
      description: The metric without a value.
      type: str
      sample: cpu
    why:
      description: Reason.
      type: str
      sample: Prometheus has no series of its cpu
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.prometheus_load import (
    PrometheusLoadOptions,
    run_prometheus_load,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(PrometheusLoadOptions),
        mutually_exclusive=[("snapshot", "snapshot_path")],
        required_one_of=[("snapshot", "snapshot_path")],
        supports_check_mode=True,
    )
    run_module(module, run_prometheus_load)


if __name__ == "__main__":
    main()
