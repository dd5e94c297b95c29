# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: inventory, vault and extra variables as ansible-playbook takes them."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible import constants, context
from ansible.cli import CLI
from ansible.cli.arguments import option_helpers
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret, VaultSecretsContext
from ansible.vars.manager import VariableManager

from .inventory import READ_ONLY

NAME = "evenkeel-console"
PORT = 8765
# How the process that serves browsers starts one console for each: nothing of it is on a command line.
HANDED_ON = "EVENKEEL_CONSOLE_START"
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How the console was started. `vault_secrets`: identities and passwords that the user has typed or
    named, for the playbooks that the console runs.
    """

    options: argparse.Namespace
    arguments: Sequence[str] = ()
    vault_secrets: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    loader: DataLoader
    inventory: InventoryManager
    variables: VariableManager

    def for_playbook(self) -> list[str]:
        """The options of ansible-playbook for the same inventory and variables, without the vault."""
        given = [part for source in self.options.inventory for part in ("-i", source)]
        if self.options.subset:
            given += ["--limit", self.options.subset]
        return given + [part for value in self.options.extra_vars for part in ("-e", value)]


class ConsoleCLI(CLI):  # type: ignore[misc]
    """Reads inventory, vault and variables by the same code as ansible-playbook."""

    name = NAME

    def init_parser(self) -> None:
        self.parser = argparse.ArgumentParser(
            prog=NAME,
            description="Shows the clusters of an inventory, plans and applies migrations, in a terminal or"
            " in a browser.",
            allow_abbrev=False,
        )
        add = self.parser.add_argument
        add("-i", "--inventory", action="append", metavar="INVENTORY", help="as of ansible-playbook")
        add("-l", "--limit", dest="subset", default=constants.DEFAULT_SUBSET, metavar="PATTERN",
            help="only these clusters")  # fmt: skip
        option_helpers.add_runtask_options(self.parser)
        option_helpers.add_vault_options(self.parser)
        add("--refresh", type=_seconds, default=60.0, metavar="SECONDS",
            help="how often a cluster is read. Default: 60")  # fmt: skip
        add("--read-only", action="store_true",
            help=f"offer nothing that changes a cluster; also {READ_ONLY.upper()}=true in the"
            f" environment, or the variable {READ_ONLY}")  # fmt: skip
        add("--check", action="store_true",
            help="only check the inventory: what is wrong with the variables of each cluster")  # fmt: skip
        browser = self.parser.add_argument_group("in a browser").add_argument
        browser("--serve", action="store_true", help="serve browsers instead of this terminal")
        browser("--bind", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s")
        browser("--port", type=_port, default=PORT, help="default: %(default)s")
        browser("--public-url", metavar="URL",
                help="the address that browsers use, behind a reverse proxy")  # fmt: skip
        self.parser.set_defaults(flush_cache=False, verbosity=constants.DEFAULT_VERBOSITY)

    def post_process_args(self, options: argparse.Namespace) -> argparse.Namespace:
        options = super().post_process_args(options)
        options.read_only = options.read_only or os.environ.get(READ_ONLY.upper(), "").lower() in _TRUE
        return options

    def parse(self) -> None:
        """As the original, but a wrong option is not buried under the whole help."""
        self.init_parser()
        context._init_global_context(self.post_process_args(self.parser.parse_args(self.args[1:])))

    def run(self) -> None:
        self.parse()

    def start(self, secrets: Sequence[tuple[str, bytes]] | None) -> Start:
        """Parse the arguments, and read what they name; `secrets` are those of the vault, if it was asked for
        them before. Raises AnsibleError.
        """
        self.run()
        if secrets is None:
            loader, inventory, variables = self._play_prereqs()
        else:
            loader, inventory, variables = _with_secrets(secrets)
        return Start(
            options=argparse.Namespace(**context.CLIARGS),
            arguments=tuple(self.args[1:]),
            vault_secrets=tuple(_bytes_of(loader)),
            loader=loader,
            inventory=inventory,
            variables=variables,
        )


def _with_secrets(secrets: Sequence[tuple[str, bytes]]) -> tuple[Any, Any, Any]:
    loader = DataLoader()
    known = [(identity, VaultSecret(password)) for identity, password in secrets]
    VaultSecretsContext.initialize(VaultSecretsContext(known))
    loader.set_vault_secrets(known)
    inventory = InventoryManager(loader=loader, sources=context.CLIARGS["inventory"])
    variables = VariableManager(
        loader=loader, inventory=inventory, version_info=CLI.version_info(gitinfo=False)
    )
    return loader, inventory, variables


def _bytes_of(loader: DataLoader) -> Iterator[tuple[str, bytes]]:
    for identity, secret in loader._vault.secrets or ():
        yield identity or constants.DEFAULT_VAULT_IDENTITY, secret.bytes


def handed_on(start: Start) -> str:
    """What the console for one browser is started with: the same arguments, and the secrets of the vault."""
    return json.dumps(
        {
            "arguments": [*start.arguments],
            "vault": [[identity, secret.decode("latin-1")] for identity, secret in start.vault_secrets],
        }
    )


def taken_over(environment: MutableMapping[str, str]) -> tuple[list[str], list[tuple[str, bytes]]] | None:
    """The arguments and secrets by which a serving process started this one, which are forgotten at once."""
    text = environment.pop(HANDED_ON, None)
    if text is None:
        return None
    found = json.loads(text)
    secrets = [(identity, secret.encode("latin-1")) for identity, secret in found["vault"]]
    return [word for word in found["arguments"] if word != "--serve"], secrets


def command() -> str:
    """How the console for one browser is started."""
    return shlex.join([sys.executable, sys.argv[0]])


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 1 to 86400")
    return number


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return number
