# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that a schedule is installed on: its users, programs and managers."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._model.errors import InputError
from ..errors import ScheduleError
from .entry import Kind, Scope
from .texts import Run

_SYSTEMD_RUNS = Path("/run/systemd/system")
# The first that has LoadCredential.
_WITH_CREDENTIALS = 247
_MAX_LINES = 8


@dataclass(frozen=True)
class User:
    """Who a schedule runs as."""

    name: str
    uid: int
    gid: int
    home: str


def user_of(name: str | None, option: str, scope: Scope, environment: Mapping[str, str]) -> User:
    """The user of an option, or else who called: the caller of sudo, not root."""
    own = pwd.getpwuid(os.geteuid())
    if scope == "user" and name not in (None, own.pw_name):
        raise InputError.unsupported(
            option, str(name), "scope: user", hint=f"Run as {name}, or set scope: system"
        )
    caller = environment.get("SUDO_USER") if scope == "system" and own.pw_uid == 0 else None
    wanted = name or caller or own.pw_name
    try:
        found = pwd.getpwnam(wanted)
    except KeyError:
        raise InputError(
            option, wanted, "a user of this machine", hint="Create the user first, or name another one"
        ) from None
    return User(found.pw_name, found.pw_uid, found.pw_gid, found.pw_dir)


def program(name: str, why: str) -> str:
    """The path of a program. Raises ScheduleError where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise ScheduleError(f"The program {name} is not installed", hint=why)
    return found


def ansible_playbook_of(given: str | None) -> str:
    """The program that a schedule starts: that beside this Python, or else on the PATH."""
    path = given or _beside() or shutil.which("ansible-playbook")
    if path is None:
        raise InputError.required(
            "ansible_playbook", expected="the path of ansible-playbook", hint="It is not on the PATH"
        )
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise InputError("ansible_playbook", path, "a program on this machine")
    return path


def _beside() -> str | None:
    path = Path(sys.executable).parent / "ansible-playbook"
    return str(path) if path.exists() else None


def kind_of(wanted: str, scope: Scope) -> Kind:
    """systemd where it runs, or else cron."""
    if wanted == "cron" and scope == "user":
        raise InputError.unsupported("kind", "cron", "scope: user", hint="Set scope: system")
    if wanted == "cron":
        return "cron"
    # A user has no other choice, and whoever names systemd may install on a machine that is to be started.
    if wanted == "systemd" or scope == "user" or _SYSTEMD_RUNS.is_dir():
        return "systemd"
    return "cron"


@dataclass(frozen=True)
class Systemd:
    """systemd on this machine, of the system or of the user who runs this."""

    scope: Scope
    runs: bool

    @classmethod
    def here(cls, scope: Scope, root: str) -> Systemd:
        """Below another root than `/` systemd counts as not running: nothing is started or stopped there."""
        if root != "/" or not _SYSTEMD_RUNS.is_dir():
            return cls(scope, runs=False)
        if scope == "system":
            return cls(scope, runs=True)
        asked = run_program(["systemctl", "--user", "show-environment"])
        return cls(scope, runs=asked.returncode == 0)

    def call(self, *words: str) -> None:
        """Raises ScheduleError where systemctl fails."""
        command = ["systemctl", *(["--user"] if self.scope == "user" else []), *words]
        ended = run_program(command)
        if ended.returncode != 0:
            raise ScheduleError(f"{' '.join(command)} failed: {said_by(ended)}", hint="Nothing was changed")

    def is_active(self, unit: str) -> bool:
        command = ["systemctl", *(["--user"] if self.scope == "user" else []), "is-active", "--quiet", unit]
        return run_program(command).returncode == 0


def check_calendar(calendar: str, option: str) -> str:
    """The next time of a calendar, as systemd says it. Raises InputError for one that systemd refuses."""
    ended = run_program([_analyze(), "calendar", calendar])
    if ended.returncode != 0:
        raise InputError(
            option,
            calendar,
            "a calendar of systemd",
            hint=f"systemd-analyze says: {said_by(ended)}. Examples: 02:00, Mon..Fri 02:00, *:0/10",
        )
    found = re.search(r"Next elapse: (.*)", ended.stdout)
    if found is None or found[1].strip() == "never":
        raise InputError(option, calendar, "a calendar that has a next time")
    return found[1].strip()


def check_units(units: Mapping[str, str]) -> None:
    """Raises ScheduleError for units that systemd refuses."""
    analyze = _analyze()
    with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
        paths = []
        for name, text in units.items():
            path = Path(folder, name)
            path.write_text(text, encoding="utf-8")
            paths.append(str(path))
        ended = run_program([analyze, "verify", "--man=no", *paths])
    # It warns of units of the distribution too, and of what a newer systemd does not know any more.
    own = [line for line in ended.stderr.splitlines() if any(name in line for name in units)]
    if ended.returncode != 0 and own:
        lines = "; ".join(own[:_MAX_LINES]).replace(f"{folder}/", "")
        raise ScheduleError(f"systemd-analyze verify refuses the units: {lines}")


def refuse_old_systemd(option: str) -> None:
    """Raises InputError where systemd has no credentials."""
    found = re.match(r"systemd (\d+)", run_program(["systemctl", "--version"]).stdout)
    if found is not None and int(found[1]) < _WITH_CREDENTIALS:
        raise InputError(
            option,
            None,
            "possible",
            statement=f" requires systemd {_WITH_CREDENTIALS} or newer, and this is {found[1]}",
            hint="Use secrets, or vault_password_file",
        )


def check_playbook(run: Run, user: User) -> None:
    """Raises InputError for a playbook that the user can't run: `ansible-playbook --syntax-check`."""
    option, playbook = run.entry.at("playbook"), run.entry.options.playbook
    ended = run_as(
        user,
        [run.ansible_playbook, "--syntax-check", playbook],
        run.directory,
        run.entry.environment,
        where=option,
    )
    if ended.returncode != 0:
        raise InputError(
            option,
            playbook,
            f"a playbook that user {user.name} can run",
            hint=f"ansible-playbook --syntax-check says: {said_by(ended)}",
        )


