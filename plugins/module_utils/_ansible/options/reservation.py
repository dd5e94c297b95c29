# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a reservation: what a lease keeps on a host for a guest, and what a placement leaves to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._model.quantities import SIZE
from ..._model.text.sizes import size_of

# A placement answers with disks of any size, which are passed on as bytes.
_LEAST_DISK = 64 * 1024

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


def reservation_in_plain_numbers(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A reservation with sizes in bytes. Raises InputError for a size that is none."""
    return {
        **given,
        "memory": SIZE.read(given["memory"], f"{path}.memory"),
        "disks": [
            {**disk, "size": size_of(disk["size"], f"{path}.disks[{index}].size", _LEAST_DISK)}
            for index, disk in enumerate(given.get("disks", ()))
        ],
    }
