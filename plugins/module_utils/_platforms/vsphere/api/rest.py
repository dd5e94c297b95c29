# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON interface beside SOAP: /api, or /rest where that is all there is."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

from ...errors import AuthenticationFailed, PermissionMissing, Refused, UnexpectedAnswer
from .https import Answer, Https

_CIS = "com/vmware/cis"


class Rest:
    """JSON requests. Logs in when it is made; raises Refused when the server has no such interface."""

    def __init__(self, https: Https, username: str, password: str) -> None:
        self._https = https
        self._headers: dict[str, str] = {}
        basic = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._new = True
        answer = self._send("POST", "/api/session", None, {"Authorization": f"Basic {basic}"})
        if answer.status in (400, 404, 405, 501):
            self._new = False
            answer = self._send("POST", f"/rest/{_CIS}/session", None, {"Authorization": f"Basic {basic}"})
        self._headers = {"vmware-api-session-id": str(self._value(answer))}

    def objects(self, path: str, action: str, body: Any) -> Any:
        """Do something to what is at a path, such as tagging/tag-association."""
        query = f"action={action}" if self._new else f"~action={action}"
        return self._value(self._send("POST", f"{self._root}/{path}?{query}", body, {}))

    def object(self, path: str, identity: str) -> Any:
        """One thing of those at a path; None when it is not there (any more)."""
        name = quote(identity, safe="" if self._new else ":")
        answer = self._send("GET", f"{self._root}/{path}/{name if self._new else f'id:{name}'}", None, {})
        return None if answer.status == 404 else self._value(answer)

    def close(self) -> None:
        self._send("DELETE", "/api/session" if self._new else f"/rest/{_CIS}/session", None, {})

    @property
    def _root(self) -> str:
        return "/api/cis" if self._new else f"/rest/{_CIS}"

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json", **self._headers, **headers}
        return self._https.request(method, path, content, sent, repeatable=True)

    def _value(self, answer: Answer) -> Any:
        where = str(self._https.endpoint)
        if answer.status == 401:
            raise AuthenticationFailed("the JSON interface does not accept the account", where=where)
        if answer.status == 403:
            raise PermissionMissing("the JSON interface denies this to the account", where=where)
        if answer.status not in (200, 201):
            raise Refused(f"the JSON interface answered HTTP {answer.status}", where=where)
        try:
            value = json.loads(answer.body)
        except ValueError:
            raise UnexpectedAnswer("the JSON interface did not answer with JSON", where=where) from None
        return value if self._new else value["value"]
