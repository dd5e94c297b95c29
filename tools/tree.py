# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the checkout, as a commit of everything would hold it, to a real collection directory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .run import ROOT


def files(root: Path = ROOT) -> list[Path]:
    """The files of the checkout that git tracks or would track, relative to it."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    return sorted(Path(name) for name in set(listed.split("\0")) if name and (root / name).is_file())


@contextmanager
def collection_copy(root: Path = ROOT) -> Iterator[Path]:
    """A copy at TEMPORARY/ansible_collections/evenkeel/cluster, outside the checkout, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-") as temporary:
        copy = Path(temporary, "ansible_collections", "evenkeel", "cluster")
        for name in files(root):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
        yield copy
