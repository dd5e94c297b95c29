# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requesting, claiming, renewing and releasing leases.

Each function is a step within one write transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._model.errors import InputError
from .._state.owner import Owner, is_gone
from .backfill_queue import QueuedRequest, backfill
from .errors import LeaseDiffers, LeaseNotHeld, NotFulfilled
from .expire_and_grant import end_expired, expire_and_grant, grant_all, grant_queue, queue_position
from .explain import check_possible, wanted
from .lease import Lease, LeaseEnd, moment
from .request import Request
from .reservations import Placement, reserve
from .store.repository import Repository

HEARTBEAT_SECONDS = 120.0
"""Without a heartbeat for this time a place in the queue lapses."""

_FREE = frozenset({"purpose", "lifetime", "priority"})
_SIZES = frozenset({"vcpus", "memory", "storage"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """The process that waits for a lease, and the process whose end ends it, if any."""

    waiter: Owner
    holder: Owner | None = None


def request_lease(
    repository: Repository,
    name: str,
    request: Request,
    requester: Requester,
    *,
    placement: Placement | None = None,
    resize: bool = False,
) -> Lease:
    """Request a lease, or claim an existing one. It is granted at once, or has a place in the queue.

    Raises Impossible, UnknownPool, LeaseDiffers, HoldsChanged, and NotFulfilled when it can't grow.
    """
    end_expired(repository)
    lease = repository.live(name)
    if lease is not None and lease.holder is not None and is_gone(lease.holder):
        gone = f"The owner of the lease, {lease.holder}, has ended"
        repository.end(lease, LeaseEnd("Released", "owner gone", gone))
        lease = None
    if lease is not None:
        return heartbeat(
            repository, _agree(repository, lease, request, requester, resize=resize), requester, placement
        )
    check_possible(request, repository.pools())
    until = repository.now + HEARTBEAT_SECONDS
    lease = repository.add(name, request, place_until=until, waiter=requester.waiter, holder=requester.holder)
    grant_all(repository)
    return _claim(repository, repository.lease(lease.id), requester, placement)


def heartbeat(
    repository: Repository, lease: Lease, requester: Requester, placement: Placement | None = None
) -> Lease:
    """Extend the place of a request in the queue, and claim the lease when it is granted."""
    if lease.phase == "Pending":
        until = repository.now + HEARTBEAT_SECONDS
        holder = requester.holder or lease.holder
        repository.update(replace(lease, place_until=until, waiter=requester.waiter, holder=holder))
        expire_and_grant(repository)
        lease = repository.lease(lease.id)
    return _claim(repository, lease, requester, placement)


def stop_waiting(repository: Repository, lease: Lease, waited: float, keep: float) -> Lease:
    """Give up the place in the queue, or keep it for `keep` seconds, until the lease is requested again."""
    if lease.phase != "Pending":
        return lease
    position, why = queue_position(repository)[lease.id]
    if keep <= 0:
        reason = f"Not fulfilled within {waited:g} s, at position {position} of the queue: {why}"
        return repository.end(lease, LeaseEnd("Failed", "unfulfilled", reason))
    reason = f"Waiting at position {position} of the queue: {why}"
    kept = replace(lease, place_until=repository.now + keep, waiter=None, reason=reason)
    repository.update(kept)
    return kept


def renew(
    repository: Repository, name: str, owner: str | None, lifetime: float | None
) -> tuple[Lease, Lease]:
    """Restart the lifetime of a lease now, with another `lifetime` in seconds if given. Returns the lease
    before and after.

    Raises LeaseNotHeld and LeaseDiffers.
    """
    end_expired(repository)
    lease = repository.live(name)
    if lease is None or lease.phase != "Fulfilled":
        raise LeaseNotHeld(
            _fate(repository.last(name)), where=f"lease {name}", hint="Request it again with state: present"
        )
    _require_owner(lease, owner)
    request = lease.request if lifetime is None else replace(lease.request, lifetime=lifetime)
    renewed = replace(lease, request=request, until=repository.now + request.lifetime)
    repository.update(renewed)
    return lease, renewed


def release(repository: Repository, name: str, owner: str | None) -> tuple[Lease | None, Lease | None]:
    """Release a lease, or withdraw a request from the queue. Returns the lease before (None when it had ended
    already) and after. Raises LeaseDiffers when it belongs to another owner.
    """
    end_expired(repository)
    lease = repository.live(name)
    if lease is None:
        return None, repository.last(name)
    _require_owner(lease, owner)
    end = LeaseEnd("Released", "released", "Released by a task")
    if lease.phase == "Pending":
        end = LeaseEnd("Released", "withdrawn", "Withdrawn from the queue by a task")
    ended = repository.end(lease, end)
    grant_queue(repository)
    return lease, ended


def _fate(lease: Lease | None) -> str:
    if lease is None:
        return "there is no lease of that name"
    if lease.phase == "Pending":
        return "it is still in the queue"
    return f"it ended at {moment(lease.ended_at)}: {lease.reason}"


def _require_owner(lease: Lease, owner: str | None) -> None:
    if owner is not None and owner != lease.request.owner:
        raise LeaseDiffers(
            f"it belongs to {_whom(lease.request.owner)}, not to {owner}",
            where=f"lease {lease.name}",
            hint="Leave out owner to change the lease of another owner",
        )


def _whom(owner: str | None) -> str:
    return "nobody" if owner is None else owner


def _agree(
    repository: Repository, lease: Lease, request: Request, requester: Requester, *, resize: bool
) -> Lease:
    """The existing lease, with those fields of the request that may change."""
    where, hint = f"lease {lease.name}", "Use a name of your own"
    if requester.holder is not None and lease.holder is not None and requester.holder != lease.holder:
        raise LeaseDiffers(f"it belongs to {lease.holder}", where=where, hint=hint)
    differing = set(lease.request.differences(request))
    if "owner" in differing:
        conflict = f"it belongs to {_whom(lease.request.owner)}, not to {_whom(request.owner)}"
        raise LeaseDiffers(conflict, where=where, hint=hint)
    hard = differing - _FREE
    if hard and not (resize and hard <= _SIZES):
        more = ", or set resize to change its size where it is" if hard <= _SIZES else ""
        raise LeaseDiffers(
            "it exists already with other options: " + _differences(lease.request, request, sorted(hard)),
            where=where,
            hint=f"Release it first{more}",
        )
    if not differing:
        return lease
    changed = replace(lease, request=request, until=_shifted(repository, lease, request))
    if not hard:
        repository.update(changed)
        return changed
    _refuse_growth(repository, lease, request)
    repository.resize(changed)
    expire_and_grant(repository)
    return repository.lease(lease.id)


def _differences(old: Request, new: Request, names: Sequence[str]) -> str:
    return ", ".join(f"{name} is {getattr(old, name)!r}, asked for {getattr(new, name)!r}" for name in names)


def _shifted(repository: Repository, lease: Lease, request: Request) -> float | None:
    """The end of the lease if it had had the lifetime of the request from its start."""
    if lease.until is None:
        return None
    until = lease.until + request.lifetime - lease.request.lifetime
    if until <= repository.now:
        raise InputError("lifetime", request.lifetime, f"enough: it would have ended at {moment(until)}")
    return until


def _refuse_growth(repository: Repository, lease: Lease, request: Request) -> None:
    """Raise the error for a lease that cannot have the sizes of a request in its pools."""
    check_possible(request, repository.pools())
    if lease.phase == "Pending":
        return
    more = replace(
        request,
        vcpus=max(0, request.vcpus - lease.request.vcpus),
        memory=max(0, request.memory - lease.request.memory),
        storage=max(0, request.storage - lease.request.storage),
        required_pools=tuple(pool.name for pool in lease.pools),
        pools=len(lease.pools),
        networks=0,
        priority=-100,
    )
    if not (more.vcpus or more.memory or more.storage):
        return
    # Behind everybody who waits.
    growth = QueuedRequest(lease=lease.id, number=2**62, request=more, requested_at=repository.now)
    served = backfill(
        [*repository.queue(), growth],
        repository.free_capacities(repository.pools()),
        repository.network_book(),
        repository.now,
    )
    if lease.id not in served.allotments:
        raise NotFulfilled(
            f"it can't grow by {wanted(more)} in {', '.join(more.required_pools)}: there is too little"
            " free capacity, or it is kept for other requests",
            where=f"lease {lease.name}",
            hint="It goes on with what it has",
        )


def _claim(repository: Repository, lease: Lease, requester: Requester, placement: Placement | None) -> Lease:
    """Claim a lease that is granted: its lifetime begins now."""
    if lease.phase != "Fulfilled":
        return lease
    holder = requester.holder or lease.holder
    if lease.place_until is not None or holder != lease.holder:
        until = lease.until if lease.place_until is None else repository.now + lease.request.lifetime
        lease = replace(lease, until=until, place_until=None, waiter=None, holder=holder)
        repository.update(lease)
    return lease if placement is None else reserve(repository, lease, placement)
