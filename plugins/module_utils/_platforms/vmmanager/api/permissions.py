# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the account sees the whole platform."""

from __future__ import annotations

from ...._model.snapshot import Notice
from ...errors import (
    AuthenticationFailed,
    NotFound,
    PermissionMissing,
    Refused,
    SessionLost,
    UnexpectedAnswer,
)
from ...values import row
from .errors import ADMIN, permission_missing
from .session import Session

WHOAMI = "auth/v4/whoami"


def require_admin(session: Session) -> Notice | None:
    """Raise PermissionMissing where the account has another role than @admin: it sees only its own virtual
    machines, so that a snapshot would be incomplete. Returns a notice where roles are not reported.
    """
    call = f"GET {WHOAMI}"
    try:
        roles = row(session.get(WHOAMI), call).get("roles")
    except (
        AuthenticationFailed,
        NotFound,
        PermissionMissing,
        Refused,
        SessionLost,
        UnexpectedAnswer,
    ) as error:
        # Functions that are closed to the outside answer as if the token were wrong. If it is, the next call
        # will tell.
        return Notice(
            text=f"It is not known whether the account sees everything: {error}. Make sure that it has the"
            f" role {ADMIN}."
        )
    if isinstance(roles, list) and ADMIN not in roles:
        held = ", ".join(map(str, roles)) or "no role"
        raise permission_missing(f"the account sees only a part of the platform: it has {held}", call)
    return None
