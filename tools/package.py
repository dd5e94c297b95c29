# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install it into an empty directory and run its playbook from there."""
from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from .run import ROOT, Shell, StepFailed, counted
from .tree import collection_copy

EXAMPLE = Path("playbooks", "files", "example-cluster.json")


def build_install_run(shell: Shell) -> str:
    """Pass when the installed playbook levels the example cluster and then finds nothing to do."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-installed-") as temporary:
        installed = Path(temporary, "collections")
        with collection_copy() as copy:
            shell.run("ansible-galaxy", "collection", "build", "--output-path", temporary, cwd=copy)
        tarball = next(Path(temporary).glob("*.tar.gz"))
        install = ("ansible-galaxy", "collection", "install", "--offline", "-p", installed, tarball)
        shell.run(*install, cwd=temporary)
        collection = installed / "ansible_collections" / "evenkeel" / "cluster"
        _balance_twice(shell, Path(temporary), collection)
        shutil.copy2(tarball, _dist())
        return f"{tarball.name}, {counted([f for f in collection.rglob('*') if f.is_file()], 'file')}"


def _balance_twice(shell: Shell, workplace: Path, collection: Path) -> None:
    cluster = workplace / "cluster.json"
    shutil.copy2(collection / EXAMPLE, cluster)
    inventory = workplace / "inventory.yml"
    inventory.write_text(inventory_of(cluster))
    # Only what was installed may be found: not the checkout, which the virtual environment links to.
    paths = str(collection.parents[2])
    env = {"ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    play = ("ansible-playbook", "evenkeel.cluster.balance", "-i", inventory)
    shell.run(*play, cwd=workplace, env=env)
    if "changed=0 " not in shell.run(*play, cwd=workplace, env=env):
        raise StepFailed("the second run of evenkeel.cluster.balance still found something to do")


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


def _dist() -> Path:
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    return dist
