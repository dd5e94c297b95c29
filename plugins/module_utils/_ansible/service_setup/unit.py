# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the service: its options, its files, and what is in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..._model.errors import InputError
from ..._service.config import ServiceConfig
from ..options.argument_spec import Path, Secret, Spec
from ..schedule.entry import CREDENTIAL, VARIABLE, VAULT_PASSWORD, listed, texts_of
from ..schedule.files import Item
from ..schedule.machine import User
from ..schedule.texts import SANDBOX, SANDBOX_OF_SYSTEM, command_word, environment_file, plain, word

NAME = "evenkeel-service.service"
UNIT = f"/etc/systemd/system/{NAME}"
LINK = f"/etc/systemd/system/multi-user.target.wants/{NAME}"
FOLDER = "/etc/evenkeel/service"
MARK = "# Written by evenkeel.cluster.service_setup. Changes are overwritten."
_CONFIG = f"{FOLDER}/service.json"
_ENVIRONMENT = f"{FOLDER}/environment"
_CREDENTIALS = f"{FOLDER}/credentials"
# For what follows when all playbooks have ended, and for playbooks that are ended.
_STOP_SECONDS = 30
_WATCHDOG_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class ServiceSetupOptions:
    """The options of the module."""

    state: Literal["present", "absent"] = "present"
    config: Mapping[str, Any] | None = None
    inventory: str | Sequence[str] | None = None
    user: str | None = None
    environment: Mapping[str, Any] | None = None
    secrets: Annotated[Mapping[str, Any] | None, Spec(no_log=True)] = None
    credentials: Annotated[Mapping[str, Any] | None, Spec(no_log=True)] = None
    vault_password: Secret | None = None
    directory: Path | None = None
    writable: Sequence[Path] | None = None
    program: Path | None = None
    python: Path | None = None
    root: Path = "/"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is to be installed, checked. Paths are those of the machine itself."""

    config: Mapping[str, Any]
    stop_within: float
    inventory: Sequence[str]
    user: User
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    credentials: Mapping[str, str]
    directory: str
    writable: Sequence[str]
    program: str
    python: str

    def command(self, config: str = _CONFIG) -> list[str]:
        inventories = [part for inventory in self.inventory for part in ("--inventory", inventory)]
        return [self.python, self.program, "--config", config, *inventories]

    def text(self) -> str:
        """The unit."""
        lines = [
            MARK,
            "[Unit]",
            "Description=Even Keel: requests to place VMs and to lease capacity",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            # It says when it takes requests, and that it still turns.
            "Type=notify",
            "NotifyAccess=main",
            f"WatchdogSec={_WATCHDOG_SECONDS}",
            f"User={plain(self.user.name)}",
            f"WorkingDirectory={plain(self.directory)}",
        ]
        lines += [
            f"Environment={word(f'{name}={value}')}" for name, value in sorted(self.environment.items())
        ]
        if self.secrets:
            lines.append(f"EnvironmentFile={_ENVIRONMENT}")
        lines += [f"LoadCredential={name}:{_CREDENTIALS}/{name}" for name in sorted(self.credentials)]
        lines += [
            f"ExecStart={' '.join(map(command_word, self.command()))}",
            "Restart=always",
            "RestartSec=5",
            # The service alone is told to end: it waits for its playbooks.
            "KillMode=mixed",
            f"TimeoutStopSec={self.stop_within + _STOP_SECONDS:g}",
        ]
        text = "\n".join(lines) + "\n" + SANDBOX + SANDBOX_OF_SYSTEM
        text += "" if self.user.uid == 0 else "CapabilityBoundingSet=\n"
        text += f"ReadWritePaths={' '.join(word(f'-{path}') for path in self.writable)}\n"
        return text + "\n[Install]\nWantedBy=multi-user.target\n"

    def files(self, owner: tuple[int, int]) -> Mapping[str, Item]:
        """The files by their paths. systemd reads the secrets, not the user of the service."""

        def secret(content: str) -> Item:
            return Item("file", content, 0o600, *owner, secret=True)

        found = {
            FOLDER: Item("folder", "", 0o755, *owner),
            _CONFIG: Item("file", json.dumps(self.config, indent=2, sort_keys=True) + "\n", 0o644, *owner),
            UNIT: Item("file", self.text(), 0o644, *owner),
            LINK: Item("link", f"../{NAME}"),
        }
        if self.secrets:
            found[_ENVIRONMENT] = secret(environment_file(self.secrets, MARK))
        if self.credentials:
            found[_CREDENTIALS] = Item("folder", "", 0o700, *owner)
            for name, value in self.credentials.items():
                found[f"{_CREDENTIALS}/{name}"] = secret(value)
        return found


def unit_of(options: ServiceSetupOptions, user: User, program: str, python: str) -> Unit:
    """Raises InputError for options that are missing or wrong."""
    if options.config is None:
        raise InputError.required(
            "config", when="state is present", hint="An example is {http: {port: 8080}}"
        )
    if not options.inventory:
        raise InputError.required(
            "inventory", when="state is present", expected="such as /etc/evenkeel/clusters.yml"
        )
    try:
        config = ServiceConfig.from_json(options.config)
    except InputError as error:
        error.path = error.where = f"config.{error.path}"
        raise
    environment = texts_of(options.environment, "environment", VARIABLE)
    secrets = texts_of(options.secrets, "secrets", VARIABLE)
    credentials = texts_of(options.credentials, "credentials", CREDENTIAL)
    for name in sorted(set(environment) & set(secrets)):
        raise InputError.conflict(f"environment.{name}", f"secrets.{name}")
    if options.vault_password is not None:
        if VAULT_PASSWORD in credentials:
            raise InputError.conflict("vault_password", f"credentials.{VAULT_PASSWORD}")
        credentials[VAULT_PASSWORD] = options.vault_password
    for option in ("inventory", "directory", "writable", "program", "python"):
        for text in listed(getattr(options, option)):
            if not text or not text.isprintable():
                raise InputError(option, text, "a text of one line, not empty")
            if not text.startswith("/"):
                raise InputError(option, text, "an absolute path")
    return Unit(
        config=options.config,
        stop_within=config.work.stop_within,
        inventory=listed(options.inventory),
        user=user,
        environment=environment,
        secrets=secrets,
        credentials=credentials,
        directory=options.directory or user.home,
        writable=_folders(options, {**environment, **secrets}, user.home),
        program=program,
        python=python,
    )


def _folders(options: ServiceSetupOptions, variables: Mapping[str, str], home: str) -> list[str]:
    """Folders that playbooks write to: those of Ansible, of the state database, and `writable`."""
    state = variables.get("XDG_STATE_HOME", f"{home}/.local/state")
    found = [f"{home}/.ansible", f"{state}/evenkeel", *(options.writable or ())]
    url = variables.get("EVENKEEL_STATE_URL", "")
    if url.startswith("sqlite:////"):
        found.append(os.path.dirname(url.removeprefix("sqlite:///")))
    return list(dict.fromkeys(found))
