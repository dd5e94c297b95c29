# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every answer is checked by somebody else before it leaves."""

from __future__ import annotations

from ..._model.placement_request import PlacementRequest
from ..errors import UnsafePlan
from ..model.selectors import excluded_hosts
from ..verify.placement import DiskRules, Seated, verify_placement
from .solution import PlacementSolution
from .storage_state import barred_datastores


def verify_result(state: PlacementSolution, request: PlacementRequest) -> None:
    """Raises UnsafePlan when the units are placed in a way that is not allowed."""
    cluster, task = state.cluster, state.task
    seated = []
    for number, seat in sorted(state.seats.items()):
        names = list(seat.datastores)
        for position in task.units[number].guests:
            item = task.new[position]
            disks = len(item.wanted.disks)
            seated.append(
                Seated(
                    id=item.guest.id,
                    wanted=item.wanted,
                    host=cluster.hosts[seat.host].id,
                    datastores=tuple(names[:disks]),
                )
            )
            names = names[disks:]
    _sources, barred = excluded_hosts(cluster.hosts, cluster.policy.exclude)
    bindings = task.bindings
    defects = verify_placement(
        cluster.snapshot,
        cluster.policy,
        seated,
        task.rules.rules,
        task.rules.apart,
        barred,
        request.spare,
        DiskRules(
            rules=tuple(bound.rule for bound in bindings.rules),
            allowed={task.new[position].guest.id: ids for position, ids in bindings.allowed.items()},
            barred=barred_datastores(cluster.snapshot, cluster.policy),
        ),
    )
    if defects:
        raise UnsafePlan(
            f"the answer is not safe: {'; '.join(defects[:3])}",
            where="placement",
            hint="This is a defect of Even Keel; please report it with the snapshot and the request.",
        )
