# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session: logged in, and logged in again when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from ...errors import PlatformError, SessionLost, UnexpectedAnswer
from .https import Endpoint, Https
from .library import pbm, require, vim, vmodl
from .soap import Soap, returned
from .values import text

T = TypeVar("T")


class Session:
    """Calls on behalf of one account. Connects and logs in when it is made."""

    def __init__(self, endpoint: Endpoint, username: str, password: str) -> None:
        require()
        self.endpoint = endpoint
        self.https = Https(endpoint)
        self._username = username
        self._password = password
        try:
            self._soap = Soap(self.https)
            content = returned(self._soap.call(vim.ServiceInstance("ServiceInstance"), "RetrieveContent"))
            self._managers: dict[str, str] = {}
            for manager in content if content is not None else ():
                self._managers[manager.tag.rpartition("}")[2]] = manager.text or ""
            self._policy_managers: dict[str, str] = {}
            self.instance = text(content, "about/instanceUuid")
            _require_vcenter(content, endpoint)
            self.key = self._log_in()
        except PlatformError:
            self.https.close()
            raise

    @property
    def where(self) -> str:
        return str(self.endpoint)

    @property
    def credentials(self) -> tuple[str, str]:
        return self._username, self._password

    def server_time(self) -> datetime:
        """The time by vCenter's own clock, which its events and samples are dated with."""
        moment = text(returned(self.call(vim.ServiceInstance("ServiceInstance"), "CurrentTime"))) or ""
        try:
            return datetime.fromisoformat(moment)
        except ValueError:
            raise UnexpectedAnswer(
                f"vCenter's time is {moment!r}, which is not a valid time", where=self.where
            ) from None

    def manager(self, name: str) -> Any:
        """A service of this vCenter, such as perfManager."""
        kinds = {
            "rootFolder": vim.Folder,
            "propertyCollector": vmodl.query.PropertyCollector,
            "sessionManager": vim.SessionManager,
            "perfManager": vim.PerformanceManager,
            "eventManager": vim.event.EventManager,
            "authorizationManager": vim.AuthorizationManager,
            "vmProvisioningChecker": vim.vm.check.ProvisioningChecker,
        }
        if not self._managers.get(name):
            raise UnexpectedAnswer(
                f"this server has no {name}",
                where=self.where,
                hint="Is this a vCenter, not a single ESXi host?",
            )
        return kinds[name](self._managers[name])

    def policy_manager(self, name: str) -> Any:
        """A part of the service of storage policies, such as profileManager. The service is asked for its
        parts once a login.
        """
        kinds = {
            "profileManager": pbm.profile.ProfileManager,
            "placementSolver": pbm.placement.PlacementSolver,
        }
        if not self._policy_managers:
            content = returned(self.call(pbm.ServiceInstance("ServiceInstance"), "PbmRetrieveServiceContent"))
            self._policy_managers = {kind: text(content, kind) or "" for kind in kinds}
        return kinds[name](self._policy_managers[name])

    def call(self, this: Any, method: str, *arguments: Any, repeatable: bool = True) -> Element:
        """See Soap.call. One that is not repeatable is still sent again after a new login: what the server
        turned away was not carried out.
        """
        try:
            return self._soap.call(this, method, *arguments, repeatable=repeatable)
        except SessionLost:
            if repeatable:
                raise
        self.key = self._log_in()
        return self._soap.call(this, method, *arguments, repeatable=False)

    def call_once(self, this: Any, method: str, *arguments: Any) -> Element:
        """The same for a call that makes sense once only, and only in the session that it belongs to."""
        return self._soap.call(this, method, *arguments, repeatable=False)

    def renewing(self, action: Callable[[], T]) -> T:
        """The result of an action that only reads. It is done again from its start when the session ended
        meanwhile, for pages end with their session.
        """
        try:
            return action()
        except SessionLost:
            self.key = self._log_in()
        try:
            return action()
        except SessionLost:
            raise SessionLost(
                "the session ended again right after a new login",
                where=self.where,
                hint="Does something end sessions of this account?",
            ) from None

    def close(self) -> None:
        """Log out. Never raises: there is nothing to be done about it."""
        try:
            self._soap.call(self.manager("sessionManager"), "Logout")
        except PlatformError:
            pass
        finally:
            self.https.close()

    def _log_in(self) -> str:
        manager = self.manager("sessionManager")
        self._soap.forget()
        # vCenter may have been updated meanwhile.
        self._policy_managers = {}
        response = self._soap.call(manager, "Login", self._username, self._password, None, repeatable=False)
        return text(returned(response), "key") or ""


def _require_vcenter(content: Element | None, endpoint: Endpoint) -> None:
    if text(content, "about/apiType") == "HostAgent":
        product = text(content, "about/fullName") or "VMware ESXi"
        raise UnexpectedAnswer(
            f"this is a single ESXi host ({product}), not a vCenter",
            where=str(endpoint),
            hint="Set hostname to the vCenter that manages it: only a vCenter can migrate between hosts",
        )
