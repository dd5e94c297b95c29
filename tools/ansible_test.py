# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test without a container engine and without anything but PyPI."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from .run import Shell

PIP_BOOTSTRAP = """\
# Stands in for the get-pip.py that ansible-test would fetch from a server of its own. The pip that there is
# installs the one that is wanted, which ansible-test removes again when it is done with it.
import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
pip = [{python!r}, "-m", "pip", "--python", sys.executable]
sys.exit(subprocess.run([*pip, "install", "--no-compile", *wanted], check=False).returncode)
"""


PROGRAMS = Path(sys.executable).parent
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def seed_pip(home: Path, programs: Path) -> None:
    """Put the bootstrap file where ansible-test looks before it asks the internet."""
    source = next(
        programs.parent.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py")
    )
    versions = re.findall(r"\bpip='([\d.]+)'", source.read_text("utf-8"))
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    program = PIP_BOOTSTRAP.format(python=sys.executable)
    for version in versions:
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(program)


def seed_keys(home: Path) -> None:
    """Put files where ansible-test looks for its SSH key, before it calls a program that may not be there."""
    for name in ("id_rsa", "id_rsa.pub"):
        (home / ".ansible" / "test" / name).write_text("No key: tests on this machine itself use none.\n")


def furnish_home(home: Path) -> None:
    """Keep pip quiet, lead to the user's own settings and caches, and forget what an earlier run remembers;
    no environment variable would.
    """
    shutil.rmtree(home / ".local" / "state" / "evenkeel", ignore_errors=True)
    quiet = home / ".pip" / "pip.conf"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text("[global]\nquiet = 2\n")
    for name in (".config/pip", ".cache/pip", ".cache/go-build", "go"):
        theirs, ours = Path.home() / name, home / name
        if theirs.is_dir() and not ours.exists():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)


def ansible_test(
    shell: Shell,
    copy: Path,
    *arguments: str,
    python: str = THIS_PYTHON,
    programs: Path = PROGRAMS,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run the ansible-test of `programs` in a copy of the collection, with a home of ours."""
    seed_pip(shell.home, programs)
    seed_keys(shell.home)
    furnish_home(shell.home)
    return shell.run(
        programs / "ansible-test",
        arguments[0],
        "--local",
        "--python",
        python,
        "--color",
        "no",
        *arguments[1:],
        cwd=copy,
        env={**(env or {}), "HOME": str(shell.home)},
    )
