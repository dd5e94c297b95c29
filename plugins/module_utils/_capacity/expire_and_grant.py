# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending what is over, and serving who waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from .._state.owner import Owner, is_gone
from .backfill_queue import backfill
from .errors import CapacityError
from .explain import check_possible, why_waiting
from .free_capacity import NetworkBook
from .lease import Lease, LeaseEnd, moment
from .store.repository import Repository


def expire_and_grant(repository: Repository) -> list[Lease]:
    """End the leases that are over and serve the queue. Returns the leases that were ended.

    Processes are looked for only when somebody has to wait: until then nobody misses what they have.
    """
    return [*end_expired(repository), *grant_all(repository)]


def grant_all(repository: Repository) -> list[Lease]:
    """Serve the queue; when somebody has to wait, also from the leases of processes that have ended. Returns
    the leases that were ended.
    """
    if not grant_queue(repository):
        return []
    gone = end_without_process(repository)
    if gone:
        grant_queue(repository)
    return gone


def end_expired(repository: Repository) -> list[Lease]:
    """End the leases whose time, or whose place in the queue, is over. Returns them."""
    return [repository.end(lease, _expiry(repository, lease)) for lease in repository.expired()]


def _expiry(repository: Repository, lease: Lease) -> LeaseEnd:
    if lease.phase == "Pending":
        return LeaseEnd(
            "Failed",
            "lapsed",
            f"Its place in the queue lapsed at {moment(lease.place_until)}, because the task that waited for"
            " it stopped reporting",
        )
    if lease.place_until is not None and lease.place_until <= repository.now:
        return LeaseEnd("Released", "unclaimed", "Granted, but not claimed in time")
    return LeaseEnd(
        "Released",
        "expired",
        f"Its lifetime of {lease.request.lifetime:g} s ended at {moment(lease.until)}",
    )


def disregard_ended(repository: Repository) -> list[Lease]:
    """Read from here on as if the leases that are over, and those that depend on a process that has ended,
    had been ended already. Returns these leases as they will be when somebody ends them.
    """
    ended = [(lease, _expiry(repository, lease)) for lease in repository.expired()]
    known = {lease.id for lease, _end in ended}
    for identity, process in without_process(repository).items():
        if identity not in known:
            lease = repository.lease(identity)
            ended.append((lease, _abandonment(lease, process)))
    repository.disregard([lease.id for lease, _end in ended])
    return [
        replace(
            lease,
            phase=end.phase,
            reason=end.reason,
            end_cause=end.cause,
            ended_at=_end_of(repository, lease),
            reservations=(),
        )
        for lease, end in ended
    ]


def _end_of(repository: Repository, lease: Lease) -> float:
    """When the time of a lease was over; now, when it is not."""
    return min([repository.now, *(end for end in (lease.until, lease.place_until) if end is not None)])


def without_process(repository: Repository) -> dict[str, Owner]:
    """By the id of each lease that depends on a process that has certainly ended: that process."""
    # Nearly always the same process waits for a lease and holds it, and is looked for once.
    gone: dict[tuple[str, int, str], bool] = {}
    found = {}
    for identity, process in repository.processes():
        key = process.place, process.pid, process.started_at
        if key not in gone:
            gone[key] = is_gone(process)
        if gone[key]:
            found[identity] = process
    return found


def end_without_process(repository: Repository) -> list[Lease]:
    """End the leases that depend on a process that has ended. Returns them."""
    ended = []
    for identity, process in without_process(repository).items():
        lease = repository.lease(identity)
        ended.append(repository.end(lease, _abandonment(lease, process)))
    return ended


def _abandonment(lease: Lease, process: Owner) -> LeaseEnd:
    if lease.phase == "Pending":
        return LeaseEnd("Failed", "lapsed", f"Its place in the queue lapsed, because {process} has ended")
    if lease.holder == process:
        return LeaseEnd("Released", "owner gone", f"The owner of the lease, {process}, has ended")
    return LeaseEnd("Released", "unclaimed", f"Granted, but not claimed, because {process} has ended")


def end_without_owner(
    repository: Repository, gone: Collection[str], living: Collection[str] | None, grace: float
) -> list[Lease]:
    """End the leases of owners that are gone: the owners in `gone`, and those that are not in `living` unless
    they asked within the last `grace` seconds, because they may be younger than that list. Returns them.
    """
    ended = []
    for lease in repository.leases():
        owner = lease.request.owner
        if owner is None:
            continue
        missing = living is not None and owner not in living and lease.requested_at <= repository.now - grace
        if owner in gone or missing:
            phase: Literal["Failed", "Released"] = "Failed" if lease.phase == "Pending" else "Released"
            ended.append(repository.end(lease, LeaseEnd(phase, "owner gone", f"Its owner {owner} is gone")))
    return ended


def fail_impossible(repository: Repository) -> None:
    """End the requests that the pools can never fulfil any more, after a pool has changed."""
    pools = repository.pools()
    for waiting in repository.queue():
        try:
            check_possible(waiting.request, pools)
        except CapacityError as error:
            repository.end(repository.lease(waiting.lease), LeaseEnd("Failed", "impossible", str(error)))


def grant_queue(repository: Repository) -> bool:
    """Grant the queued requests for which there is enough free capacity. Whether somebody still waits."""
    queue = repository.queue()
    if not queue:
        return False
    networks = any(waiting.request.networks for waiting in queue)
    book = repository.network_book() if networks else NetworkBook()
    served = backfill(queue, repository.free_capacities(repository.pools()), book, repository.now)
    for identity, allotments in served.allotments.items():
        repository.grant(repository.lease(identity), allotments)
    return bool(served.waiting)


def queue_position(repository: Repository) -> dict[str, tuple[int, str]]:
    """By the id of each lease that waits: its position in the queue, from 1, and why it waits."""
    rooms, book = repository.free_capacities(repository.pools()), repository.network_book()
    waiting = backfill(repository.queue(), rooms, book, repository.now).waiting
    return {
        one.lease: (number + 1, why_waiting(one, waiting[:number], rooms, book))
        for number, one in enumerate(waiting)
    }
