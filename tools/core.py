# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection with other versions of ansible-core than that of .venv, each with its own Python."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from . import package
from .ansible_test import ansible_test
from .run import ROOT, Shell, StepFailed
from .tree import collection_copy

FOLDER = ROOT / ".venv" / "cores"
# ansible-core 2.20 and newer need Python 3.12, which Debian 12 does not have. This Go module carries builds
# of CPython; Go verifies the hash of what it downloads.
PYTHON_MODULE = "github.com/kluctl/go-embed-python@v0.0.0-3.14.6-20260610-1"
PYTHON_SUM = "h1:oGUS7++Wm3LgxUfD6AmJgKbKQD2wdQFO9PzyJv6T+E4="
PYTHON = "3.14"
TARGET = "role_balance"
"of ansible-test: it runs modules, the action plugin and a role on every platform"


def versions() -> list[str]:
    """The versions that a step tests, by the files that lock them, the newest last."""
    found = (file.stem.removeprefix("core-") for file in ROOT.glob("requirements/core-*.txt"))
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def run_with_core(version: str, thorough: bool, shell: Shell) -> str:
    """Pass when every module documents itself, the installed playbook levels the example cluster, and nothing
    of ours is deprecated there; where it is to be `thorough`, a target of ansible-test passes as well.
    """
    home = _environment(version, shell)
    programs, env = home / "bin", _path(home)
    names = json.loads(shell.run(programs / "ansible-doc", "--json", "--list", "evenkeel.cluster", env=env))
    shell.run(programs / "ansible-doc", "--json", *sorted(names), env=env)
    with package.installed(shell) as collection, tempfile.TemporaryDirectory() as workplace:
        printed = package.balance_twice(shell, Path(workplace), collection, env, programs)
    if thorough:
        with collection_copy() as copy:
            printed += ansible_test(
                shell, copy, "integration", TARGET, python=PYTHON, programs=programs, env=env
            )
    deprecated = re.findall(r"^\[DEPRECATION WARNING\].*", printed, re.MULTILINE)
    if deprecated:
        raise StepFailed("; ".join(sorted(set(deprecated))[:5]))
    return f"{len(names)} modules documented, 3 runs" + (f", {TARGET}" if thorough else "")


def _path(home: Path) -> dict[str, str]:
    """Its programs first, before those of .venv."""
    return {
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_DEPRECATION_WARNINGS": "true",
    }


def _environment(version: str, shell: Shell) -> Path:
    """A virtual environment with that version, in which the checkout is the collection."""
    home = FOLDER / version
    wanted = (ROOT / "requirements" / f"core-{version}.txt").read_text() + PYTHON_MODULE
    made_of = home / "made-of"
    if made_of.is_file() and made_of.read_text() == wanted:
        return home
    python = _python(shell)
    shutil.rmtree(home, ignore_errors=True)
    shell.run(python, "-m", "venv", "--without-pip", home)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "-q")
    shell.run(
        *pip,
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        ROOT / "requirements" / f"core-{version}.txt",
    )
    link = home / "lib" / f"python{PYTHON}" / "site-packages" / "ansible_collections" / "evenkeel" / "cluster"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    made_of.write_text(wanted)
    return home


def _python(shell: Shell) -> Path:
    """The Python of the Go module, unpacked into .venv."""
    folder = FOLDER / f"python-{PYTHON}"
    program = folder / "bin" / f"python{PYTHON}"
    if program.is_file():
        return program
    module = json.loads(shell.run("go", "mod", "download", "-json", PYTHON_MODULE, cwd="/"))
    if module["Sum"] != PYTHON_SUM:
        raise StepFailed(f"{PYTHON_MODULE} has the hash {module['Sum']}, which is not {PYTHON_SUM}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as draft:
        unpacked = Path(draft, "python")
        shutil.copytree(Path(module["Dir"], "python", "internal", "data", "linux-amd64"), unpacked)
        for file in [*unpacked.rglob("*"), unpacked]:
            file.chmod(0o755 if file.is_dir() or file.parent.name == "bin" else 0o644)
        for packed in unpacked.rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        (unpacked / "bin" / f"python{PYTHON}").chmod(0o755)
        unpacked.replace(folder)
    return program
