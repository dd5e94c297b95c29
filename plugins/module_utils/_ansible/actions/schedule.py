# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module schedule: install and remove schedules of playbooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..._model.errors import EvenKeelError, InputError
from ..errors import ScheduleError
from ..options.argument_spec import options_of
from ..schedule.entry import Entry, Kind, ScheduleOptions, entries_of, folders_to_write
from ..schedule.files import Change, Item, Transaction, changes_between, own_ids
from ..schedule.layout import Owners, Places, wanted_files
from ..schedule.machine import (
    Systemd,
    User,
    ansible_playbook_of,
    check_calendar,
    check_playbook,
    check_units,
    kind_of,
    make_folders,
    program,
    refuse_missing_folders,
    refuse_old_systemd,
    user_of,
)
from ..schedule.texts import Run, service_unit, timer_unit
from ..schedule.timing import cron_expression, cron_of_calendar, cron_of_interval
from ..start_folder import STARTED_IN


@dataclass(frozen=True)
class Planned:
    """One schedule to install: its files, and when it runs, in words."""

    run: Run
    user: User
    files: Mapping[Path, Item]
    when: str
    next: str | None


def run_schedule(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Installs the schedules all or none, or removes them."""
    options = options_of(ScheduleOptions, params)
    entries = entries_of(options)
    if options.state == "present" and options.entries is None:
        raise InputError.required("entries", when="state is present", expected="at least one schedule")
    kind = kind_of(options.kind, options.scope)
    caller = user_of(options.user, "user", options.scope, os.environ)
    places = Places(options.scope, os.path.abspath(options.root), caller.home)
    manager = Systemd.here(options.scope, places.root)
    present = [entry for entry in entries if options.state == "present" and entry.options.state == "present"]
    installed = places.installed()
    gone = _to_remove(options, entries, present, installed)
    planned = [_planned(entry, options, kind, places) for entry in present]
    if kind == "systemd" and planned:
        check_units(
            {
                f"{one.run.unit}{suffix}": text(one.run)
                for one in planned
                for suffix, text in ((".service", service_unit), (".timer", timer_unit))
            }
        )
    changes = {
        one.run.entry.name: changes_between(one.files, places.owned(one.run.entry.name)) for one in planned
    }
    changes |= {
        name: changes_between({}, [*places.owned(name), places.on_disk(places.stamp(name))]) for name in gone
    }
    changed = [name for name, found in changes.items() if found]
    if places.root == "/":
        for checked in _once([one for one in planned if one.run.entry.name in changed]):
            check_playbook(checked.run, checked.user)
    idle = [
        one.run.unit
        for one in planned
        if kind == "systemd" and manager.runs and not manager.is_active(f"{one.run.unit}.timer")
    ]
    if not check_mode and (changed or idle):
        for one in planned:
            make_folders(one.user, one.run.writable)
        _apply(changes, planned, gone, kind, manager, places)
    return {
        "changed": bool(changed or idle),
        "diff": [change.diff() for name in changed for change in changes[name]],
        "kind": kind,
        "schedules": [_result(one, kind, one.run.entry.name in changed) for one in planned],
        "removed": [name for name in gone if changes[name]],
        "report": _report(planned, [name for name in gone if changes[name]], kind, check_mode=check_mode),
        "warnings": _warnings(kind, manager, places, planned),
    }


def _to_remove(
    options: ScheduleOptions, entries: Sequence[Entry], present: Sequence[Entry], installed: Sequence[str]
) -> list[str]:
    """The names of schedules that are to be gone: those named, or all where none is named."""
    kept = {entry.name for entry in present}
    if options.exclusive or (options.state == "absent" and not options.entries):
        return [name for name in dict.fromkeys([*(e.name for e in entries), *installed]) if name not in kept]
    return [entry.name for entry in entries if entry.name not in kept]


def _planned(entry: Entry, options: ScheduleOptions, kind: Kind, places: Places) -> Planned:
    given = entry.options
    user = user_of(given.user or options.user, entry.at("user"), options.scope, os.environ)
    entry = _with_paths(entry, user, places)
    run = Run(
        entry=entry,
        folder=f"{places.schedules}/{entry.name}",
        user=user.name,
        home=user.home,
        ansible_playbook=ansible_playbook_of(options.ansible_playbook),
        flock=program("flock", "It is part of util-linux"),
        of_system=options.scope == "system",
        writable=folders_to_write(entry, user.home),
    )
    if places.root == "/":
        refuse_missing_folders(run.writable, user, entry.at("variables"))
    expression, when, following = "", "", None
    if kind == "systemd":
        when, following = _systemd_times(entry)
    else:
        expression = _cron_times(entry)
        when = expression
    return Planned(
        run, user, wanted_files(run, kind, expression, places, Owners(own_ids(), user)), when, following
    )


def _systemd_times(entry: Entry) -> tuple[str, str | None]:
    options = entry.options
    if entry.credentials:
        refuse_old_systemd(entry.at("vault_password" if options.vault_password else "credentials"))
    if options.interval is not None:
        return f"every {options.interval:g} s", None
    if not entry.calendar:
        raise InputError.required(
            entry.at("calendar"),
            when="systemd runs the schedule",
            expected="such as 02:00",
            hint="An expression of cron is for kind: cron",
        )
    following = [check_calendar(calendar, entry.at("calendar")) for calendar in entry.calendar]
    return ", ".join(entry.calendar), following[0]


def _cron_times(entry: Entry) -> str:
    options = entry.options
    if options.persistent:
        raise InputError.unsupported(
            entry.at("persistent"), "true", "kind: cron", hint="cron does not make up for missed runs"
        )
    if options.cron is not None:
        return cron_expression(options.cron, entry.at("cron"))
    if options.interval is not None:
        return cron_of_interval(options.interval, entry.at("interval"))
    if len(entry.calendar) > 1:
        raise InputError.required(entry.at("cron"), when="cron runs a schedule with several calendars")
    return cron_of_calendar(entry.calendar[0], entry.at("calendar"))


def _with_paths(entry: Entry, user: User, places: Places) -> Entry:
    """The entry with absolute paths, all of which exist."""

    def found(path: str, option: str, exists: Callable[[str], bool] = os.path.isfile) -> str:
        whole = user.home + path[1:] if path.startswith("~/") else path
        folder = os.environ.get(STARTED_IN, "")
        if not os.path.isabs(whole) and not folder:
            raise InputError(entry.at(option), path, "an absolute path")
        whole = os.path.normpath(os.path.join(folder, whole))
        if places.root == "/" and not exists(whole):
            what = "a folder" if exists is os.path.isdir else "a file"
            raise InputError(entry.at(option), whole, f"{what} on this machine")
        return whole

    options = entry.options
    inventory = [
        # One with a comma is a list of hosts.
        item if "," in item else found(item, "inventory", os.path.exists)
        for item in entry.inventory
    ]
    return replace(
        entry,
        options=replace(
            options,
            inventory=inventory or None,
            playbook=found(options.playbook, "playbook") if "/" in options.playbook else options.playbook,
            variables_files=[found(path, "variables_files") for path in options.variables_files or ()]
            or None,
            vault_password_file=options.vault_password_file
            and found(options.vault_password_file, "vault_password_file"),
            directory=options.directory and found(options.directory, "directory", os.path.isdir),
            writable=[found(path, "writable", os.path.isdir) for path in options.writable or ()] or None,
            output=options.output and found(options.output, "output", lambda path: not os.path.isdir(path)),
        ),
    )


def _once(planned: Sequence[Planned]) -> list[Planned]:
    """One of each that would be checked alike."""
    return list(
        {
            (one.run.entry.options.playbook, one.user, one.run.directory, str(one.run.entry.environment)): one
            for one in planned
        }.values()
    )


def _apply(
    changes: Mapping[str, Sequence[Change]],
    planned: Sequence[Planned],
    gone: Sequence[str],
    kind: Kind,
    manager: Systemd,
    places: Places,
) -> None:
    """Writes and removes files and has systemd take notice. Nothing stays where something fails."""
    transaction = Transaction()
    timers = [f"{one.run.unit}.timer" for one in planned if kind == "systemd"]
    before = [
        unit
        for unit in (f"evenkeel-{name}.timer" for name in changes)
        if manager.runs and places.on_disk(f"{places.units}/{unit}").exists()
    ]
    # Cron may have their place now.
    stopped = [unit for unit in before if unit not in timers]
    try:
        for unit in stopped:
            manager.call("stop", unit)
        for name in changes:
            transaction.apply(changes[name])
        if manager.runs and (timers or stopped):
            manager.call("daemon-reload")
            for unit in timers:
                is_new = bool(changes[unit.removeprefix("evenkeel-").removesuffix(".timer")])
                manager.call("restart" if is_new else "start", unit)
    except EvenKeelError:
        transaction.roll_back()
        if manager.runs:
            for words in (["daemon-reload"], *(["start", unit] for unit in before)):
                with suppress(ScheduleError):
                    manager.call(*words)
        raise
    for unit in stopped:
        with suppress(ScheduleError):
            manager.call("reset-failed", unit.replace(".timer", ".service"))
    if gone and not places.installed():
        for folder in places.leftovers():
            with suppress(OSError):
                folder.rmdir()


def _result(planned: Planned, kind: Kind, changed: bool) -> dict[str, Any]:
    run = planned.run
    return {
        "name": run.entry.name,
        "changed": changed,
        "unit": f"{run.unit}.timer" if kind == "systemd" else None,
        "user": run.user,
        "when": planned.when,
        "next": planned.next,
        "command": run.command("${CREDENTIALS_DIRECTORY}"),
        "files": [str(path) for path, item in sorted(planned.files.items()) if item.kind != "folder"],
    }


def _report(planned: Sequence[Planned], removed: Sequence[str], kind: Kind, *, check_mode: bool) -> list[str]:
    lines = []
    for one in planned:
        run = one.run
        following = f", next {one.next}" if one.next else ""
        what = f"{run.entry.options.playbook} as {run.user} by {kind}"
        lines.append(f"schedule {run.entry.name}: {what}, {one.when}{following}")
    verb = "would be removed" if check_mode else "removed"
    return lines + [f"schedule {name}: {verb}" for name in removed]


def _warnings(kind: Kind, manager: Systemd, places: Places, planned: Sequence[Planned]) -> list[str]:
    if kind != "systemd" or manager.runs or not planned or places.root != "/":
        return []
    which = "systemd" if manager.scope == "system" else "The systemd of this user"
    return [f"{which} does not run here, so that the timers were not started. They start with it."]
