# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose certificates are trusted where the service calls others."""

from __future__ import annotations

import ssl

from .._model.errors import InputError


def advice(said: str, field: str) -> str:
    """The remedy for an error of a connection that is about a certificate; empty for other errors."""
    if "certificate" not in said.lower():
        return ""
    return (
        f". Set {field} to the authority that issued the certificate; one that has expired, or names another"
        " server, must be replaced there"
    )


def trusting(ca_path: str | None, field: str) -> ssl.SSLContext | None:
    """A context that trusts the authorities in a file alone; None, which is those of the system, without one.

    Raises InputError, which names the field, for a file that can't be used.
    """
    if ca_path is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        raise InputError(field, ca_path, f"a file of use: {error.strerror or error}") from None
