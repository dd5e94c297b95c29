#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_facts
short_description: Read a cluster of virtual machines into one snapshot
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Reads the hosts, guests, loads, datastores, networks and rules of one cluster, in the same shape for every platform.
  - Reports for each guest when it was last migrated and when a migration last failed, as far as the platform or O(state_url) has recorded it.
  - Changes nothing.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.cluster.groups
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.cluster.platform
  - evenkeel.cluster.cluster.state
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
options:
  window:
    description:
      - Period over which loads are averaged, in seconds or as V(1h). V(0) uses the present values.
      - On Proxmox VE it is rounded up to a period that the nodes record, an hour or a day.
      - On VMmanager it is limited by O(vmmanager_metrics[].interval).
      - A rehearsal always has the loads of its file.
    type: str
    default: "0"
  history:
    description:
      - Period for which the events of vCenter are searched for migrations, those of DRS included, and for failed moves of disks, in
        seconds or as V(1d).
      - The longer of O(evenkeel.cluster.balance_plan#module:cool_down) and O(evenkeel.cluster.balance_plan#module:retry_after)
        is enough. V(0) searches none.
      - Proxmox VE always reports recent tasks.
    type: str
    default: "3600"
  sustained:
    description:
      - Returns the readings of earlier runs that O(evenkeel.cluster.balance_plan#module:sustained) requires. Set both to the same
        number.
    type: int
    default: 1
    version_added: 1.1.0
  sustained_for:
    description:
      - Returns the readings of earlier runs that O(evenkeel.cluster.balance_plan#module:sustained_for) requires, in seconds or as V(1h).
        Set both to the same time.
    type: str
    default: "0"
    version_added: 1.1.0
  storage:
    description:
      - Also reads what only a policy with O(evenkeel.cluster.balance_plan#module:storage) requires.
      - On Proxmox VE, the disks of guests that do not run, which takes one call for each such guest; and the id of each disk, the
        reasons why it is not moved, and the space that it takes, which takes one call for each disk on thin storage.
      - On vSphere, the latency of datastores, what disks on slow ones read and write, the space that each disk takes, and the files of
        guests that are no disk.
    type: bool
    default: false
    version_added: 1.3.0
  snapshot_path:
    description:
      - File to write the snapshot to. Only a summary is returned then, which saves a lot of time with large clusters.
      - In check mode the file is not written, and the snapshot is returned instead.
    type: path
requirements:
  - pyvmomi, for O(platform=vsphere)
  - proxmoxer and requests, for O(platform=proxmox)
  - requests, for O(platform=vmmanager)
  - SQLAlchemy 2, for the state database
  - psycopg 3, for a O(state_url) on PostgreSQL
seealso:
  - module: evenkeel.cluster.balance_plan
  - module: evenkeel.cluster.vm_migrate
"""

EXAMPLES = r"""
- name: Read a vSphere cluster, loads averaged over the last hour
  evenkeel.cluster.cluster_facts:
    platform: vsphere
    hostname: vcenter.example.com
    username: balancer@vsphere.local
    password: "{{ vault_vcenter_password }}"
    cluster: production
    window: 3600

- name: Read a Proxmox VE cluster into a file
  evenkeel.cluster.cluster_facts:
    platform: proxmox
    api_host: [pve1.example.com, pve2.example.com]
    api_user: balancer@pve
    api_token_id: evenkeel
    api_token_secret: "{{ vault_pve_token }}"
    ca_path: /etc/pve/pve-root-ca.pem
    snapshot_path: /var/lib/evenkeel/production.snapshot.json

- name: Read a Proxmox VE cluster for a plan that moves disks between storages
  evenkeel.cluster.cluster_facts:
    platform: proxmox
    api_host: pve1.example.com
    api_user: balancer@pve
    api_token_id: evenkeel
    api_token_secret: "{{ vault_pve_token }}"
    storage: true

- name: Read a cluster of a VMmanager 6
  evenkeel.cluster.cluster_facts:
    platform: vmmanager
    vmmanager_host: vm.example.com
    vmmanager_token: "{{ vault_vmmanager_token }}"
    cluster: production
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    evenkeel_summary:
      description: The cluster in a few numbers.
      type: dict
      contains:
        platform:
          description: Platform of the cluster.
          type: str
          sample: proxmox
        cluster:
          description: Which cluster it is.
          type: dict
          contains:
            id:
              description: The platform's id of the cluster.
              type: str
              sample: domain-c8
            name:
              description: The name of the cluster.
              type: str
              sample: production
        taken_at:
          description: When it was read, in UTC.
          type: str
          sample: "2026-01-31T22:00:00Z"
        snapshot_path:
          description: The file that holds the snapshot, as it was asked for.
          type: str
          sample: /var/lib/evenkeel/production.snapshot.json
        hosts:
          description: Number of hosts.
          type: int
          sample: 8
        active_hosts:
          description: Number of hosts that can receive guests.
          type: int
          sample: 7
        guests:
          description: Number of guests.
          type: int
          sample: 200
        running_guests:
          description: Number of guests that use memory on their host, including paused guests and guests in an unknown state.
          type: int
          sample: 180
        migratable_guests:
          description: Number of guests that can be migrated live.
          type: int
          sample: 175
        datastores:
          description: Number of datastores.
          version_added: 1.3.0
          type: int
          sample: 12
        disks:
          description: Number of disks of all guests.
          version_added: 1.3.0
          type: int
          sample: 320
        movable_disks:
          description: Number of disks that can be moved to another datastore.
          version_added: 1.3.0
          type: int
          sample: 301
        rules:
          description: Number of rules of the platform.
          type: int
          sample: 12
        notices:
          description: Facts that could not be read, one line each. The same lines are warnings.
          type: list
          elements: str
          sample: ["Pool.Audit is missing on /pool, so pools of guests are not known"]
        other_balancers:
          description: Other balancers that migrate guests of this cluster.
          type: list
          elements: str
          sample: ["DRS (fullyAutomated)"]
    evenkeel_snapshot:
      description:
        - The snapshot. Its JSON Schema is in C(docs/schemas/snapshot.json) of the collection.
        - Units are cores, bytes, bytes per second and percent. A figure that the platform does not report is null.
      returned: when O(snapshot_path) is not given
      type: dict
      contains:
        schema:
          description: Name and version of this shape.
          type: str
          sample: evenkeel.cluster/snapshot/2
        platform:
          description: Platform of the cluster.
          type: str
          sample: vsphere
        cluster:
          description: Id and name of the cluster.
          type: dict
          sample: {"id": "domain-c8", "name": "production"}
        taken_at:
          description: When it was read, in UTC.
          type: str
          sample: "2026-01-31T22:00:00Z"
        window_seconds:
          description: Period of the averages in seconds, 0 for present values.
          type: int
          sample: 3600
        hosts:
          description: The hypervisors, with capacity, load, state, datastores and networks.
          type: list
          elements: dict
          sample: [{"id": "host-12", "name": "esx1", "status": "online", "maintenance": false, "schedulable": true}]
        guests:
          description:
            - Virtual machines and containers, with host, load, disks, networks, tags and reasons that block their migration.
            - C(power) is whether a guest uses memory on its host. V(running) includes paused and similar guests, whose state on the
              platform is in C(run_state). C(sources) lists loads with a source other than C(window_seconds), and C(migrating_to) is the
              target of a running migration.
          type: list
          elements: dict
          sample: [{"id": "vm-42", "name": "web01", "kind": "vm", "host": "host-12", "power": "running", "migratable": true}]
        datastores:
          description:
            - Datastores, each of them once, with type, size, free space, the hosts that have it, and why it receives no disk.
            - On Proxmox VE, a storage that only one node has is named with that node, such as V(local-lvm@pve1).
            - C(arriving) is what disks may still take that runs which are under way, by the database of O(state_url), move to it.
          returned: when there is any
          type: list
          elements: dict
          sample: [{"id": "ceph", "name": "ceph", "shared": true, "hosts": ["pve1", "pve2"], "type": "rbd", "free": 549755813888}]
          version_added: 1.3.0
        storage_rules:
          description: Rules of the platform for datastores, such as those of Storage DRS.
          returned: when there is any
          type: list
          elements: dict
          sample: [{"name": "web", "kind": "anti_affinity", "guests": ["vm-42", "vm-43"], "source": "storage-drs-rule:web"}]
          version_added: 1.3.0
        rules:
          description: Affinity, anti-affinity and host rules of the platform.
          type: list
          elements: dict
          sample: [{"name": "web", "kind": "anti_affinity", "guests": ["vm-42", "vm-43"], "strict": true}]
        notices:
          description:
            - Facts that could not be read, or only in part, with the kinds of facts that are hidden.
            - M(evenkeel.cluster.balance_plan) refuses a policy that selects by hidden facts.
          returned: when there is any
          type: list
          elements: dict
          sample: [{"text": "Pool.Audit is missing on /pool, so pools of guests are not known", "hides": ["pools"]}]
        refusals:
          description:
            - Migrations that the platform's own check refused in earlier runs, by guest and host, as recorded in the state database.
          returned: when there are any
          type: list
          elements: dict
          sample: [{"guest": "vm-42", "host": "host-15", "why": "No such device", "at": "2026-01-31T22:00:00Z"}]
        disk_refusals:
          description:
            - Moves of disks that the platform's own check refused in earlier runs, by guest and datastore, as recorded in the state
              database.
          returned: when there are any
          type: list
          elements: dict
          version_added: 1.5.0
          sample:
            - guest: vm-42
              disks: ["2000"]
              datastore: nfs1
              why: The virtual disk is too large for the file system
              at: "2026-01-31T22:00:00Z"
        other_balancers:
          description: Other balancers that migrate guests of this cluster.
          returned: when there is any
          type: list
          elements: str
          sample: ["DRS (fullyAutomated)"]
        remembered_at:
          description:
            - When the reading began, by the clock of the state database, in seconds since 1970.
            - The snapshot includes what runs had recorded by then. Later records make a plan obsolete.
          returned: with a state database
          type: float
          sample: 1769896800.25
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.cluster_facts import (
    FactsOptions,
    run_cluster_facts,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(FactsOptions),
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_cluster_facts)


if __name__ == "__main__":
    main()