def run_as(
    user: User, command: Sequence[str], folder: str, environment: Mapping[str, str], *, where: str
) -> subprocess.CompletedProcess[str]:
    """Run a program as a unit of the user would, with what a unit has in its environment and with more.

    Raises ScheduleError, about the option `where`, when it can't be run.
    """
    identity: dict[str, object] = {}
    if os.geteuid() == 0 and user.uid != 0:
        identity = {"user": user.uid, "group": user.gid, "extra_groups": os.getgrouplist(user.name, user.gid)}
    own = {
        "HOME": user.home,
        "USER": user.name,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    try:
        ended: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**own, **environment},
            check=False,
            **identity,  # type: ignore[call-overload]
        )
    except OSError as error:
        raise ScheduleError(
            f"{command[0]} can't be run in {folder} as user {user.name}: {error.strerror}",
            where=where,
        ) from None
    return ended


def make_folders(user: User, folders: Sequence[str]) -> None:
    """Makes those of the folders below the home that the sandbox opens, for the user."""
    if not os.path.isdir(user.home):
        return
    for folder in folders:
        missing = [path for path in (Path(folder), *Path(folder).parents) if not path.exists()]
        if not is_inside(folder, user.home):
            continue
        for path in reversed(missing):
            path.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(path, user.uid, user.gid)


def refuse_missing_folders(folders: Iterable[str], user: User, option: str) -> None:
    """Raises InputError for a folder outside of the home that the sandbox could not open for writing."""
    for folder in folders:
        if not is_inside(folder, user.home) and not os.path.isdir(folder):
            raise InputError(
                option,
                folder,
                "a folder on this machine",
                hint=f"Create it, so that user {user.name} can write files there",
            )


def is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _analyze() -> str:
    return program("systemd-analyze", "It is part of systemd. Install it, or set kind: cron")


def run_program(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
            check=False,
        )
    except OSError as error:
        raise ScheduleError(f"{command[0]} can't be run: {error.strerror}") from None


def said_by(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    return " ".join(lines[-_MAX_LINES:])[:600].rstrip(".") or f"exit code {ended.returncode}"
