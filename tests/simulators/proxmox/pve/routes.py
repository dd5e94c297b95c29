# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of API methods, and how a request finds its way to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from .access import Access, Principal, Rights
from .errors import ApiError, died
from .params import NODE, TEXT, VMID, Param, Value, check
from .state import Guest, Node
from .world import World

PATH_PARAMS = {"node": NODE.required, "vmid": VMID.required}


@dataclass(frozen=True, slots=True)
class Need:
    """The privileges that a method asks for, all of them, or with `some` any."""

    path: str
    privileges: tuple[str, ...]
    some: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A list with its `total` beside `data`."""

    rows: list[dict[str, object]]
    total: int


@dataclass(frozen=True, slots=True)
class Waits:
    """An answer that comes only after some seconds."""

    seconds: float
    result: object


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: `params` holds the path's and the others, each in its own type."""

    world: World
    access: Access
    principal: Principal | None
    rights: Rights
    params: Mapping[str, Value]
    now: float

    @property
    def node(self) -> Node:
        return self.world.nodes[self.text("node")]

    @property
    def user(self) -> str:
        return self.principal.id if self.principal else ""

    def text(self, name: str) -> str:
        return str(self.params[name])

    def flag(self, name: str) -> bool:
        return bool(self.params.get(name, False))

    def number(self, name: str, default: int) -> int:
        return int(self.params.get(name, default))

    def guest(self, kind: str) -> Guest:
        return self.world.guest_on(self.text("node"), kind, int(self.params["vmid"]))


Handler = Callable[[Call], object]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the API. `world_open`: needs no credentials; `since`: the first major version; `proxied`:
    answered by the node in its path, not by the one that was asked.
    """

    method: str
    path: str
    handler: Handler
    need: Need | None
    params: Mapping[str, Param]
    since: int
    allow_token: bool
    world_open: bool
    proxied: bool

    @property
    def all_params(self) -> dict[str, Param]:
        names = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        return {**{name: PATH_PARAMS.get(name, TEXT.required) for name in names}, **self.params}


@dataclass
class _Branch:
    fixed: dict[str, _Branch] = field(default_factory=dict)
    variable: tuple[str, _Branch] | None = None
    routes: dict[str, Route] = field(default_factory=dict)


ROUTES: list[Route] = []
_ROOT = _Branch()


def method(
    verb: str,
    path: str,
    need: Need | None = None,
    params: Mapping[str, Param] | None = None,
    *,
    since: int = 8,
    allow_token: bool = True,
    world_open: bool = False,
    proxied: bool = True,
) -> Callable[[Handler], Handler]:
    """Declare an API method."""

    def declare(handler: Handler) -> Handler:
        route = Route(verb, path, handler, need, params or {}, since, allow_token, world_open, proxied)
        ROUTES.append(route)
        branch = _ROOT
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                if branch.variable is None:
                    branch.variable = (part[1:-1], _Branch())
                branch = branch.variable[1]
            else:
                branch = branch.fixed.setdefault(part, _Branch())
        branch.routes[verb] = route
        return handler

    return declare


def find(verb: str, path: str, major: int) -> tuple[Route | None, dict[str, str]]:
    """The method for a path below /api2/json, and its path parameters; None where there is no such method."""
    branch = _ROOT
    found: dict[str, str] = {}
    for part in filter(None, path.split("/")):
        if part in branch.fixed:
            branch = branch.fixed[part]
        elif branch.variable is not None:
            found[branch.variable[0]] = unquote(part)
            branch = branch.variable[1]
        else:
            return None, {}
    route = branch.routes.get(verb)
    return (None, {}) if route is None or route.since > major else (route, found)


def carry_out(
    world: World,
    access: Access,
    route: Route,
    principal: Principal | None,
    path_params: Mapping[str, str],
    given: Mapping[str, object],
) -> object:
    """Check rights, node and parameters in Proxmox VE's order, then run the method. World's lock is held."""
    now = world.advance()
    grants = world.switches.grants
    pools = (
        {f"/vms/{guest.vmid}": f"/pool/{guest.pool}" for guest in world.guests.values() if guest.pool}
        if grants
        else {}
    )
    rights = Rights(principal or Principal(""), grants, pools)
    if principal is not None and principal.token is not None and not route.allow_token:
        text = (
            f"Permission check failed (URI '{route.path}' not available with API token, need proper ticket."
        )
        raise ApiError(403, text)
    names = dict(path_params)
    if names.get("node") == "localhost":
        names["node"] = world.local_node
    if route.need is not None:
        rights.demand(route.need.path.format(**names), *route.need.privileges, some=route.need.some)
    if "node" in names and route.proxied:
        _demand_reachable(world, names["node"])
    params = check(route.all_params, {**given, **names}, world.major)
    return route.handler(Call(world, access, principal, rights, params, now))


def _demand_reachable(world: World, name: str) -> None:
    node = world.nodes.get(name)
    if node is None:
        reason = f"failed to get address info for: {name}: Name or service not known"
        raise died(f"hostname lookup '{name}' failed - {reason}")
    if not node.online:
        status, reason = world.switches.offline_status
        raise ApiError(int(status), str(reason), body=False)
