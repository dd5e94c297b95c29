# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the account may see and do what is needed. Private to the collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import PermissionMissing
from .faults import Gone, Unsupported
from .session import Session
from .values import find_all, flag, text

READ = ("System.View", "System.Read")


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
    lacking = [
        (text(availability, "privId") or "", text(answer, "entity") or "")
        for answer in find_all(response, "returnval")
        for availability in find_all(answer, "privAvailability")
        if not flag(availability, "isGranted")
    ]
    if lacking:
        raise PermissionMissing(
            f"the account lacks {', '.join(sorted({privilege for privilege, _entity in lacking}))}"
            f" on {_listed(sorted({entity for _privilege, entity in lacking}))}",
            where=session.where,
            hint="Give it a role with this there; what it can't see would be missing from the plan",
        )


def _listed(entities: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(entities) - limit} more" if len(entities) > limit else ""
    return ", ".join(entities[:limit]) + more
