# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that it is for vCenter."""

from __future__ import annotations

from datetime import datetime

from ...errors import UnexpectedAnswer
from .library import vim
from .session import Session
from .soap import returned
from .values import text


def server_time(session: Session) -> datetime:
    """By its own clock, which its events and samples are dated with."""
    moment = text(returned(session.call(vim.ServiceInstance("ServiceInstance"), "CurrentTime"))) or ""
    try:
        return datetime.fromisoformat(moment)
    except ValueError:
        raise UnexpectedAnswer(
            f"vCenter's time is {moment!r}, which is no moment", where=session.where
        ) from None
