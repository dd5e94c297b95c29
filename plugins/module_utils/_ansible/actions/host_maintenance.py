# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_maintenance: take a host out of service, or return it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..._model.codec import decode
from ..._model.lookup import find_one
from ..._model.quantities import LONG_TIME
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Host
from ..._model.text.wording import listed
from ..._model.where import GUEST, check_selector
from ..._planning.model.stayers import Stayers, has_to_leave, stayers
from ..errors import GuestsOnHost
from ..log import Log, LogOptions, open_log
from ..options.argument_spec import Spec, options_of
from ..options.environment import with_environment
from ..options.platform import PlatformOptions
from ..options.policy import SELECTOR
from ..options.values import at_least, without_none
from ..platforms import open_platform

MAX_NAMES = 20


@dataclass(frozen=True, kw_only=True)
class MaintenanceOptions(PlatformOptions, LogOptions):
    """The options of host_maintenance; `timeout` in seconds."""

    host: str
    state: Literal["present", "absent"] = "present"
    allow_running_guests: bool = False
    may_stay: Annotated[Mapping[str, Any] | None, Spec(options=SELECTOR)] = None
    shut_down: Annotated[Mapping[str, Any] | None, Spec(options=SELECTOR)] = None
    only_shut_down: bool = False
    timeout: Annotated[int, LONG_TIME] = 600


def run_host_maintenance(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Switch maintenance mode of one host, unless it is as wanted already."""
    options = options_of(MaintenanceOptions, params)
    with open_log(options, params, os.environ, check_mode=check_mode) as log:
        log.bind(host=options.host)
        with log.failures("maintenance_failed"):
            result = _run(options, log, check_mode=check_mode)
    return {**result, "warnings": log.problems()}


def _run(options: MaintenanceOptions, log: Log, *, check_mode: bool) -> dict[str, Any]:
    at_least(options, 1, "timeout", unit="seconds")
    may_stay, shut_down = _selector(options.may_stay, "may_stay"), _selector(options.shut_down, "shut_down")
    wanted = options.state == "present"
    with closing(open_platform(with_environment(options, os.environ))) as platform:
        snapshot = platform.read()
        host = find_one(snapshot.hosts, "host", options.host, "host")
        log.bind(cluster=snapshot.cluster.name, host=host.name)
        stay = stayers(snapshot.guests, may_stay, shut_down)
        here = [guest for guest in snapshot.guests if guest.host == host.id]
        running = [guest for guest in here if has_to_leave(guest, stay)]
        leaving = [guest for guest in here if wanted and _is_shut_down(guest, stay)]
        before = platform.in_maintenance(host.id)
        if before != wanted:
            platform.require_maintenance(host.id, on=wanted)
        if wanted and not before and running and not options.allow_running_guests:
            raise GuestsOnHost(
                f"guests are still running on it: {_listed(running)}",
                where=f"host {host.name}",
                hint="Evacuate it, select the guests in may_stay or shut_down, or set allow_running_guests",
            )
        # Also where the mode is on already: on Proxmox VE it is asked for elsewhere, before this is called.
        for guest in leaving if not check_mode else ():
            platform.shut_down(guest.id, timeout=options.timeout)
            log.write("info", "guest_shut_down", guest=guest.name, guest_id=guest.id)
        after = before if wanted and options.only_shut_down else wanted
        if before != after and not check_mode:
            platform.set_maintenance(host.id, on=after, timeout=options.timeout)
            log.write("info", "maintenance", on=after)
    return _result(host, running, leaving, before, after)


def _selector(given: Mapping[str, Any] | None, option: str) -> Selector:
    selector: Selector = decode(Selector, without_none(given or {}), option)
    check_selector(selector, option, GUEST)
    return selector


def _is_shut_down(guest: Guest, stay: Stayers) -> bool:
    return guest.is_on_host and not guest.platform_managed and guest.id in stay.shut_down


def _listed(guests: Sequence[Guest]) -> str:
    return listed((f"{guest.name} ({guest.id})" for guest in guests), MAX_NAMES)


def _result(
    host: Host, running: Sequence[Guest], leaving: Sequence[Guest], before: bool, wanted: bool
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "changed": before != wanted or bool(leaving),
        "host": {"id": host.id, "name": host.name},
        "maintenance": wanted,
        "running_guests": [{"id": guest.id, "name": guest.name} for guest in running],
        "shut_down_guests": [{"id": guest.id, "name": guest.name} for guest in leaving],
    }
    if result["changed"]:
        names = [guest.name for guest in leaving]
        result["diff"] = {
            "before": {**_shown(host, before), **({"running": names} if names else {})},
            "after": {**_shown(host, wanted), **({"running": []} if names else {})},
        }
    return result


def _shown(host: Host, maintenance: bool) -> Mapping[str, Any]:
    return {"host": host.name, "maintenance": maintenance}
