#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_load
short_description: Put loads that Prometheus has recorded into the snapshot of a cluster
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Asks a Prometheus what the guests and hosts of a cluster used over a time.
    Gives the snapshot with a percentile of it instead of the platform's own figures.
  - Works with everything that speaks the HTTP API of Prometheus, such as Thanos, Mimir and VictoriaMetrics.
  - The time ends when the snapshot was taken, so that the same snapshot gets the same loads.
  - A guest's memory is never taken to be less than what the platform measured, since a target must have room for all of it.
  - >-
    A host whose guests Prometheus knows takes what it uses for itself now, and what its guests take by their percentiles. In what is
    known of a host's past there are guests that have left since. A host whose guests Prometheus does not know takes its own percentile,
    but not of times before the last migration that the snapshot knows of.
  - Changes nothing.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.loads
options:
  url:
    description:
      - Where the Prometheus is, such as V(https://prometheus.example.com:9090). What stands before C(/api/v1/query), where that is elsewhere.
      - Falls back to E(PROMETHEUS_URL).
    type: str
    required: true
  username:
    description:
      - User of the Prometheus, or of what stands before it.
      - Falls back to E(PROMETHEUS_USERNAME).
    type: str
  password:
    description:
      - Password of the user.
      - Falls back to E(PROMETHEUS_PASSWORD).
    type: str
  bearer_token:
    description:
      - Token to send, instead of a user and password.
      - Falls back to E(PROMETHEUS_TOKEN).
    type: str
  headers:
    description: Headers to send with every query, such as the tenant V(X-Scope-OrgID) of a Mimir. They are no place for secrets.
    type: dict
    default: {}
  validate_certs:
    description: Whether the server's TLS certificate must verify.
    type: bool
    default: true
  ca_path:
    description:
      - PEM file with the certificate authorities to trust instead of the usual ones.
      - Falls back to E(PROMETHEUS_CA_PATH).
    type: path
  client_cert:
    description: PEM file with a certificate to show to the server, and its key unless O(client_key) has it.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert).
    type: path
  timeout:
    description: How many seconds the server has to answer one query.
    type: int
    default: 30
  exporters:
    description:
      - Exporters for which the queries are known here. Where two tell the same, the later one counts.
      - V(pve) is prometheus-pve-exporter, which reports CPU and memory of hosts and guests, and of guests also their network and disk traffic.
        Guests are known by their ids.
      - V(node) is node_exporter on the hosts, which reports everything about hosts, pressure included, and counts the ZFS ARC above its least size as free.
        Hosts are known by their names or addresses.
      - V(vmware) is vmware_exporter, which reports everything but pressure of hosts and guests. Both are known by their names.
    type: list
    elements: str
    choices: [pve, node, vmware]
    default: []
  queries:
    description:
      - Queries for any other exporter. One of these counts instead of an exporter's query for the same metric of the same kind.
      - A query gives the present value of all guests or all hosts, in cores, bytes, bytes per second and percent.
      - In a query C($selector) stands for O(selector), and C($rate) for O(rate_window).
    type: list
    elements: dict
    default: []
    suboptions:
      of:
        description: Whether the query is about guests or hosts.
        type: str
        choices: [guest, host]
        required: true
      metric:
        description: Which metric the query returns. Pressure is available for hosts only.
        type: str
        choices: [cpu, memory, network_io, disk_io, pressure_cpu, pressure_memory, pressure_io]
        required: true
      query:
        description: The query in PromQL.
        type: str
        required: true
      label:
        description: The label that says of whom a series is.
        type: str
        required: true
      pattern:
        description:
          - Regular expression that the whole label matches. Its first group, or all of it where there is none, is the id or the name of a guest,
            or the id, the name or the address of a host.
          - A host is also found by the part of its name before the first dot.
        type: str
        default: .+
  selector:
    description:
      - Label matchers to add to the queries of O(exporters), such as V(job="pve-production").
      - They are needed where the Prometheus watches several clusters. On Proxmox VE that is found out, and is an error.
    type: str
    default: ""
  metrics:
    description: What to ask for.
    type: list
    elements: str
    choices: [cpu, memory, network_io, disk_io, pressure_cpu, pressure_memory, pressure_io]
    default: [cpu, memory]
  range:
    description: How many seconds to look back.
    type: int
    default: 3600
  step:
    description: Seconds between the values that percentiles are taken of.
    type: int
    default: 60
  rate_window:
    description: Seconds over which counters are rated, at least four times as long as the time between two scrapes.
    type: int
    default: 300
  percentile:
    description:
      - Which percentile of the values counts, from V(0), the least, to V(100), the largest.
      - A number for all metrics, or a dictionary with one for each metric. A metric that is not in it gets 95.
    type: raw
    default: 95
  on_missing:
    description:
      - What becomes of a running guest, or a host that is online, of which there is no series, or several. It is named in a warning in any case.
      - V(platform) keeps the platform's own figure.
      - V(exclude) leaves such a guest where it is, and sends nothing to such a host.
      - V(fail) is an error.
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

- name: Take the CPU of guests from an exporter of one's own
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
  description: How many running guests got each metric that was asked for of guests.
  returned: success
  type: dict
  sample: {"cpu": 180, "memory": 180}
hosts:
  description: How many hosts that are online got each metric that was asked for of hosts.
  returned: success
  type: dict
  sample: {"cpu": 8, "memory": 8}
missing:
  description: Who lacks what.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Whether it is a V(guest) or a V(host).
      returned: success
      type: str
      sample: guest
    id:
      description: The platform's id of it.
      returned: success
      type: str
      sample: "101"
    name:
      description: Its name.
      returned: success
      type: str
      sample: web01
    metric:
      description: The metric that it lacks.
      returned: success
      type: str
      sample: cpu
    why:
      description: Why it lacks it.
      returned: success
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
