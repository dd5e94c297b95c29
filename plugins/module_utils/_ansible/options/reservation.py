# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a reservation: what a lease keeps on a host for a guest, and what a placement leaves to it."""

from __future__ import annotations

from typing import Any

RESERVATION: dict[str, Any] = {
    "cluster": {"type": "str", "required": True},
    "guest": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "cpu": {"type": "float", "required": True},
    "memory": {"type": "str", "required": True},
    "disks": {
        "type": "list",
        "elements": "dict",
        "options": {
            "datastore": {"type": "str", "required": True},
            "size": {"type": "str", "required": True},
        },
    },
    "networks": {"type": "list", "elements": "str"},
    "tags": {"type": "list", "elements": "str"},
}
