# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install it into an empty directory and run its playbook from there."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .run import ROOT, Shell, StepFailed, counted
from .tree import collection_copy

DIST = ROOT / "dist"
PROGRAMS = Path(sys.executable).parent
EXAMPLE = Path("playbooks", "files", "example-cluster.json")

_BUILDING = threading.Lock()
_BUILT: list[Path] = []


def only_from(folder: str | Path) -> dict[str, str]:
    """Settings that let Ansible find no collection elsewhere: not the checkout, which .venv links to."""
    return {"ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}


def built(shell: Shell) -> Path:
    """The tarball of the collection, made once for all steps and gone at the end."""
    with _BUILDING:
        if not _BUILT:
            folder = tempfile.mkdtemp(prefix="evenkeel-built-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            with collection_copy() as copy:
                shell.run("ansible-galaxy", "collection", "build", "--output-path", folder, cwd=copy)
            _BUILT.extend(Path(folder).glob("*.tar.gz"))
    return _BUILT[0]


@contextmanager
def installed(shell: Shell) -> Iterator[Path]:
    """The collection as its users get it: built, and installed into an empty directory, gone afterwards."""
    tarball = built(shell)
    with tempfile.TemporaryDirectory(prefix="evenkeel-installed-") as temporary:
        install = ("ansible-galaxy", "collection", "install", "--offline", "-p", temporary, tarball)
        shell.run(*install, cwd=temporary, env=only_from(temporary))
        _keep(tarball)
        yield Path(temporary, "ansible_collections", "evenkeel", "cluster")


def _keep(tarball: Path) -> None:
    """In one piece: another step may be at it."""
    DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DIST) as draft:
        shutil.copy2(tarball, draft)
        Path(draft, tarball.name).replace(DIST / tarball.name)


def build_install_run(shell: Shell) -> str:
    """Pass when the installed playbook levels the example cluster and then finds nothing to do."""
    with installed(shell) as collection, tempfile.TemporaryDirectory(prefix="evenkeel-run-") as workplace:
        balance_twice(shell, Path(workplace), collection, {})
        _check_console(shell, Path(workplace), collection)
        return counted([file for file in collection.rglob("*") if file.is_file()], "file") + " installed"


def _check_console(shell: Shell, workplace: Path, collection: Path) -> None:
    """The console finds the installed collection, whatever Ansible would find elsewhere."""
    console = collection / "extensions" / "console" / "evenkeel-console"
    inventory = workplace / "inventory.yml"
    printed = shell.run(
        sys.executable, console, "-i", inventory, "--check", cwd=workplace, env=only_from(workplace)
    )
    if "example: ok" not in printed:
        raise StepFailed(f"the console does not take the inventory: {printed}")


def balance_twice(
    shell: Shell, workplace: Path, collection: Path, settings: Mapping[str, str], programs: Path = PROGRAMS
) -> str:
    """Run the playbook of the installed collection on the example cluster: dry run, run, and a run with
    nothing to do. Return what was printed.
    """
    cluster = workplace / "cluster.json"
    shutil.copy2(collection / EXAMPLE, cluster)
    inventory = workplace / "inventory.yml"
    inventory.write_text(inventory_of(cluster))
    env = {**only_from(collection.parents[2]), **settings}
    play = (programs / "ansible-playbook", "evenkeel.cluster.balance", "-i", inventory)
    printed = shell.run(*play, "--check", "--diff", cwd=workplace, env=env)
    printed += shell.run(*play, cwd=workplace, env=env)
    second = shell.run(*play, cwd=workplace, env=env)
    if "changed=0 " not in second:
        raise StepFailed("the second run of evenkeel.cluster.balance still found something to do")
    return printed + second


def inventory_of(cluster: Path) -> str:
    """An inventory of one rehearsal cluster."""
    return f"""\
clusters:
  hosts:
    example:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
      balance_platform: rehearsal
      balance_rehearsal_path: {cluster}
"""
