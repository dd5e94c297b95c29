# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking for a lease, coming for it, renewing it, giving it back.

Each function is a step within one change of the books.
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
from .holds import Placement, hold
from .lease import Lease, LeaseEnd, moment
from .request import Request
from .store.repository import Repository

HEARTBEAT_SECONDS = 120.0
"""After so long without a sign of life a place in the queue lapses."""

_FREE = frozenset({"purpose", "lifetime", "priority"})
_SIZES = frozenset({"vcpus", "memory", "storage"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks: the process that waits, and the process, if any, whose end is to end the lease."""

    waiter: Owner
    holder: Owner | None = None


def request_lease(
    books: Repository,
    name: str,
    request: Request,
    asker: Requester,
    *,
    placement: Placement | None = None,
    resize: bool = False,
) -> Lease:
    """Ask for a lease, or come for one that there is. It is fulfilled at once, or has a place in the queue.

    Raises Impossible, UnknownPool, LeaseDiffers, HoldsChanged, and NotFulfilled when it can't grow.
    """
    end_expired(books)
    lease = books.live(name)
    if lease is not None and lease.holder is not None and is_gone(lease.holder):
        gone = f"The owner of the lease, {lease.holder}, has ended"
        books.end(lease, LeaseEnd("Released", "owner gone", gone))
        lease = None
    if lease is not None:
        return heartbeat(books, _agree(books, lease, request, asker, resize=resize), asker, placement)
    check_possible(request, books.pools())
    until = books.now + HEARTBEAT_SECONDS
    lease = books.add(name, request, place_until=until, waiter=asker.waiter, holder=asker.holder)
    grant_all(books)
    return _claim(books, books.lease(lease.id), asker, placement)


def heartbeat(books: Repository, lease: Lease, asker: Requester, placement: Placement | None = None) -> Lease:
    """A sign of life of somebody who waits; comes for the lease when it is fulfilled."""
    if lease.phase == "Pending":
        until = books.now + HEARTBEAT_SECONDS
        holder = asker.holder or lease.holder
        books.update(replace(lease, place_until=until, waiter=asker.waiter, holder=holder))
        expire_and_grant(books)
        lease = books.lease(lease.id)
    return _claim(books, lease, asker, placement)


def stop_waiting(books: Repository, lease: Lease, waited: float, keep: float) -> Lease:
    """Give up the place in the queue, or keep it for so many seconds for whoever asks again."""
    if lease.phase != "Pending":
        return lease
    position, why = queue_position(books)[lease.id]
    if keep <= 0:
        reason = f"Not fulfilled within {waited:g} s, at position {position} of the queue: {why}"
        return books.end(lease, LeaseEnd("Failed", "unfulfilled", reason))
    reason = f"Waiting at position {position} of the queue: {why}"
    kept = replace(lease, place_until=books.now + keep, waiter=None, reason=reason)
    books.update(kept)
    return kept


def renew(books: Repository, name: str, owner: str | None, lifetime: float | None) -> tuple[Lease, Lease]:
    """Let a lease last for its lifetime, or another from then on, from now on. Gives it before and after.

    Raises LeaseNotHeld and LeaseDiffers.
    """
    end_expired(books)
    lease = books.live(name)
    if lease is None or lease.phase != "Fulfilled":
        raise LeaseNotHeld(
            _fate(books.last(name)), where=f"lease {name}", hint="Ask for it again with state: present"
        )
    _require_owner(lease, owner)
    request = lease.request if lifetime is None else replace(lease.request, lifetime=lifetime)
    renewed = replace(lease, request=request, until=books.now + request.lifetime)
    books.update(renewed)
    return lease, renewed


def release(books: Repository, name: str, owner: str | None) -> tuple[Lease | None, Lease | None]:
    """Give a lease back, or withdraw from the queue. Gives it before, None when there was none that went on,
    and after. Raises LeaseDiffers when it is somebody else's.
    """
    end_expired(books)
    lease = books.live(name)
    if lease is None:
        return None, books.last(name)
    _require_owner(lease, owner)
    end = LeaseEnd("Released", "released", "Released by a task")
    if lease.phase == "Pending":
        end = LeaseEnd("Released", "withdrawn", "Withdrawn from the queue by a task")
    ended = books.end(lease, end)
    grant_queue(books)
    return lease, ended


def _fate(lease: Lease | None) -> str:
    if lease is None:
        return "there is no lease of that name"
    if lease.phase == "Pending":
        return "it still waits in the queue"
    return f"it ended at {moment(lease.ended_at)}: {lease.reason}"


def _require_owner(lease: Lease, owner: str | None) -> None:
    if owner is not None and owner != lease.request.owner:
        raise LeaseDiffers(
            f"it belongs to {_whom(lease.request.owner)}, not to {owner}",
            where=f"lease {lease.name}",
            hint="Leave out owner to act on the lease of somebody else",
        )


def _whom(owner: str | None) -> str:
    return "nobody in particular" if owner is None else owner


def _agree(books: Repository, lease: Lease, request: Request, asker: Requester, *, resize: bool) -> Lease:
    """The lease that there is, changed to the request as far as that is harmless."""
    where, hint = f"lease {lease.name}", "Use a name of your own"
    if asker.holder is not None and lease.holder is not None and asker.holder != lease.holder:
        raise LeaseDiffers(f"it belongs to {lease.holder}", where=where, hint=hint)
    differing = set(lease.request.differences(request))
    if "owner" in differing:
        told = f"it belongs to {_whom(lease.request.owner)}, not to {_whom(request.owner)}"
        raise LeaseDiffers(told, where=where, hint=hint)
    hard = differing - _FREE
    if hard and not (resize and hard <= _SIZES):
        more = ", or set resize to change its size where it is" if hard <= _SIZES else ""
        raise LeaseDiffers(
            "it is there already, for something else: " + _differences(lease.request, request, sorted(hard)),
            where=where,
            hint=f"Release it first{more}",
        )
    if not differing:
        return lease
    changed = replace(lease, request=request, until=_shifted(books, lease, request))
    if not hard:
        books.update(changed)
        return changed
    _refuse_growth(books, lease, request)
    books.resize(changed)
    expire_and_grant(books)
    return books.lease(lease.id)


def _differences(old: Request, new: Request, names: Sequence[str]) -> str:
    return ", ".join(f"{name} is {getattr(old, name)!r}, asked for {getattr(new, name)!r}" for name in names)


def _shifted(books: Repository, lease: Lease, request: Request) -> float | None:
    """When it ends, had it had the lifetime of the request from its start."""
    if lease.until is None:
        return None
    until = lease.until + request.lifetime - lease.request.lifetime
    if until <= books.now:
        raise InputError("lifetime", request.lifetime, f"enough: it would have ended at {moment(until)}")
    return until


def _refuse_growth(books: Repository, lease: Lease, request: Request) -> None:
    """Raises what is right when a lease can't get the sizes of a request where it is."""
    check_possible(request, books.pools())
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
    growth = QueuedRequest(lease=lease.id, number=2**62, request=more, requested_at=books.now)
    served = backfill(
        [*books.queue(), growth], books.free_capacities(books.pools()), books.network_book(), books.now
    )
    if lease.id not in served.allotments:
        raise NotFulfilled(
            f"it can't grow by {wanted(more)} in {', '.join(more.required_pools)}: there is no room, or it is"
            " kept for others",
            where=f"lease {lease.name}",
            hint="It goes on with what it has",
        )


def _claim(books: Repository, lease: Lease, asker: Requester, placement: Placement | None) -> Lease:
    """Take a lease when it is fulfilled: its lifetime begins when somebody has it."""
    if lease.phase != "Fulfilled":
        return lease
    holder = asker.holder or lease.holder
    if lease.place_until is not None or holder != lease.holder:
        until = lease.until if lease.place_until is None else books.now + lease.request.lifetime
        lease = replace(lease, until=until, place_until=None, waiter=None, holder=holder)
        books.update(lease)
    return lease if placement is None else hold(books, lease, placement)
