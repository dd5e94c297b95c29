# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headroom of a cluster: the entry to which hosts may fail and what else fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..._model.headroom import Headroom, HostFailure
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.policy.choices import Choices
from ..._model.policy.policy import Policy
from ..._model.snapshot import Snapshot
from ..._model.text.wording import counted, listed
from ..placement.cluster_index import ClusterIndex, cluster_index, index_of
from .failures import Budget, host_failures
from .sizes import largest_guests, size_classes

MAX_NAMES = 5


def headroom(snapshot: Snapshot, policy: Policy) -> Headroom:
    """Raises PlanningError for a cluster without hosts and for a host that the policy names and that does not
    exist.

    New guests count by the limits, guests that are restarted by those for restoring rules, as when a host is
    emptied.
    """
    # Choices are about a plan, and refusals about migrations.
    policy = replace(policy, choices=Choices(), retry_refused_after=0)
    request = PlacementRequest(vms=(WantedVm(name="one more", cpu=1, memory=1),), policy=policy)
    cluster = cluster_index(snapshot, request)
    failures = host_failures(_in_need(cluster), Budget())
    return Headroom(
        cluster=snapshot.cluster,
        taken_at=snapshot.taken_at,
        failures=tuple(failures),
        sizes=tuple(size_classes(cluster)),
        largest=tuple(largest_guests(cluster)),
        says=tuple(_lines(snapshot, failures)),
        notes=cluster.notes,
    )


def _in_need(cluster: ClusterIndex) -> ClusterIndex:
    """The cluster with the limits that count when guests have no host."""
    limits = cluster.policy.limits
    wider = replace(limits, cpu=limits.cpu_for_rules, memory=limits.memory_for_rules)
    return index_of(cluster.snapshot, replace(cluster.policy, limits=wider))


def _lines(snapshot: Snapshot, failures: Sequence[HostFailure]) -> list[str]:
    off = [host.name for host in snapshot.hosts if host.status != "online"]
    if not failures:
        return ["no host is online"]
    lines = _about_places(failures)
    tied = [f"{guest.name} ({one.name}: {guest.why})" for one in failures for guest in one.tied]
    if tied:
        verb = "can be started on no other host if its host fails"
        if len(tied) > 1:
            verb = "can be started on no other host if their host fails"
        lines.append(f"{counted(len(tied), 'guest')} {verb}: {listed(tied, MAX_NAMES, '; ')}")
    if off:
        lines.append(f"{listed(off, MAX_NAMES)} {'is' if len(off) == 1 else 'are'} not online already")
    return lines


def _about_places(failures: Sequence[HostFailure]) -> list[str]:
    lacking = [one for one in failures if one.verdict == "not_enough"]
    undecided = [one for one in failures if one.verdict == "undecided"]
    fine = len(failures) - len(lacking) - len(undecided)
    if fine == len(failures) == 1:
        return ["the only host runs no guests that other hosts would have to take"]
    if fine == len(failures):
        return [f"any one of the {fine} hosts may fail: the others have room for its guests"]
    total = counted(len(failures), "host")
    lines = [
        f"{fine} of {total} may fail, one at a time: the others have room for its guests"
        if fine
        else f"of {total} none may fail without guests that have no place then"
    ]
    lines += [_lost(one) for one in lacking[:MAX_NAMES]]
    if len(lacking) > MAX_NAMES:
        more = counted(len(lacking) - MAX_NAMES, "more host")
        lines.append(f"{more} may not fail either")
    if undecided:
        names = listed((one.name for one in undecided), MAX_NAMES)
        lines.append(f"not decided for {names}: no place was found for all guests, and none is ruled out")
    return lines


def _lost(one: HostFailure) -> str:
    verb = "has" if len(one.lost) == 1 else "have"
    names = listed((guest.name for guest in one.lost), MAX_NAMES)
    reasons = {guest.why for guest in one.lost}
    why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
    many = f"{len(one.lost)} of {counted(one.guests, 'guest')}"
    return f"if {one.name} fails, {many} {verb} no place: {names}{why}"
