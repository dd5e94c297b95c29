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
      - The module never changes a cluster. Files that it is asked to write are its result and are written in check mode too.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
"""

    PLATFORM = r"""
options:
  platform:
    description:
      - What runs the cluster.
      - V(vmmanager) is VMmanager 6 by ISPsystem. It rests on public material and has never been tried on a real one.
      - V(rehearsal) is a snapshot file that behaves as a cluster. Migrations change the file.
    type: str
    required: true
    choices: [vsphere, proxmox, vmmanager, rehearsal]
  cluster:
    description:
      - Name of the cluster. On vSphere also its managed object id, on VMmanager its number.
      - May be left out on vSphere and VMmanager where the account sees one cluster only.
      - On Proxmox VE and in a rehearsal there is one cluster. When given, it must have this name.
    type: str
  validate_certs:
    description:
      - Whether the platform's TLS certificate must verify. It must, unless this is V(false).
      - Falls back to E(VMWARE_VALIDATE_CERTS), E(PROXMOX_VALIDATE_CERTS) or E(VMMANAGER_VALIDATE_CERTS).
    type: bool
  ca_path:
    description:
      - PEM file with the certificate authorities to trust instead of the system's.
      - Falls back to E(PROXMOX_CA_PATH) on Proxmox VE and to E(VMMANAGER_CA_PATH) on VMmanager.
    type: path
  api_timeout:
    description:
      - How many seconds the platform has to answer one call.
      - A node of Proxmox VE waits 30 seconds for another one. With less than that, a node that hangs looks as if
        the whole API did not answer.
    type: int
    default: 45
  hostname:
    description:
      - Name or address of the vCenter. A single ESXi host is refused, as it can't migrate.
      - Falls back to E(VMWARE_HOST).
    type: str
  port:
    description:
      - Port of the vCenter. Defaults to 443.
      - Falls back to E(VMWARE_PORT).
    type: int
  username:
    description:
      - User of the vCenter.
      - Falls back to E(VMWARE_USER).
    type: str
  password:
    description:
      - Password of the vCenter user.
      - Falls back to E(VMWARE_PASSWORD).
    type: str
  datacenter:
    description: The datacenter of the vCenter, where clusters of the same name exist in several.
    type: str
  proxy_host:
    description:
      - HTTP proxy between here and the vCenter.
      - Falls back to E(VMWARE_PROXY_HOST).
    type: str
  proxy_port:
    description:
      - Port of the HTTP proxy.
      - Falls back to E(VMWARE_PROXY_PORT).
    type: int
  api_host:
    description:
      - Names or addresses of the nodes of a Proxmox VE cluster. The first that answers is used. When it fails, the next.
      - Falls back to E(PROXMOX_HOST), separated by commas.
    type: list
    elements: str
  api_port:
    description:
      - Port of the Proxmox VE API. Defaults to 8006.
      - Falls back to E(PROXMOX_PORT).
    type: int
  api_user:
    description:
      - User of the Proxmox VE API with its realm, such as V(balancer@pve).
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
      - Port of the platform. Defaults to 443.
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
      - The series of VMmanager's statistics that the loads are read from. Their names are not public.
        A browser's developer tools show them as C(target) when the statistics of a node or a virtual machine are open.
      - Entries of one O(vmmanager_metrics[].of) and O(vmmanager_metrics[].metric) are added up.
      - What is not named is not measured. Then what the guests were given counts instead of what they use.
    type: list
    elements: dict
    suboptions:
      of:
        description: Whether the series is one of virtual machines or of nodes.
        type: str
        choices: [vm, node]
        required: true
      metric:
        description: Which load it is.
        type: str
        choices: [cpu, memory, network_io, disk_io]
        required: true
      target:
        description: The platform's name of it.
        type: str
        required: true
      unit:
        description: What its values are in. V(percent) is of the machine's own cpu or memory, the others are per second for network and disks.
        type: str
        choices: [percent, cores, bytes, kib, mib, bits]
        required: true
      interval:
        description: The platform's name of the time that it is asked for.
        type: str
        default: 1hour
  rehearsal_path:
    description: The snapshot file that plays the cluster, for O(platform=rehearsal).
    type: path
"""

    STATE = r"""
options:
  state_url:
    description:
      - The database that remembers earlier runs, as V(sqlite:///PATH) or V(postgresql+psycopg://USER:PASSWORD@HOST/DATABASE).
      - Controllers that share clusters should share a PostgreSQL database.
      - Falls back to E(EVENKEEL_STATE_URL), then to the file C(evenkeel/state.db) below E(XDG_STATE_HOME) or C(~/.local/state).
        When that file can't be used, there is a warning and the run goes on without. A database that was asked for must work.
      - V(sqlite://) keeps everything in memory and forgets it at the end.
    type: str
"""

    LOCK = r"""
options:
  lock:
    description:
      - Whether to hold the lock of the cluster in the database of O(state_url), so that two runs never act on it at once.
      - The lock of a run that was killed is taken over, at once on the same machine and after two minutes elsewhere.
    type: bool
    default: true
  lock_wait:
    description:
      - Seconds to wait for another run that holds the lock. Then it is an error that names that run.
      - After the wait a plan that the other run has made obsolete is refused. The role P(evenkeel.cluster.balance#role) plans again.
    type: float
    default: 0
"""
