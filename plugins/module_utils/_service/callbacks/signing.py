# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of call-backs, as the Standard Webhooks specification has them.

What is signed is `ID.TIMESTAMP.BODY`, so that a receiver can tell a call-back that somebody else sends again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import SecretMissing

PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def headers(key: bytes | None, delivery: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a call-back, without the signature where there is no key; `timestamp` in seconds since
    1970.
    """
    found = {"webhook-id": delivery, "webhook-timestamp": str(timestamp)}
    if key is not None:
        signed = b".".join((delivery.encode(), str(timestamp).encode(), body))
        signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        found["webhook-signature"] = f"v1,{signature}"
    return found


def key_of(secret: str, where: str) -> bytes:
    """The key in `whsec_` and base64. Raises SecretMissing, which never shows it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise SecretMissing(
            f"the secret is not {PREFIX} and {_MIN_BYTES} to {_MAX_BYTES} bytes in base64",
            where=where,
            hint=f'Make one: echo "{PREFIX}$(openssl rand -base64 32)"',
        )
    return key


def secret_of(variable: str | None, file: str | None, environment: Mapping[str, str], where: str) -> str:
    """The text of a secret, from an environment variable or from a file. Raises SecretMissing."""
    if file is not None:
        try:
            text = Path(os.path.expanduser(file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SecretMissing(f"{file} can't be read: {said}", where=where) from None
        named = file
    else:
        text = environment.get(variable or "", "").strip()
        named = f"the environment variable {variable}"
    if not text:
        raise SecretMissing(f"{named} is empty or not there", where=where)
    return text
