# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of the module schedule: what runs when, as whom, with which secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ..._model.errors import InputError
from ..._model.quantities import LONG_TIME, TIME
from ..._model.text.wording import is_storable
from ..options.argument_spec import Path, Secret, Spec, argument_spec, options_of
from ..role_variables import WRITTEN

Kind = Literal["systemd", "cron"]
Scope = Literal["system", "user"]

VAULT_PASSWORD = "vault_password"
"""The credential that holds the password of the vault."""

# Names of files in /etc/cron.d have no dots, or cron ignores them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PLAYBOOK = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){2,}")
# They have options of their own, and every user of the machine can read a command line.
_NO_ARGUMENTS: Mapping[str, str] = {
    "-e": "variables",
    "--extra-vars": "variables",
    "-i": "inventory",
    "--inventory": "inventory",
    "-l": "limit",
    "--limit": "limit",
    "-t": "tags",
    "--tags": "tags",
    "-C": "check",
    "--check": "check",
    "--vault-password-file": "vault_password_file",
    "--vault-pass-file": "vault_password_file",
}
# Questions that nobody answers.
_QUESTIONS = (
    "-k",
    "--ask-pass",
    "-K",
    "--ask-become-pass",
    "-J",
    "--ask-vault-password",
    "--ask-vault-pass",
    "--step",
)


@dataclass(frozen=True, kw_only=True)
class EntryOptions:
    """One schedule. Times in seconds."""

    name: str
    state: Literal["present", "absent"] = "present"
    playbook: str = "evenkeel.cluster.balance"
    inventory: str | Sequence[str] | None = None
    limit: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    check: bool = False
    variables: Mapping[str, Any] | None = None
    variables_files: Sequence[Path] | None = None
    arguments: Sequence[str] | None = None
    directory: Path | None = None
    user: str | None = None
    calendar: str | Sequence[str] | None = None
    cron: str | None = None
    interval: Annotated[float | None, LONG_TIME] = None
    randomized_delay: Annotated[float, TIME] = 0
    persistent: bool | None = None
    timeout: Annotated[float | None, LONG_TIME] = None
    environment: Mapping[str, Any] | None = None
    secrets: Annotated[Mapping[str, Any] | None, Spec(no_log=True)] = None
    credentials: Annotated[Mapping[str, Any] | None, Spec(no_log=True)] = None
    vault_password: Secret | None = None
    vault_password_file: Annotated[str | None, Spec(type="path", no_log=False)] = None
    writable: Sequence[Path] | None = None
    output: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """The options of the module."""

    state: Literal["present", "absent"] = "present"
    entries: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=argument_spec(EntryOptions))] = None
    exclusive: bool = False
    kind: Literal["auto", "systemd", "cron"] = "auto"
    scope: Scope = "system"
    user: str | None = None
    ansible_playbook: Path | None = None
    root: Path = "/"


@dataclass(frozen=True)
class Entry:
    """A checked schedule; `where` is its option in messages."""

    options: EntryOptions
    where: str
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def inventory(self) -> list[str]:
        return listed(self.options.inventory)

    @property
    def calendar(self) -> list[str]:
        return listed(self.options.calendar)

    def at(self, option: str) -> str:
        return f"{self.where}.{option}"


def entries_of(options: ScheduleOptions) -> list[Entry]:
    """The entries, checked. Raises InputError."""
    found: dict[str, Entry] = {}
    for index, given in enumerate(options.entries or ()):
        where = f"entries[{index}]"
        try:
            entry = _entry(options_of(EntryOptions, given), where)
        except InputError as error:
            raise error.under(where) from None
        if entry.name in found:
            raise InputError(
                f"{where}.name",
                entry.name,
                "the name of one schedule",
                statement=f": {entry.name!r} is also the name of {found[entry.name].where}",
                hint="Give each schedule a name of its own",
            )
        found[entry.name] = entry
    return list(found.values())


