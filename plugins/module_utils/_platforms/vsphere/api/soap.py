# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SOAP API: calls out, XML in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ...errors import Refused, UnexpectedAnswer, Unreachable
from .errors import error_of
from .https import Answer, Https
from .library import is_of_policies, known_versions, serializer
from .values import NAMESPACE, find

_SDK = "/sdk"
_POLICIES = "/pbm"
# Of vSphere 6.5, the first with all calls that are made.
_POLICIES_VERSION = "pbm.version.version11"
_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_POLICIES_NAMESPACE = "{urn:pbm}"
_POLICIES_HINT = "Check that vCenter's service of storage policies (vmware-sps) runs"


class Soap:
    """Calls of the API in the newest version that both sides know, and of the service of storage policies.
    The login is a cookie; that service wants its value in the header of the envelope.
    """

    def __init__(self, https: Https) -> None:
        self._https = https
        self._where = str(https.endpoint)
        self._serializer = serializer(self._version())
        self._policies_serializer = serializer(_POLICIES_VERSION)
        self._cookie = ""

    def call(self, this: Any, method: str, *arguments: Any, repeatable: bool = True) -> Element:
        """Call a method of a pyvmomi object, its arguments in the API's order; returns the element that holds
        the `returnval`s. Raises what `faults.error_of` makes of a fault, and what `Https.request` raises.
        """
        if not is_of_policies(this):
            return self._call(_SDK, self._serializer, this, method, arguments, repeatable)
        writer = self._policies_serializer
        writer.requestContext = {"vcSessionCookie": self._cookie.partition("=")[2].strip('"')}
        with _of_policies(f"{self._where}, {method}"):
            return self._call(_POLICIES, writer, this, method, arguments, repeatable)

    def forget(self) -> None:
        """Be nobody again: a server does not let somebody log in who is logged in."""
        self._cookie = ""

    def _call(
        self, path: str, writer: Any, this: Any, method: str, arguments: tuple[Any, ...], repeatable: bool
    ) -> Element:
        request = writer.SerializeRequest(this, getattr(type(this), method).info, arguments)
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": writer.versionId}
        if self._cookie:
            headers["Cookie"] = self._cookie
        answer = self._https.request("POST", path, request, headers, repeatable=repeatable)
        if answer.cookie and path == _SDK:
            self._cookie = answer.cookie.partition(";")[0]
        body = self._parsed(answer, path)
        if answer.status == 200:
            return body
        message = body.findtext("faultstring") or ""
        detail = body.find("detail")
        fault = detail[0] if detail is not None and len(detail) else None
        raise error_of(fault, message, f"{self._where}, {method}")

    def _parsed(self, answer: Answer, path: str) -> Element:
        if answer.status in (200, 500):
            try:
                envelope = ElementTree.fromstring(answer.body)
            except ElementTree.ParseError:
                raise self._unexpected(answer, path) from None
            body = envelope.find(f"{_ENVELOPE}Body")
            if body is not None and len(body):
                return body[0] if path == _SDK else _renamed(body[0])
        raise self._unexpected(answer, path)

    def _unexpected(self, answer: Answer, path: str) -> UnexpectedAnswer | Unreachable:
        said = f"HTTP {answer.status} {answer.reason}".rstrip()
        if answer.status in (502, 503, 504):
            what = "vCenter" if path == _SDK else "vCenter's service of storage policies"
            return Unreachable(f"{what} is not ready ({said})", where=self._where)
        return UnexpectedAnswer(
            f"the answer to {path} is not one of the vSphere API ({said})",
            where=self._where,
            hint="Is this the address of a vCenter?" if path == _SDK else _POLICIES_HINT,
        )

    def _version(self) -> str:
        answer = self._https.request("GET", f"{_SDK}/vimServiceVersions.xml", repeatable=True)
        if answer.status != 200:
            raise self._unexpected(answer, _SDK)
        try:
            offered = {element.text for element in ElementTree.fromstring(answer.body).iter("version")}
        except ElementTree.ParseError:
            raise self._unexpected(answer, _SDK) from None
        for name, version in known_versions():
            if version in offered:
                return name
        raise UnexpectedAnswer(
            "it supports no version of the vSphere API that pyvmomi supports",
            where=self._where,
            hint="Install a newer pyvmomi",
        )


@contextmanager
def _of_policies(where: str) -> Iterator[None]:
    """Within, errors name the call, and the service that may be down while the rest of vCenter answers."""
    try:
        yield
    except (Refused, UnexpectedAnswer, Unreachable) as error:
        error.where = where
        error.hint = error.hint or _POLICIES_HINT
        raise


def _renamed(body: Element) -> Element:
    """The answer of the service of storage policies, with its elements called as those of the rest: one place
    knows the namespace.
    """
    for element in body.iter():
        if element.tag.startswith(_POLICIES_NAMESPACE):
            element.tag = NAMESPACE + element.tag.removeprefix(_POLICIES_NAMESPACE)
    return body


def returned(response: Element) -> Element | None:
    """The one value that a call returns."""
    return find(response, "returnval")
