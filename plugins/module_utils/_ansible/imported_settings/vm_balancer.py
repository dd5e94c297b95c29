# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The .env file of vm-balancer, the auto-balancer for VMmanager 6."""

from __future__ import annotations

import re
from typing import Final

from ..._model.errors import InputError
from .section import Imported, NotCarriedOver, Section, endpoint
from .variables import excluded, seconds, vault_name, vault_reference

SYSTEM: Final = "vm-balancer"
MARK: Final = "VMMANAGER_HOST"
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_SSH: Final = (
    "measured loads come from the hypervisors in the inventory: set balance_demand_source: hosts, and see "
    "the guide to loads of hosts"
)
_TELEGRAM: Final = "use a task after the role, as the guide to coming from vm-balancer shows"


def lines(text: str) -> dict[str, str]:
    """Returns the values of an .env file. Raises InputError for a line that is none."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            # Without the line itself, which may be a secret.
            raise InputError(f"line {number}", None, "NAME=value", statement=" is not NAME=value")
        found[match[1]] = _value(match[2])
    return found


def _value(text: str) -> str:
    quoted = re.match(r"""(["'])(.*?)\1\s*(?:#.*)?$""", text)
    if quoted is not None:
        return quoted[2]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def imported(text: str, name: str) -> Imported:
    """Returns the variables of one inventory host for each cluster. Raises InputError for a wrong value."""
    left: list[NotCarriedOver] = []
    env = Section("", lines(text), left)
    variables: dict[str, object] = {"balance_platform": "vmmanager"}
    host = env.text(MARK)
    if host is None:
        raise InputError.required(MARK)
    variables["balance_vmmanager_host"], port = endpoint(host, MARK)
    if port is not None:
        variables["balance_vmmanager_port"] = port
    variables["balance_vmmanager_username"] = env.text("VMMANAGER_USERNAME") or "admin"
    secret = env.secret("VMMANAGER_PASSWORD")
    secrets = {} if secret is None else {vault_name(name, "vmmanager_password"): secret}
    variables["balance_vmmanager_password"] = vault_reference(name, "vmmanager_password")
    if env.flag("VERIFY_SSL") is False:
        variables["balance_validate_certs"] = False
    variables["balance_preset"] = "vmmanager"
    _limits(env, variables)
    variables.update(excluded(env.words("EXCLUDE_SOURCE_NODES"), env.words("EXCLUDE_TARGET_NODES")))
    clusters = env.words("CLUSTER_IDS")
    _leave(env)
    if not clusters:
        left.append(
            NotCarriedOver(
                "CLUSTER_IDS",
                "it is empty, which means all clusters: add an inventory host with balance_cluster for each, "
                "or use the inventory plugin evenkeel.cluster.clusters",
            )
        )
    env.leave_the_rest(SYSTEM)
    names = [name] if len(clusters) < 2 else [f"{name}-{cluster}" for cluster in clusters]
    hosts = {
        each: {**variables, **({"balance_cluster": clusters[index]} if clusters else {})}
        for index, each in enumerate(names)
    }
    return Imported(SYSTEM, hosts, secrets, tuple(left))


def _limits(env: Section, variables: dict[str, object]) -> None:
    most, timeout = env.whole("MAX_MIGRATIONS_PER_CYCLE", 1), env.whole("MIGRATION_TIMEOUT", 1)
    if most is not None:
        variables["balance_max_migrations"] = most
    if timeout is not None:
        variables["balance_timeout"] = seconds(timeout)
    thresholds = {
        level: {
            ours: value
            for ours, theirs in (("vcpus_per_core", "CPU"), ("memory", "MEMORY"))
            if (value := env.number(f"{theirs}_{level.upper()}_THRESHOLD")) is not None
        }
        for level in ("overload", "target")
    }
    relieve = {level: values for level, values in thresholds.items() if values}
    if relieve:
        variables["balance_relieve"] = relieve


def _leave(env: Section) -> None:
    """Records the settings that have no variable here."""
    interval = env.whole("BALANCE_INTERVAL", 1)
    if interval is not None:
        env.leave("BALANCE_INTERVAL", f"run the playbook every {interval} seconds by cron, a timer, or AWX")
    if env.flag("SSH_ENABLED"):
        env.leave("SSH_ENABLED", _SSH)
    for key in ("USERNAME", "PRIVATE_KEY_PATH", "PASSWORD", "TIMEOUT", "HOSTS_MAPPING"):
        if env.get(f"SSH_{key}") != "{}":
            env.leave(f"SSH_{key}", "Ansible's own connection variables, such as ansible_user, apply instead")
    env.leave("TELEGRAM_BOT_TOKEN", f"{_TELEGRAM}. It is a secret: keep it in a vault")
    env.leave("TELEGRAM_CHAT_ID", _TELEGRAM)
    env.leave("LOG_LEVEL", "use balance_log and balance_log_level")
    env.leave("VM_BALANCER_LANG", "messages are in English")
