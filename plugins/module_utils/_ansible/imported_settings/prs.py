# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""prs.conf of the Proxmox Rebalancing Service."""

from __future__ import annotations

import configparser
from typing import Final

from ..._model.errors import InputError
from .section import Imported, NotCarriedOver, Section
from .variables import excluded, proxmox_hosts, vault_name, vault_reference

SYSTEM: Final = "PRS"
MARK: Final = "[proxmox]"
METHODS: Final = {"memory": "memory", "cpu": "cpu", "disk": "storage"}
_SECTIONS: Final = ("proxmox", "balancing", "service")


def imported(text: str, name: str) -> Imported:
    """Returns the variables of one inventory host. Raises InputError for a wrong value."""
    left: list[NotCarriedOver] = []
    whole = Section("", _parsed(text), left)
    proxmox, balancing, service = (whole.section(section) for section in _SECTIONS)
    if not proxmox.values:
        raise InputError.required("[proxmox]", expected="the section with api_host and api_user")
    hosts, user = proxmox.words("api_host"), proxmox.text("api_user")
    if not hosts:
        raise InputError.required("proxmox.api_host")
    if user is None:
        raise InputError.required("proxmox.api_user")
    secret = proxmox.secret("api_pass")
    variables: dict[str, object] = {
        "balance_platform": "proxmox",
        **proxmox_hosts(hosts, proxmox, "api_host"),
        "balance_api_user": user,
        "balance_api_password": vault_reference(name, "api_password"),
    }
    if proxmox.flag("verify_ssl") is False:
        variables["balance_validate_certs"] = False
    variables["balance_preset"] = "proxmox_rebalancing"
    variables["balance_with_local_disks"] = True
    method = balancing.choice("method", tuple(METHODS))
    if method is not None:
        variables["balance_metrics"] = [METHODS[method]]
    nodes = balancing.words("ignore_nodes")
    variables.update(excluded(nodes, nodes, balancing.words("ignore_vms")))
    hours = service.number("schedule", 0)
    if service.flag("daemon") is not False:
        service.leave("daemon", "run the playbook on a schedule: by cron, a systemd timer, or AWX")
    if hours is not None:
        service.leave("schedule", f"run the playbook every {hours:g} hours by cron, a systemd timer, or AWX")
    for section in (proxmox, balancing, service, whole):
        section.leave_the_rest(SYSTEM)
    secrets = {} if secret is None else {vault_name(name, "api_password"): secret}
    return Imported(SYSTEM, {name: variables}, secrets, tuple(left))


def _parsed(text: str) -> dict[str, object]:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(" #", " ;"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # Its own text quotes the line, which may be a secret.
        line = getattr(error, "lineno", None) or next(iter(getattr(error, "errors", ())), (None,))[0]
        where = f"line {line}" if line else "the file"
        raise InputError(
            where,
            None,
            "a line of an INI file",
            statement=" is neither [section] nor 'key: value', or is doubled",
        ) from None
    return {section: dict(parser[section]) for section in parser.sections()}
