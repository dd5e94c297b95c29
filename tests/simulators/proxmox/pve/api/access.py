# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/version and /access."""

from __future__ import annotations

from ..access import Principal, Rights
from ..errors import ApiError
from ..params import BOOL, TEXT, Param
from ..routes import Call, method

TOP_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


@method("GET", "/version")
def version(call: Call) -> object:
    world = call.world
    return {"version": world.version, "release": world.release, "repoid": "5e1ca7ed0f31a4b2"}


@method(
    "POST",
    "/access/ticket",
    params={
        "username": Param("string", max_length=64).required,
        "password": TEXT.required,
        "realm": Param("string", format="pve-realm", max_length=32),
        "otp": TEXT,
        "tfa-challenge": TEXT,
        "path": Param("string", max_length=64),
        "privs": Param("string", format="pve-priv-list", max_length=64),
        "new-format": BOOL,
    },
    allow_token=False,
    world_open=True,
)
def create_ticket(call: Call) -> object:
    user = call.text("username")
    if "realm" in call.params and "@" not in user:
        user = f"{user}@{call.text('realm')}"
    if not call.access.log_in(user, call.text("password")):
        raise ApiError(401, "authentication failure", delayed=True)
    ticket, csrf = call.access.ticket_for(user)
    rights = Rights(Principal(user), call.world.switches.grants, {})
    cap: dict[str, dict[str, int]] = {}
    for name, path in (
        ("access", "/access"),
        ("dc", "/"),
        ("nodes", "/nodes"),
        ("storage", "/storage"),
        ("vms", "/vms"),
    ):
        cap[name] = dict.fromkeys(sorted(rights.on(path)), 1)
    return {
        "username": user,
        "ticket": ticket,
        "CSRFPreventionToken": csrf,
        "clustername": call.world.name,
        "cap": cap,
    }


@method("GET", "/access/permissions", params={"path": TEXT, "userid": TEXT})
def permissions(call: Call) -> object:
    """Effective privileges, path by path; a path without any is not named, unless it was asked for alone.
    What a pool grants does not propagate (facts 12 and 13).
    """
    rights = call.rights
    if "userid" in call.params and call.text("userid") != call.user:
        rights.demand("/access", "Sys.Audit")
        rights = Rights(Principal.named(call.text("userid")), call.world.switches.grants, {})
    if "path" in call.params:
        paths = {call.text("path")}
    else:
        pools = {f"/vms/{guest.vmid}" for guest in call.world.guests.values() if guest.pool}
        paths = {*TOP_PATHS, *rights.paths(), *pools}
    found = {path: (rights.on(path), rights.on(path, pools=False)) for path in sorted(paths)}
    return {
        path: {name: int(name in propagated) for name in sorted(privileges)}
        for path, (privileges, propagated) in found.items()
        if privileges or "path" in call.params
    }


@method("GET", "/access/acl")
def acl(call: Call) -> object:
    """All entries, for one who may audit /access; a list without privileges is the role NoAccess."""
    if not call.rights.has("/access", "Sys.Audit"):
        return []
    return [
        {
            "path": path,
            "type": "token" if "!" in principal else "user",
            "ugid": principal,
            "roleid": "Some" if privileges else "NoAccess",
            "propagate": 1,
        }
        for principal, paths in call.world.switches.grants.items()
        for path, privileges in paths.items()
    ]
