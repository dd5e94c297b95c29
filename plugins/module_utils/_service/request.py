# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the service, and the checks before one is accepted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from .._capacity.pool import Name, Text
from .._capacity.request import DAY
from .._capacity.request import Request as LeaseRequest
from .._model.codec import Bounds, Pattern, decode, encode
from .._model.errors import InputError
from .._model.placement_request import PlacementRequest, Strategy, WantedVm
from .._model.quantities import LONG_TIME, TIME, in_plain_numbers, with_units

Id = Annotated[
    str,
    Pattern(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,119}", "an id of up to 120 letters, digits and .:_-"),
]
_HostName = Annotated[
    str,
    Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", "a name of up to 80 letters, digits and ._-"),
]
Seconds = Annotated[float, Bounds(0, 30 * DAY), TIME]
Lifetime = Annotated[float, Bounds(1, 3660 * DAY), LONG_TIME]
Kind = Literal["place", "spare", "lease", "renew", "release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Find places for new guests, and hold them by a lease of that name until they are created. `wait`:
    seconds to try again where there is no room. `create`: whether the service creates them, if it has tasks
    for that.
    """

    vms: tuple[WantedVm, ...]
    strategy: Strategy = "spread"
    all_or_nothing: bool = True
    create: bool = True
    name: Annotated[Name | None, "of the lease; the id of the request where nothing is said"] = None
    owner: Text | None = None
    purpose: Text | None = None
    lifetime: Lifetime = DAY
    wait: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """Create a new guest on a reserved place, and check that it is ready. It is removed when its lease, whose
    name is the id of the request, has ended. `wait`: seconds to try again where there is no room.
    """

    vm: WantedVm
    strategy: Strategy = "spread"
    owner: Text | None = None
    purpose: Text | None = None
    lifetime: Lifetime = DAY
    wait: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove the guest of a spare request. Only the service itself asks for it. `release`: whether its lease
    ends as well.
    """

    spare: Id
    vm: Text
    cluster: Text
    release: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Lease capacity of pools. `wait`: seconds to wait in the queue."""

    name: Annotated[Name | None, "of the lease; the id of the request where nothing is said"] = None
    lease: LeaseRequest
    wait: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Restart the lifetime of a lease now, with this number of seconds or with the requested lifetime."""

    name: Name
    owner: Text | None = None
    lifetime: Lifetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give a lease back, and with it the places that it holds."""

    name: Name
    owner: Text | None = None


ASKED: Mapping[str, Any] = {
    "place": Place,
    "spare": Spare,
    "lease": Lease,
    "renew": Renew,
    "release": Release,
}
WORK: Mapping[str, Any] = {**ASKED, "remove": Remove}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """A request that may be taken. `text` is what it is compared by; `notify`: receivers by name."""

    id: str
    kind: str
    work: dict[str, Any]
    wait: float
    notify: tuple[str, ...]

    @property
    def text(self) -> str:
        body = {"kind": self.kind, "notify": list(self.notify), "work": self.work}
        return json.dumps(body, sort_keys=True, separators=(",", ":"))


def parse_request(value: object, *, needs_id: bool = False, most_guests: int = 100_000) -> ParsedRequest:
    """Read parsed JSON: `kind`, `id`, `notify`, and the fields of that kind beside them, sizes in bytes or
    as 8G, times in seconds or as 2h. Raises InputError with the path of the first field that is wrong, and
    for more guests than `most_guests`.
    """
    if not isinstance(value, Mapping):
        raise InputError("request", value, "an object")
    body = dict(value)
    if "kind" not in body:
        raise InputError.required("kind", expected=f"one of {', '.join(ASKED)}")
    kind = _read(Kind, body.pop("kind"), "kind")
    given = body.pop("id", None)
    if given is None and needs_id:
        raise InputError.required("id", hint="The same message may arrive twice; the id distinguishes them")
    name = secrets.token_hex(16) if given is None else _read(Id, given, "id")
    notify = _read(tuple[Name, ...], body.pop("notify", []), "notify")
    if len(set(notify)) < len(notify):
        raise InputError("notify", list(notify), "a list without duplicates")
    _refuse_crowd(body.get("vms", [body["vm"]] if "vm" in body else None), most_guests)
    work = _WORK[kind](body)
    return ParsedRequest(id=name, kind=kind, work=work, wait=work.get("wait", 0.0), notify=notify)


def work_with_units(kind: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """The work of a parsed request in the form in which roles and modules read it, however small its numbers
    are.
    """
    written: dict[str, Any] = with_units(WORK[kind], work)
    # The fields of a lease stand beside the others.
    return with_units(LeaseRequest, written) if kind == "lease" else written


def _refuse_crowd(vms: object, most: int) -> None:
    """Before any of them is looked at: each is named, and placed, by itself."""
    found = 0
    for index, vm in enumerate(vms if isinstance(vms, list) else ()):
        count = vm.get("count", 1) if isinstance(vm, Mapping) else 1
        found += count if isinstance(count, int) and count > 0 else 1
        if found > most:
            raise InputError(
                f"vms[{index}].count", count, f"such that the request is for at most {most} guests",
                hint="Ask in several requests, or raise work.most_guests of the service",
            )  # fmt: skip


def _read(hint: Any, value: object, name: str) -> Any:
    return decode(hint, value, name)


def _place(body: dict[str, Any]) -> dict[str, Any]:
    place = decode(Place, in_plain_numbers(Place, body), "")
    try:
        PlacementRequest.from_json({"vms": [encode(vm) for vm in place.vms], "strategy": place.strategy})
    except InputError as error:
        raise error.inside("request") from None
    return _without_defaults(encode(place))


def _spare(body: dict[str, Any]) -> dict[str, Any]:
    spare = decode(Spare, in_plain_numbers(Spare, body), "")
    if spare.vm.count != 1:
        raise InputError("vm.count", spare.vm.count, "1: each spare VM has a request of its own")
    # It becomes part of the command and the URL that check it.
    decode(_HostName, spare.vm.name, "vm.name")
    try:
        PlacementRequest.from_json({"vms": [encode(spare.vm)], "strategy": spare.strategy})
    except InputError as error:
        raise error.inside("request").inside("vms[0]").under("vm") from None
    return _without_null(encode(spare))


def _lease(body: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {key: body.pop(key) for key in ("name", "wait") if key in body}
    if isinstance(body.get("required_pools"), list):
        body.setdefault("pools", len(body["required_pools"]))
    lease = LeaseRequest.from_json(in_plain_numbers(LeaseRequest, body))
    found = decode(Lease, {**in_plain_numbers(Lease, own), "lease": lease.to_json()}, "")
    work: dict[str, Any] = {"name": found.name, "wait": found.wait, **lease.to_json()}
    return _without_null(work)


def _plain(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def read(body: dict[str, Any]) -> dict[str, Any]:
        found: Any = decode(WORK[kind], in_plain_numbers(WORK[kind], body), "")
        return _without_null(encode(found))

    return read


_WORK: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "place": _place,
    "spare": _spare,
    "lease": _lease,
    "renew": _plain("renew"),
    "release": _plain("release"),
}


def _without_null(values: Mapping[str, Any]) -> dict[str, Any]:
    """As modules leave options out, at every depth."""
    return {key: _bare(value) for key, value in values.items() if value is not None}


def _without_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what version 1.0.0 did not know, so that its requests are still the same ones."""
    found = _without_null(values)
    if found.get("create") is True:
        del found["create"]
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _without_null(value)
    return [_bare(item) for item in value] if isinstance(value, list) else value
