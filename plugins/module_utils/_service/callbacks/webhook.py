# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs by HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..._model.text.urls import parsed_url
from ..config import EXAMPLE, Receiver
from ..library import aiohttp, require
from ..tls import advice, trusting
from .outbox import Delivery
from .sender import NotDelivered

if TYPE_CHECKING:
    from aiohttp import ClientSession

_GONE = 410


class WebhookSender:
    """Any answer of the two hundreds confirms the receipt."""

    def __init__(self, receiver: Receiver, where: str) -> None:
        """Raises ServiceLibraryMissing, and InputError for a file that can't be used."""
        require(aiohttp, "aiohttp", "receivers")
        self._receiver = receiver
        tls = trusting(receiver.ca_path, f"{where}.ca_path")
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        # Without its query, which may hold a token.
        self._shown = str(parsed_url(receiver.url, f"{where}.url", EXAMPLE))
        self._session: ClientSession | None = None

    async def send(self, _delivery: Delivery, body: bytes, headers: Mapping[str, str]) -> NotDelivered | None:
        receiver = self._receiver
        if self._session is None:
            # Settings of proxies and passwords of whoever started us are not for receivers.
            self._session = aiohttp.ClientSession(trust_env=False)
        try:
            async with self._session.post(
                receiver.url,
                data=body,
                headers={**headers, "Content-Type": "application/json"},
                ssl=self._tls,
                timeout=aiohttp.ClientTimeout(total=receiver.timeout),
                # It would take the signature elsewhere.
                allow_redirects=False,
            ) as response:
                if 200 <= response.status < 300:
                    return None
                return NotDelivered(f"it answered {response.status}", final=response.status == _GONE)
        except TimeoutError:
            return NotDelivered(f"no answer within {receiver.timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = f"{self._shown}: {type(error).__name__}: {error}"
            return NotDelivered(said + advice(said, f"ca_path of receiver {receiver.name}"))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
