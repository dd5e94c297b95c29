# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process of its own, `extensions/service/evenkeel-service`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

from .._model.errors import EvenKeelError, InputError
from .._service.config import ServiceConfig
from .._service.intake import Intake
from .._service.playbook_runner import PlaybookRunner
from .._service.queue.claims import end_try
from .._service.readiness import VARIABLES, Readiness
from .._service.server import Lifetime, check, serve
from .._state.database import Database, open_database
from .._state.errors import StateError
from .schedule.entry import VAULT_PASSWORD
from .state_session import StateOptions, needed_database

CONFIG_VARIABLE = "EVENKEEL_SERVICE_CONFIG"
PLAYBOOK = "evenkeel.cluster.request"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_COLLECTIONS = "ANSIBLE_COLLECTIONS_PATH"
log = logging.getLogger("evenkeel.service")


def read_configuration(given: object, environment: Mapping[str, str]) -> ServiceConfig:
    """The configuration itself, or a file by its path; the environment names one where nothing is given.

    Raises EvenKeelError for a file that can't be read, and InputError for what is not a configuration.
    """
    return ServiceConfig.from_json(_parsed(given, environment))


def _parsed(given: object, environment: Mapping[str, str]) -> object:
    if given in (None, ""):
        given = environment.get(CONFIG_VARIABLE) or None
        if given is None:
            raise InputError.required("config", hint=f"Set it, or the environment variable {CONFIG_VARIABLE}")
    if not isinstance(given, str):
        return given
    # As Ansible itself needs it, it is there.
    import yaml

    try:
        return yaml.safe_load(Path(given).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise EvenKeelError(f"{given} can't be read: {said}", where="config") from None


def main(arguments: Sequence[str], environment: Mapping[str, str], collections: Path | None = None) -> int:
    """Run the service until it is told to end. `collections` is the folder above `ansible_collections` that
    this file belongs to. Returns the exit code.
    """
    options = _parser().parse_args(arguments)
    _log_to_stderr(environment)
    try:
        environment = _with_credentials(environment)
        config = read_configuration(options.config, environment)
        command = _command(options, environment)
        if options.check:
            _check(config, environment)
            return 0
        with needed_database(StateOptions(), environment) as database:
            asyncio.run(_serve(database, config, environment, command, collections))
    except EvenKeelError as error:
        log.error("%s", error)
        return 1
    return 0


async def _serve(
    database: Database,
    config: ServiceConfig,
    environment: Mapping[str, str],
    command: Sequence[str],
    collections: Path | None,
) -> None:
    intake = Intake(database, config)
    readiness = Readiness(environment)

    async def ended(name: str, claim: str, why: str) -> None:
        try:
            if await intake.ask(end_try, name, claim, why):
                log.warning("request %s: %s", name, why)
        except StateError as error:
            # The claim runs out, or is taken back as that of a process which is gone.
            log.error("request %s: the end of its playbook could not be recorded: %s", name, error)

    runner = PlaybookRunner(
        command, _for_playbooks(config, environment, collections), config.work.stop_within, ended
    )
    stop = asyncio.Event()

    def started(address: str | None) -> None:
        readiness.tell("READY=1", f"STATUS=accepting requests at {address}" if address else "STATUS=working")

    def end() -> None:
        if stop.is_set():
            runner.hurry()
            return
        readiness.tell("STOPPING=1", "STATUS=waiting for playbooks to end")
        log.warning("the service ends")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    watchdog = asyncio.ensure_future(readiness.watchdog())
    try:
        await serve(intake, environment, runner.put, Lifetime(started, stop, runner.drain))
    finally:
        watchdog.cancel()


def _check(config: ServiceConfig, environment: Mapping[str, str]) -> None:
    """Start as far as that is possible without the database and without taking the port."""
    with open_database("sqlite://") as database:
        check(Intake(database, config), environment)
    log.info("the configuration and its secrets are valid")


def _command(options: argparse.Namespace, environment: Mapping[str, str]) -> list[str]:
    program = options.ansible_playbook
    if program is None:
        beside = Path(sys.executable).with_name("ansible-playbook")
        program = str(beside) if beside.exists() else "ansible-playbook"
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        raise InputError(
            "ansible-playbook",
            program,
            "a program that can be run",
            hint="Set --ansible-playbook to its path",
        )
    inventories = [part for inventory in options.inventory for part in ("-i", inventory)]
    return [found, options.playbook, *inventories]


def _for_playbooks(
    config: ServiceConfig, environment: Mapping[str, str], collections: Path | None
) -> dict[str, str]:
    """What playbooks need: not the secrets of the service itself."""
    hidden = VARIABLES | {*_secret_variables(config)}
    kept = {name: value for name, value in environment.items() if name not in hidden}
    password = Path(environment.get(_CREDENTIALS, ""), VAULT_PASSWORD)
    if _CREDENTIALS in environment and password.exists():
        kept.setdefault("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    known = _collection_paths()
    if collections is not None and known and str(collections) not in known:
        # The playbook is that of this collection, wherever it was installed.
        kept[_COLLECTIONS] = os.pathsep.join([str(collections), *known])
    return kept


def _collection_paths() -> list[str]:
    """As ansible-playbook has them here, by its configuration and the environment."""
    try:
        constants = import_module("ansible.constants")
    except ImportError:
        return []
    return [str(path) for path in constants.COLLECTIONS_PATHS]


def _secret_variables(value: object) -> Iterator[str]:
    """The names of environment variables in a configuration: those fields that end in `_env`."""
    if isinstance(value, tuple):
        for item in value:
            yield from _secret_variables(item)
    elif is_dataclass(value):
        for field in fields(value):
            found = getattr(value, field.name)
            if field.name.endswith("_env") and found:
                yield found
            else:
                yield from _secret_variables(found)


def _with_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, and in it the files of systemd's folder of credentials whose names are those of
    variables.
    """
    found = dict(environment)
    folder = environment.get(_CREDENTIALS)
    if folder:
        try:
            for file in sorted(Path(folder).iterdir()):
                if file.name.isidentifier() and file.name.isupper():
                    found[file.name] = file.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise EvenKeelError(f"{folder} can't be read: {error}", where=_CREDENTIALS) from None
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evenkeel-service",
        description="Accepts requests to place VMs and to lease capacity, and runs a playbook for each.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", metavar="FILE", help=f"configuration; falls back to {CONFIG_VARIABLE}")
    add("--inventory", "-i", metavar="FILE", action="append", default=[], help="clusters; may be repeated")
    add("--playbook", default=PLAYBOOK, help="runs for each try of a request. Default: %(default)s")
    add("--ansible-playbook", metavar="PROGRAM", help="default: beside this Python, or in PATH")
    add("--check", action="store_true", help="only check the configuration and its secrets")
    return parser


def _log_to_stderr(environment: Mapping[str, str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JournalFormatter("%(message)s")
        if environment.get("JOURNAL_STREAM")
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("evenkeel").setLevel(logging.INFO)


class _JournalFormatter(logging.Formatter):
    """Each line begins with its priority, as systemd reads it."""

    def format(self, record: logging.LogRecord) -> str:
        level = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines())
