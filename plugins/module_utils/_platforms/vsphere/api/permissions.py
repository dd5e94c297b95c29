# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the account may see and do what is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...._model.text.wording import listed
from ...errors import PermissionMissing, PlatformError
from .collector import properties, retrieve
from .errors import Gone, Unsupported
from .library import vim
from .session import Session
from .values import find, find_all, flag, plain, text

READ = ("System.View", "System.Read")
MIGRATE = ("Resource.HotMigrate",)
MIGRATE_OFF = ("Resource.ColdMigrate",)
STORE = ("Datastore.AllocateSpace",)
MAINTENANCE = ("Host.Config.Maintenance",)
SHUT_DOWN = ("VirtualMachine.Interact.PowerOff",)

_WORDS = {
    "Datastore": "datastore",
    "HostSystem": "host",
    "VirtualMachine": "guest",
    "ClusterComputeResource": "cluster",
}


def require_privileges(session: Session, entities: Sequence[Any], privileges: Sequence[str]) -> None:
    """Raises PermissionMissing when the account lacks a privilege on an object. One call for all.

    A server that can't tell is believed to grant them: it will refuse by itself what it does not. Objects
    that are gone since they were found do not matter.
    """
    manager = session.manager("authorizationManager")
    try:
        response = session.call(
            manager, "HasPrivilegeOnEntities", list(entities), session.key, list(privileges)
        )
    except Unsupported:
        return
    except Gone as gone:
        rest = [entity for entity in entities if entity._GetMoId() != gone.id]
        if rest and len(rest) < len(entities):
            require_privileges(session, rest, privileges)
        return
    lacking: dict[tuple[str, str], list[str]] = {}
    for answer in find_all(response, "returnval"):
        entity = find(answer, "entity")
        place = (entity.get("type", "") if entity is not None else "", text(entity) or "")
        for availability in find_all(answer, "privAvailability"):
            if not flag(availability, "isGranted"):
                lacking.setdefault(place, []).append(text(availability, "privId") or "")
    if lacking:
        missing = sorted({privilege for privileges in lacking.values() for privilege in privileges})
        raise PermissionMissing(
            f"the account lacks {', '.join(missing)} on {listed(names(session, sorted(lacking)), 5)}",
            where=session.where,
            hint=_way_out(missing),
        )


def names(session: Session, places: Sequence[tuple[str, str]], limit: int = 5) -> list[str]:
    """Objects by kind and reference as people know them; one whose name is out of sight by its reference."""
    kinds: dict[str, Any] = {
        "Datastore": vim.Datastore,
        "HostSystem": vim.HostSystem,
        "VirtualMachine": vim.VirtualMachine,
        "ClusterComputeResource": vim.ClusterComputeResource,
    }
    known = [kinds[kind](identity) for kind, identity in places[:limit] if kind in kinds]
    try:
        found = retrieve(session, known, [properties(vim.ManagedEntity, "name")]) if known else []
    except PlatformError:
        found = []
    called = {item.id: plain(item.text("name")) for item in found}
    return [
        # The service of storage policies is no object of the inventory.
        "the vCenter itself"
        if kind.startswith("Pbm")
        else f"{_WORDS.get(kind, kind or 'object')} {called.get(identity) or identity}"
        for kind, identity in places
    ]


def _way_out(missing: Sequence[str]) -> str:
    if set(missing) <= set(READ):
        return (
            "Give it the role Read-only there, propagated to the children: what it can't see would be "
            "missing from the plan"
        )
    return "Give it a role with this privilege there, propagated to the children"