def _entry(options: EntryOptions, where: str) -> Entry:
    if not _NAME.fullmatch(options.name):
        expected = "a name of at most 64 letters, digits, hyphens and underscores"
        raise InputError("name", options.name, expected)
    if options.state == "absent":
        return Entry(options, where)
    if not _PLAYBOOK.fullmatch(options.playbook) and not options.playbook.startswith("/"):
        expected = "a playbook of a collection, such as evenkeel.cluster.balance, or an absolute path"
        raise InputError("playbook", options.playbook, expected)
    _check_times(options)
    for index, argument in enumerate(options.arguments or ()):
        word = argument.partition("=")[0]
        if word in _NO_ARGUMENTS or re.match(r"-[eilt].", argument):
            own = _NO_ARGUMENTS.get(word, _NO_ARGUMENTS.get(argument[:2], ""))
            raise InputError(
                f"arguments[{index}]",
                word,
                "an argument",
                statement=f": {word[:2] if word not in _NO_ARGUMENTS else word} is not possible here",
                hint=f"Use the option {own}",
            )
        if word in _QUESTIONS:
            raise InputError(
                f"arguments[{index}]",
                word,
                "an argument",
                statement=f": {word} asks a question, and nobody is there to answer it",
                hint="Use secrets, credentials or vault_password",
            )
    if options.vault_password is not None and options.vault_password_file is not None:
        raise InputError.conflict("vault_password", "vault_password_file")
    credentials = texts_of(options.credentials, "credentials", CREDENTIAL)
    if options.vault_password is not None:
        if VAULT_PASSWORD in credentials:
            raise InputError.conflict("vault_password", f"credentials.{VAULT_PASSWORD}")
        credentials = {**credentials, VAULT_PASSWORD: options.vault_password}
    environment = texts_of(options.environment, "environment", VARIABLE)
    secrets = texts_of(options.secrets, "secrets", VARIABLE)
    for name in sorted(set(environment) & set(secrets)):
        raise InputError.conflict(f"environment.{name}", f"secrets.{name}")
    _check_lines(options)
    return Entry(options, where, environment, secrets, credentials)


def _check_times(options: EntryOptions) -> None:
    if options.interval is None and not options.calendar and options.cron is None:
        raise InputError.required(
            "calendar", when="neither interval nor cron is set", expected="such as 02:00 or Mon..Fri 02:00"
        )
    for other in ("calendar", "cron"):
        if options.interval is not None and getattr(options, other):
            raise InputError.conflict("interval", other)
    if options.interval is not None and not options.interval >= 60:
        raise InputError("interval", options.interval, "a time of at least 60 seconds")
    if options.timeout is not None and not options.timeout > 0:
        raise InputError("timeout", options.timeout, "a number of seconds greater than 0")
    if not options.randomized_delay >= 0:
        raise InputError("randomized_delay", options.randomized_delay, "a number of seconds of at least 0")
    if options.persistent and options.interval is not None:
        raise InputError.unsupported(
            "persistent", "true", "interval", hint="An interval starts again with the machine. Use calendar"
        )


def texts_of(given: Mapping[str, Any] | None, option: str, names: re.Pattern[str]) -> dict[str, str]:
    """Values as texts, which a file can hold. No message shows one."""
    found = {}
    for name, value in (given or {}).items():
        if not names.fullmatch(str(name)):
            raise InputError(f"{option}.{name}", name, "a name", statement=" is not a possible name")
        if not isinstance(value, (str, int, float)) or not is_storable(str(value)):
            raise InputError(f"{option}.{name}", None, "a text", statement=" is not a text")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if option == "environment" and not text.isprintable():
            raise InputError(f"{option}.{name}", None, "a text", statement=" is not a text of one line")
        found[str(name)] = text
    return found


def listed(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _check_lines(options: EntryOptions) -> None:
    """Raises InputError for a text that would be more than one line of a unit."""
    for name in (
        "playbook",
        "inventory",
        "limit",
        "tags",
        "variables_files",
        "arguments",
        "directory",
        "user",
        "calendar",
        "cron",
        "vault_password_file",
        "writable",
        "output",
    ):
        value = getattr(options, name)
        for text in listed(value):
            if not isinstance(text, str) or not text or not text.isprintable():
                raise InputError(name, text, "a text of one line, not empty")


def folders_to_write(entry: Entry, home: str) -> list[str]:
    """Folders that a run writes to: those of Ansible, of the state database, of files that variables name,
    and `writable`.
    """
    environment = {**entry.environment, **entry.secrets}
    state = environment.get("XDG_STATE_HOME", f"{home}/.local/state")
    found = [f"{home}/.ansible", f"{state}/evenkeel", *(entry.options.writable or ())]
    variables = entry.options.variables or {}
    files = [variables.get(name) for name in (*WRITTEN, "balance_log", "balance_rehearsal_path")]
    urls = [value for name, value in variables.items() if name.endswith("_state_url")]
    urls.append(environment.get("EVENKEEL_STATE_URL"))
    files += [
        url.removeprefix("sqlite:///")
        for url in urls
        if isinstance(url, str) and url.startswith("sqlite:///")
    ]
    files.append(entry.options.output)
    for file in files:
        if isinstance(file, str) and file.startswith("/") and "{{" not in file:
            found.append(file.rpartition("/")[0] or "/")
    return list(dict.fromkeys(found))
