# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a platform as a user types it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from ..._model.errors import InputError, shortened


def endpoint(
    option: str,
    text: str,
    port_option: str,
    number: int | None,
    default: int | None,
    scheme: Literal["http", "https"] = "https",
) -> tuple[str, int]:
    """Name and port. Many know their platform by the address that they type into a browser, so that https://,
    a slash at the end and a port are accepted.

    Raises InputError for anything else, for a port that differs from that of `port_option`, and for none
    where there is no `default`.
    """
    name = text.strip().removeprefix(f"{scheme}://").rstrip("/")
    port = None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", name)
    if bracketed is not None:
        name, port = bracketed[1], bracketed[2]
    elif name.count(":") == 1:
        name, _colon, port = name.partition(":")
    if not re.fullmatch(r"[^\s@/\[\]?#'\",;]+", name) or (port is not None and not port.isdecimal()):
        raise InputError(
            option,
            # A user before the host has a password beside it, as a rule.
            text if "@" not in text else "an address with a user in it",
            "a name or address such as cluster.example.com",
            hint=f"Write it without {'http' if scheme == 'https' else 'https'}:// and without a path;"
            f" the port goes into {port_option}",
        )
    if port is not None and number is not None and int(port) != number:
        raise InputError(
            option,
            text,
            f"an address with the port of {port_option} ({number})",
            statement=f": {shortened(text)} has another port than {port_option} ({number})",
            hint="Set the port in one of them",
        )
    written = default if port is None else int(port)
    found = written if number is None else number
    if found is None:
        raise InputError.required(port_option, when=f"{option} is set")
    if not 0 < found < 65536:
        raise InputError(option if number is None else port_option, found, "a port number, 1 to 65535")
    return name, found


def endpoints(
    option: str, texts: Sequence[str], port_option: str, number: int | None, default: int
) -> tuple[str, ...]:
    """The same for several addresses, each as NAME:PORT."""
    found = [endpoint(option, text, port_option, number, default) for text in texts]
    return tuple(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name, port in found)
