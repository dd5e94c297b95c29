# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download the jars that a list locks, all or none of them.

    jars.py LIST FOLDER

Nothing is done where the folder was made of the same list. Each line of the list is a hash by SHA-256 and a
path below Maven Central.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

CENTRAL = "https://repo1.maven.org/maven2/"
TIMEOUT_SECONDS = 60


class JarError(Exception):
    """A jar that can't be downloaded, or is another than the locked one."""


def locked(text: str) -> dict[str, str]:
    """Paths and hashes."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {path: digest for digest, path in lines}


def download(jars: dict[str, str], folder: Path) -> None:
    """Raises JarError; the folder is there only when all jars are in it."""
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for path, digest in jars.items():
        try:
            with urllib.request.urlopen(CENTRAL + path, timeout=TIMEOUT_SECONDS) as answer:
                content = answer.read()
        except (urllib.error.URLError, OSError) as error:
            raise JarError(f"{CENTRAL}{path}: {error}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise JarError(f"{CENTRAL}{path}: its SHA-256 is {found}, not the locked {digest}")
        (draft / Path(path).name).write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def main(listed: Path, folder: Path) -> int:
    """The exit code is 1 when a jar is missing."""
    text = listed.read_text(encoding="utf-8")
    made_of = folder / "made-of"
    if made_of.exists() and made_of.read_text(encoding="utf-8") == text:
        return 0
    try:
        download(locked(text), folder)
    except JarError as error:
        print(f"jars.py: {error}", file=sys.stderr)
        return 1
    made_of.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
