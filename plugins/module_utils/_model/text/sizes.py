# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import re

from ..errors import InputError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:i?B)?|B)?", re.IGNORECASE)
# More than any size needs, and so few that the number is finite.
_MAX_DIGITS = 40
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size_of(value: str | None, option: str) -> int | None:
    """Bytes: `103079215104`, `96G`, `96GiB` and `96 GB` are the same, a G being 1024³ here as in Ansible.

    Raises InputError for what is none.
    """
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise InputError(option, value, "a size of at least 0, such as 96G")
    number, unit = found.groups()
    if len(number) > _MAX_DIGITS:
        raise InputError(option, value, f"a size of at most {_MAX_DIGITS} digits")
    factor = 1024 ** _POWERS[unit.upper()] if unit else 1
    # A whole number of bytes, however large, is not to pass through a float.
    return int(number) * factor if "." not in number else round(float(number) * factor)
