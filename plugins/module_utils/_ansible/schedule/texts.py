# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a schedule: units of systemd, or a file and a program of cron."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .entry import VAULT_PASSWORD, Entry

MARK = "# Written by evenkeel.cluster.schedule. Changes are overwritten."
RUNS_ALREADY = 75
"""The exit code of a run that did not start because another one was running."""
_STOP_SECONDS = 300

# What a run has no need of, by man systemd.exec. Those from ProtectSystem on need a manager with privileges.
SANDBOX = """\
NoNewPrivileges=yes
UMask=0077
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
SANDBOX_OF_SYSTEM = """\
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
"""


@dataclass(frozen=True)
class Run:
    """How a schedule runs. `folder` holds its files, and its lock; paths are those of the machine itself."""

    entry: Entry
    folder: str
    user: str
    home: str
    ansible_playbook: str
    flock: str
    of_system: bool
    writable: Sequence[str]

    @property
    def unit(self) -> str:
        return f"evenkeel-{self.entry.name}"

    @property
    def directory(self) -> str:
        return self.entry.options.directory or self.home

    @property
    def environment_file(self) -> str:
        return f"{self.folder}/environment"

    @property
    def variables_file(self) -> str:
        return f"{self.folder}/variables.json"

    @property
    def credentials_folder(self) -> str:
        return f"{self.folder}/credentials"

    @property
    def program(self) -> str:
        return f"{self.folder}/run"

    def lock(self) -> list[str]:
        """The words before the command. The folder itself is locked, so that no lock file is left over."""
        return [self.flock, "--nonblock", "--conflict-exit-code", str(RUNS_ALREADY), self.folder]

    def command(self, credentials: str) -> list[str]:
        """ansible-playbook with its arguments, none of which is secret; `credentials` is their folder."""
        options = self.entry.options
        words = [self.ansible_playbook, options.playbook]
        for inventory in self.entry.inventory:
            words += ["-i", inventory]
        if options.limit:
            words += ["--limit", ",".join(options.limit)]
        if options.tags:
            words += ["--tags", ",".join(options.tags)]
        if options.check:
            words.append("--check")
        for file in options.variables_files or ():
            words += ["-e", f"@{file}"]
        if options.variables:
            words += ["-e", f"@{self.variables_file}"]
        password_file = options.vault_password_file
        if VAULT_PASSWORD in self.entry.credentials:
            password_file = f"{credentials}/{VAULT_PASSWORD}"
        if password_file:
            words += ["--vault-password-file", password_file]
        return [*words, *(options.arguments or ())]


def service_unit(run: Run) -> str:
    options = run.entry.options
    lines = [
        MARK,
        "[Unit]",
        f"Description=Even Keel: {plain(run.entry.name)} ({plain(options.playbook)})",
    ]
    if run.of_system:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    lines += ["", "[Service]", "Type=oneshot"]
    if run.of_system:
        lines.append(f"User={plain(run.user)}")
    lines.append(f"WorkingDirectory={plain(run.directory)}")
    lines += [
        f"Environment={word(f'{name}={value}')}" for name, value in sorted(run.entry.environment.items())
    ]
    if run.entry.secrets:
        lines.append(f"EnvironmentFile={plain(run.environment_file)}")
    lines += [
        f"LoadCredential={name}:{plain(run.credentials_folder)}/{name}"
        for name in sorted(run.entry.credentials)
    ]
    # flock says that it did not get the lock, but only if it may say all the rest too.
    words = [*run.lock()[:1], "--verbose", *run.lock()[1:]]
    command = run.command("${CREDENTIALS_DIRECTORY}")
    lines.append(f"ExecStart={' '.join([*map(command_word, words), *map(command_word, command)])}")
    lines.append(f"SuccessExitStatus={RUNS_ALREADY}")
    seconds = options.timeout
    lines.append(f"TimeoutStartSec={'infinity' if seconds is None else f'{seconds:g}'}")
    # A run that is stopped finishes or cancels what it started, as balance_on_stop says.
    lines.append(f"TimeoutStopSec={_STOP_SECONDS}")
    if options.output:
        lines += [f"Standard{stream}=append:{plain(options.output)}" for stream in ("Output", "Error")]
    text = "\n".join(lines) + "\n" + SANDBOX
    if run.of_system:
        text += SANDBOX_OF_SYSTEM
        text += "" if run.user == "root" else "CapabilityBoundingSet=\n"
        # What is missing is no reason not to start; the run reports it if it needs it.
        text += f"ReadWritePaths={' '.join(word(f'-{path}') for path in run.writable)}\n"
    return text


def timer_unit(run: Run) -> str:
    entry = run.entry
    options = entry.options
    lines = [MARK, "[Unit]", f"Description=Even Keel: when {plain(entry.name)} runs", "", "[Timer]"]
    if options.interval is not None:
        lines += [f"OnActiveSec={options.interval:g}", f"OnUnitActiveSec={options.interval:g}"]
    else:
        lines += [f"OnCalendar={plain(calendar)}" for calendar in entry.calendar]
        lines.append(f"Persistent={'no' if options.persistent is False else 'yes'}")
    if options.randomized_delay:
        lines.append(f"RandomizedDelaySec={options.randomized_delay:g}")
    return "\n".join([*lines, "", "[Install]", "WantedBy=timers.target", ""])


def cron_file(run: Run, expression: str) -> str:
    return f"{MARK}\nSHELL=/bin/sh\n{expression} {run.user} {shlex.quote(run.program)}\n"


def cron_program(run: Run) -> str:
    """What cron starts: it takes the secrets from the files beside it."""
    options = run.entry.options
    lines = ["#!/bin/sh", MARK, "umask 077"]
    if options.output:
        lines.append(f"exec >>{shlex.quote(options.output)} 2>&1")
    lines.append(f"cd -- {shlex.quote(run.directory)} || exit 1")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(run.entry.environment.items())]
    if run.entry.secrets:
        lines += ["set -a", f". {shlex.quote(run.environment_file)} || exit 1", "set +a"]
    if run.entry.credentials:
        lines.append(f"export CREDENTIALS_DIRECTORY={shlex.quote(run.credentials_folder)}")
    if options.randomized_delay >= 1:
        lines.append(f'sleep "$(( $(od -An -N4 -tu4 /dev/urandom) % {int(options.randomized_delay) + 1} ))"')
    words = [*run.lock(), *run.command(run.credentials_folder)]
    if options.timeout is not None:
        words = ["timeout", f"--kill-after={_STOP_SECONDS}", f"{options.timeout:g}", *words]
    said = f"{run.unit} was not started: its last run is still running"
    lines += [
        shlex.join(words),
        "code=$?",
        f'if [ "$code" -eq {RUNS_ALREADY} ]; then',
        f"    echo {shlex.quote(said)} >&2",
        # Where no mail is delivered, the log has it.
        f"    logger -t {run.unit} {shlex.quote(said)} 2>/dev/null",
        "    exit 0",
        "fi",
        '[ "$code" -eq 0 ] ||'
        f' logger -t {run.unit} -p user.err "ansible-playbook ended with exit code $code" 2>/dev/null',
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"


def environment_file(values: Mapping[str, str], mark: str = MARK) -> str:
    """Variables as systemd and sh both read them."""
    lines = [f'{name}="{_escaped(value, _SPECIAL)}"' for name, value in sorted(values.items())]
    return "\n".join([mark, *lines, ""])


_SPECIAL = '\\"$`'


def _escaped(text: str, characters: Iterable[str]) -> str:
    return "".join(f"\\{one}" if one in characters else one for one in text)


def plain(text: str) -> str:
    """A text in a unit that is no list of words."""
    return text.replace("%", "%%")


def word(text: str) -> str:
    """A word of a list in a unit."""
    escaped = _escaped(plain(text), '\\"')
    return f'"{escaped}"' if any(one in " '\";\\" for one in text) or not text else escaped


def command_word(text: str) -> str:
    """A word of a command line of systemd. The folder of credentials stays a variable."""
    head = "${CREDENTIALS_DIRECTORY}"
    if text.startswith(head):
        return head + word(text.removeprefix(head))
    return word(text.replace("$", "$$"))
