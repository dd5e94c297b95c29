# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module service_setup: install the service as a unit of systemd, and remove it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..._model.errors import EvenKeelError, InputError
from ..errors import FileError, ScheduleError
from ..options.argument_spec import options_of
from ..schedule.entry import listed
from ..schedule.files import Change, Transaction, changes_between, found_at, on_disk, own_ids
from ..schedule.machine import (
    Systemd,
    User,
    check_units,
    make_folders,
    refuse_missing_folders,
    refuse_old_systemd,
    run_as,
    said_by,
    user_of,
)
from ..service_setup.unit import FOLDER, LINK, MARK, NAME, UNIT, ServiceSetupOptions, Unit, unit_of
from ..start_folder import STARTED_IN

_PROGRAM = "ansible_collections/evenkeel/cluster/extensions/service/evenkeel-service"


def run_service_setup(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Installs the unit and all that belongs to it or nothing, or removes it."""
    options = options_of(ServiceSetupOptions, params)
    root = os.path.abspath(options.root)
    manager = Systemd.here("system", root)
    unit = _unit(options, root) if options.state == "present" else None
    try:
        changes = _changes(unit, root)
    except FileError as error:
        # It is about a path, not about an option.
        raise FileError(error.what, hint=error.hint) from None
    idle = unit is not None and manager.runs and not manager.is_active(NAME)
    if unit is not None and root == "/" and (changes or idle):
        _try_out(unit)
    if not check_mode and (changes or idle):
        if os.geteuid() != 0 and root == "/":
            raise InputError("state", options.state, "possible", statement=" requires root",
                             hint="Run with --become")  # fmt: skip
        if unit is not None and root == "/":
            make_folders(unit.user, unit.writable)
        _apply(unit, changes, manager, root)
    result: dict[str, Any] = {
        "changed": bool(changes or idle),
        "diff": [change.diff() for change in changes],
        "unit": None if unit is None else NAME,
        "user": None if unit is None else unit.user.name,
        "command": [] if unit is None else unit.command(),
        "files": [] if unit is None else sorted(
            path for path, item in unit.files(own_ids()).items() if item.kind != "folder"
        ),
        "report": _report(unit, bool(changes), check_mode=check_mode),
        "warnings": [],
    }  # fmt: skip
    if unit is not None and root == "/" and not manager.runs:
        result["warnings"] = [
            "systemd does not run here, so that the service was not started. It starts with it."
        ]
    return result


def _unit(options: ServiceSetupOptions, root: str) -> Unit:
    user = user_of(options.user, "user", "system", os.environ)
    started_in = os.environ.get(STARTED_IN, "")
    inventory = [os.path.normpath(os.path.join(started_in, path)) for path in listed(options.inventory)]
    options = replace(options, inventory=inventory)
    python = options.python or sys.executable
    unit = unit_of(options, user, options.program or _program(user), python)
    if unit.credentials:
        refuse_old_systemd("vault_password" if options.vault_password else "credentials")
    if root == "/":
        _refuse_missing(unit)
    # systemd looks for the program, which may be on another machine.
    here = unit if root == "/" else replace(unit, python=sys.executable)
    check_units({NAME: here.text()})
    return unit


def _program(user: User) -> str:
    """The newest of those that the user's Ansible finds, by its usual folders."""
    folders = [f"{user.home}/.ansible/collections", "/usr/share/ansible/collections", *sys.path]
    for folder in folders:
        path = os.path.join(folder, _PROGRAM)
        if folder and os.path.isfile(path):
            return path
    raise InputError.required(
        "program",
        expected="the path of evenkeel-service in the collection",
        hint="The collection was not found in the folders of collections of this machine",
    )


def _refuse_missing(unit: Unit) -> None:
    files = {"program": unit.program, "python": unit.python}
    files |= {f"inventory[{index}]": path for index, path in enumerate(unit.inventory)}
    for option, path in files.items():
        if not os.path.exists(path):
            raise InputError(option, path, "a file on this machine")
    if not os.path.isdir(unit.directory):
        raise InputError("directory", unit.directory, "a folder on this machine")
    refuse_missing_folders(unit.writable, unit.user, "writable")


def _try_out(unit: Unit) -> None:
    """Raises InputError when the service would not start: it checks its configuration and its secrets."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
        config = Path(folder, "service.json")
        config.write_text(json.dumps(unit.config), encoding="utf-8")
        os.mkdir(f"{folder}/credentials", mode=0o700)
        for name, value in unit.credentials.items():
            Path(folder, "credentials", name).write_text(value, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (Path(folder), *Path(folder).rglob("*")):
                os.chown(path, unit.user.uid, unit.user.gid)
        ended = run_as(
            unit.user,
            [*unit.command(str(config)), "--check"],
            unit.directory,
            {**unit.environment, **unit.secrets, "CREDENTIALS_DIRECTORY": f"{folder}/credentials"},
            where="program",
        )
    if ended.returncode != 0:
        raise InputError(
            "config",
            None,
            "possible",
            statement=f" is refused by the service as user {unit.user.name}",
            hint=f"It says: {said_by(ended)}",
        )


def _changes(unit: Unit | None, root: str) -> list[Change]:
    there = found_at(on_disk(root, UNIT))
    if there is not None and not there.content.startswith(MARK):
        raise FileError(f"{UNIT} exists and was not written by this module", hint="Remove or rename it")
    folder = on_disk(root, FOLDER)
    inside = sorted(folder.rglob("*")) if folder.is_dir() else []
    owned = [on_disk(root, UNIT), on_disk(root, LINK), folder, *inside] if there is not None or inside else []
    wanted = {} if unit is None else unit.files(own_ids())
    return changes_between({on_disk(root, path): item for path, item in wanted.items()}, owned)


def _apply(unit: Unit | None, changes: Sequence[Change], manager: Systemd, root: str) -> None:
    """Nothing stays where something fails."""
    was_there = on_disk(root, UNIT).exists()
    transaction = Transaction()
    try:
        if unit is None and manager.runs and was_there:
            manager.call("stop", NAME)
        transaction.apply(changes)
        if manager.runs:
            manager.call("daemon-reload")
            if unit is not None:
                manager.call("restart" if changes else "start", NAME)
    except EvenKeelError:
        transaction.roll_back()
        if manager.runs:
            with suppress(ScheduleError):
                manager.call("daemon-reload")
                if was_there:
                    manager.call("restart", NAME)
        raise
    if unit is None:
        if manager.runs:
            with suppress(ScheduleError):
                manager.call("reset-failed", NAME)
        with suppress(OSError):
            # With the last of those that are installed there.
            on_disk(root, FOLDER).parent.rmdir()


def _report(unit: Unit | None, changed: bool, *, check_mode: bool) -> list[str]:
    if unit is None:
        return [f"the service {'would be' if check_mode else 'was'} removed"] if changed else []
    return [f"{NAME} {'would run' if check_mode else 'runs'} as {unit.user.name}"]
