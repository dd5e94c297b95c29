# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  platform:
    description: Target OS or families that can be operated against.
    support: full
    platforms: posix
"""

    READ_ONLY = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The module never changes a cluster. In check mode no file is written either, and its content is returned instead.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
"""

    HISTORY_GROUP = r"""
attributes:
  action_group:
    description: Use C(group/evenkeel.cluster.history) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - evenkeel.cluster.history
"""

    GROUPS = r"""
attributes:
  action_group:
    description: Use C(group/evenkeel.cluster.vsphere), C(group/evenkeel.cluster.proxmox), C(group/evenkeel.cluster.vmmanager) or
      C(group/evenkeel.cluster.rehearsal) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - evenkeel.cluster.vsphere
      - evenkeel.cluster.proxmox
      - evenkeel.cluster.vmmanager
      - evenkeel.cluster.rehearsal
"""

    PLATFORM = r"""
options:
  platform:
    description:
      - Platform of the cluster.
      - V(vmmanager) is VMmanager 6 by ISPsystem. Its support is based on public documentation and was not tested on a real installation.
      - V(rehearsal) simulates a cluster from a snapshot file. Migrations change the file.
    type: str
    required: true
    choices: [vsphere, proxmox, vmmanager, rehearsal]
  cluster:
    description:
      - Name of the cluster. On vSphere also its managed object id, on VMmanager its number.
      - It is optional on vSphere and VMmanager when the account sees only one cluster.
      - Proxmox VE and a rehearsal have only one cluster. If set, the name must match.
    type: str
    aliases: [cluster_name]
  validate_certs:
    description:
      - Whether to verify the TLS certificate of the platform. Without a value and a variable of the environment it is verified.
      - Falls back to E(VMWARE_VALIDATE_CERTS), E(PROXMOX_VALIDATE_CERTS) or E(VMMANAGER_VALIDATE_CERTS).
    type: bool
  ca_path:
    description:
      - PEM file with the trusted certificate authorities, instead of those of the system.
      - Falls back to E(PROXMOX_CA_PATH) on Proxmox VE and to E(VMMANAGER_CA_PATH) on VMmanager.
    type: path
  api_timeout:
    description:
      - Timeout of one API call in seconds.
      - A node of Proxmox VE waits 30 seconds for another node. With a shorter timeout, one hanging node looks like a failure of
        the whole API.
      - Falls back to E(PROXMOX_API_TIMEOUT).
    type: int
    default: 45
  hostname:
    description:
      - Name or address of the vCenter. A single ESXi host is refused, because it cannot migrate guests.
      - Falls back to E(VMWARE_HOST).
    type: str
  port:
    description:
      - Port of the vCenter. Without a value and a variable of the environment it is 443.
      - Falls back to E(VMWARE_PORT).
    type: int
  username:
    description:
      - User of the vCenter.
      - Falls back to E(VMWARE_USER).
    type: str
    aliases: [admin, user]
  password:
    description:
      - Password of the vCenter user.
      - Falls back to E(VMWARE_PASSWORD).
    type: str
    aliases: [pass, pwd]
  datacenter:
    description: Datacenter of the cluster. It is required when several datacenters have a cluster of this name.
    type: str
    aliases: [datacenter_name]
  proxy_host:
    description:
      - HTTP proxy for the connection to the vCenter. It may contain the port, as V(http://proxy.example.com:3128).
      - Falls back to E(VMWARE_PROXY_HOST).
    type: str
  proxy_port:
    description:
      - Port of the HTTP proxy.
      - Falls back to E(VMWARE_PROXY_PORT).
    type: int
  api_host:
    description:
      - Names or addresses of the nodes of a Proxmox VE cluster. The first that answers is used. If it fails later, the next one is used.
      - Falls back to E(PROXMOX_HOST), separated by commas.
    type: list
    elements: str
  api_port:
    description:
      - Port of the Proxmox VE API. Without a value and a variable of the environment it is 8006.
      - Falls back to E(PROXMOX_PORT).
    type: int
  api_user:
    description:
      - User of the Proxmox VE API with its realm, such as V(balancer@pve). Without a value and a variable of the environment it is
        V(root@pam).
      - Falls back to E(PROXMOX_USER).
    type: str
  api_password:
    description:
      - Password of the Proxmox VE user.
      - Falls back to E(PROXMOX_PASSWORD).
    type: str
  api_token_id:
    description:
      - Name of an API token of the Proxmox VE user, used instead of a password.
      - Falls back to E(PROXMOX_TOKEN_ID).
    type: str
  api_token_secret:
    description:
      - Secret of the API token.
      - Falls back to E(PROXMOX_TOKEN_SECRET).
    type: str
  vmmanager_host:
    description:
      - Name or address of the VMmanager 6 platform.
      - Falls back to E(VMMANAGER_HOST).
    type: str
  vmmanager_port:
    description:
      - Port of the platform. Without a value and a variable of the environment it is 443.
      - Falls back to E(VMMANAGER_PORT).
    type: int
  vmmanager_username:
    description:
      - E-mail address of a user of the platform with the role C(@admin).
      - Falls back to E(VMMANAGER_USERNAME).
    type: str
  vmmanager_password:
    description:
      - Password of that user.
      - Falls back to E(VMMANAGER_PASSWORD).
    type: str
  vmmanager_token:
    description:
      - A token of such a user, used instead of a password.
      - Falls back to E(VMMANAGER_TOKEN).
    type: str
  vmmanager_metrics:
    description:
      - Series of VMmanager's statistics to read loads from. Their names are not documented publicly.
        The developer tools of a browser show them as C(target) on the statistics page of a node or virtual machine.
      - Entries of one O(vmmanager_metrics[].of) and O(vmmanager_metrics[].metric) are added up.
      - A metric without an entry is not measured. The assigned resources of guests count instead of their usage then.
    type: list
    elements: dict
    suboptions:
      of:
        description: Object of the series, virtual machines or nodes.
        type: str
        choices: [vm, node]
        required: true
      metric:
        description: Metric of the series.
        type: str
        choices: [cpu, memory, network_io, disk_io]
        required: true
      target:
        description: Name of the series on the platform.
        type: str
        required: true
      unit:
        description: Unit of its values. V(percent) refers to the CPU or memory of the machine itself. For network and disks, the other units are per second.
        type: str
        choices: [percent, cores, bytes, kib, mib, bits]
        required: true
      interval:
        description: Time range of the query, by its name on the platform.
        type: str
        default: 1hour
  rehearsal_path:
    description: Snapshot file that simulates the cluster, for O(platform=rehearsal).
    type: path
"""

    STATE = r"""
options:
  state_url:
    description:
      - Database of earlier runs, as V(sqlite:///PATH) or V(postgresql+psycopg://USER:PASSWORD@HOST/DATABASE).
      - Controllers that share clusters need a common PostgreSQL database.
      - Falls back to E(EVENKEEL_STATE_URL), then to the file C(evenkeel/state.db) below E(XDG_STATE_HOME) or C(~/.local/state).
        When that file cannot be used, the run continues without a database and with a warning. When a database that is set explicitly
        cannot be used, the run fails.
      - V(sqlite://) keeps everything in memory until the end of the task.
    type: str
"""

    LOCK = r"""
options:
  lock:
    description:
      - Whether to lock the cluster in the database of O(state_url), so that two runs never change it at the same time.
      - The lock of a run that was killed expires, on the same machine at once and on other machines after two minutes.
    type: bool
    default: true
  lock_wait:
    description:
      - Time to wait for the lock of another run, in seconds or as V(10m). After that the task fails and names the other run.
      - A plan that the other run has made obsolete meanwhile is refused. The role P(evenkeel.cluster.balance#role) plans again.
    type: str
    default: "0"
"""
