# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of schedules are, and what is to be in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError
from .entry import Kind, Scope
from .files import Item, found_at, on_disk
from .machine import User
from .texts import MARK, Run, cron_file, cron_program, environment_file, service_unit, timer_unit


@dataclass(frozen=True)
class Places:
    """The folders below `root`. `home` is that of the user of user units."""

    scope: Scope
    root: str
    home: str

    def on_disk(self, path: str) -> Path:
        """A path of the machine to be, as it is here."""
        return on_disk(self.root, path)

    @property
    def units(self) -> str:
        return "/etc/systemd/system" if self.scope == "system" else f"{self.home}/.config/systemd/user"

    @property
    def schedules(self) -> str:
        return (
            "/etc/evenkeel/schedule" if self.scope == "system" else f"{self.home}/.config/evenkeel/schedule"
        )

    def link(self, name: str) -> str:
        return f"{self.units}/timers.target.wants/evenkeel-{name}.timer"

    def cron_file(self, name: str) -> str:
        return f"/etc/cron.d/evenkeel-{name}"

    def stamp(self, name: str) -> str:
        """When a timer with Persistent=yes ran last."""
        folder = "/var/lib" if self.scope == "system" else f"{self.home}/.local/share"
        return f"{folder}/systemd/timers/stamp-evenkeel-{name}.timer"

    def installed(self) -> list[str]:
        """The names of the schedules that are there."""
        names = set()
        folder = self.on_disk(self.units)
        for path in folder.glob("evenkeel-*.timer"):
            if _is_ours(path):
                names.add(path.stem.removeprefix("evenkeel-"))
        if self.scope == "system":
            for path in self.on_disk("/etc/cron.d").glob("evenkeel-*"):
                if _is_ours(path):
                    names.add(path.name.removeprefix("evenkeel-"))
        return sorted(names)

    def owned(self, name: str) -> list[Path]:
        """All that a schedule may consist of. Raises FileError for a file of its name that is not ours."""
        marked = [f"{self.units}/evenkeel-{name}.service", f"{self.units}/evenkeel-{name}.timer"]
        if self.scope == "system":
            marked.append(self.cron_file(name))
        for path in map(self.on_disk, marked):
            if path.is_symlink() or (path.exists() and not _is_ours(path)):
                raise FileError(
                    f"{path} exists and was not written by this module",
                    where=f"schedule {name}",
                    hint="Choose another name, or remove the file",
                )
        folder = self.on_disk(f"{self.schedules}/{name}")
        inside = sorted(folder.rglob("*")) if folder.is_dir() else []
        return [*map(self.on_disk, [*marked, self.link(name)]), folder, *inside]

    def leftovers(self) -> list[Path]:
        """Folders that go with the last schedule, if they are empty."""
        schedules = self.on_disk(self.schedules)
        found = [schedules, schedules.parent]
        if self.scope == "user":
            units = self.on_disk(self.units)
            found += [units / "timers.target.wants", units, units.parent]
        return found


def _is_ours(path: Path) -> bool:
    item = found_at(path)
    return item is not None and item.kind == "file" and item.content.startswith(MARK)


@dataclass(frozen=True)
class Owners:
    """Who owns the files: the manager, and the user who runs the schedule."""

    manager: tuple[int, int]
    user: User

    def manager_file(self, content: str, mode: int = 0o644) -> Item:
        return Item("file", content, mode, *self.manager)

    def secret(self, content: str, *, of_manager: bool) -> Item:
        return Item("file", content, 0o600, *(self.manager if of_manager else self._user), secret=True)

    def folder(self, mode: int, *, of_manager: bool) -> Item:
        return Item("folder", "", mode, *(self.manager if of_manager else self._user))

    @property
    def _user(self) -> tuple[int, int]:
        return self.user.uid, self.user.gid


def wanted_files(
    run: Run, kind: Kind, expression: str, places: Places, owners: Owners
) -> Mapping[Path, Item]:
    """The files of a schedule. systemd itself reads the secrets; with cron the user of the schedule does."""
    entry = run.entry
    by_manager = kind == "systemd"
    found: dict[str, Item] = {}
    files: tuple[tuple[bool, str, Callable[[], Item]], ...] = (
        (
            bool(entry.secrets),
            run.environment_file,
            lambda: owners.secret(environment_file(entry.secrets), of_manager=by_manager),
        ),
        (
            bool(entry.options.variables),
            run.variables_file,
            lambda: owners.secret(_variables(entry.options.variables), of_manager=False),
        ),
        (
            bool(entry.credentials),
            run.credentials_folder,
            lambda: owners.folder(0o700, of_manager=by_manager),
        ),
        (kind == "cron", run.program, lambda: owners.manager_file(cron_program(run), 0o755)),
    )
    found[run.folder] = owners.folder(0o755 if run.of_system else 0o700, of_manager=True)
    for needed, path, item in files:
        if needed:
            found[path] = item()
    for name, value in entry.credentials.items():
        found[f"{run.credentials_folder}/{name}"] = owners.secret(value, of_manager=by_manager)
    if kind == "cron":
        found[places.cron_file(entry.name)] = owners.manager_file(cron_file(run, expression))
    else:
        found[f"{places.units}/{run.unit}.service"] = owners.manager_file(service_unit(run))
        found[f"{places.units}/{run.unit}.timer"] = owners.manager_file(timer_unit(run))
        found[places.link(entry.name)] = Item("link", f"../{run.unit}.timer")
    return {places.on_disk(path): item for path, item in found.items()}


def _variables(values: Mapping[str, object] | None) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"
