# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the modules for pools and leases share."""

from __future__ import annotations

_RESERVATION = r"""
      cluster:
        description: The cluster, as C(platform:id) of its snapshot, on vSphere C(platform:instance:id).
        type: str
        required: true
      guest:
        description: Name or id that the guest will have. Once the guest exists, the reservation has no effect.
        type: str
        required: true
      host:
        description: Id of the host.
        type: str
        required: true
      cpu:
        description: Number of assigned cores.
        type: float
        required: true
      memory:
        description: Assigned memory, in bytes or as V(8G).
        type: str
        required: true
      disks:
        description: Disks of the guest.
        type: list
        elements: dict
        suboptions:
          datastore:
            description: Id of the datastore.
            type: str
            required: true
          size:
            description: Size of the disk, in bytes or as V(100G).
            type: str
            required: true
      networks:
        description: Ids of the guest's networks.
        type: list
        elements: str
      tags:
        description: Tags of the guest.
        type: list
        elements: str
"""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_url:
    description:
      - Database of pools, leases and requests, as V(sqlite:///PATH) or V(postgresql+psycopg://USER:PASSWORD@HOST/DATABASE).
        Controllers that share pools need a common PostgreSQL database.
      - Falls back to E(EVENKEEL_STATE_URL), then to the file C(evenkeel/state.db) below E(XDG_STATE_HOME) or C(~/.local/state).
    type: str
requirements:
  - SQLAlchemy 2
  - psycopg 3, for a O(state_url) on PostgreSQL
"""

    GROUP = r"""
attributes:
  action_group:
    description: Use C(group/evenkeel.cluster.capacity) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - evenkeel.cluster.capacity
"""

    SERVICE_GROUP = r"""
attributes:
  action_group:
    description: Use C(group/evenkeel.cluster.service) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - evenkeel.cluster.service
"""

    CHANGES = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
"""

    # Annotated, because the linter of ansible-test takes every other assignment for a plain text.
    HELD: str = (
        r"""
options:
  held:
    description:
      - Capacity that leases reserve on hosts, as M(evenkeel.cluster.capacity_info) returns it in C(placements).
      - Reservations in another cluster, or for a guest that exists by now, do not count.
    type: list
    elements: dict
    suboptions:
      lease:
        description: Name of the lease. Not used.
        type: str"""
        + _RESERVATION
    )

    PLACEMENTS: str = (
        r"""
options:
  placements:
    description:
      - Hosts and sizes of the guests that will use the lease. Their capacity is reserved on these hosts until the lease ends.
      - In total they must not exceed the leased capacity. They replace earlier reservations of the lease. Without a value, these stay.
    type: list
    elements: dict
    suboptions:"""
        + _RESERVATION
    )
