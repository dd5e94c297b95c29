# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in the folder of node_exporter's textfile collector: one for each cluster."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ..._model.errors import InputError
from ..errors import FileError
from ..json_files import require_writable, write_text

_OPTION = "textfile_path"
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 100


def file_of(folder: str, cluster: str) -> Path:
    """The file of a cluster. Two clusters never share one, whatever their names are."""
    name = _UNUSUAL.sub("_", cluster)[:_MAX_NAME]
    if name != cluster:
        name = f"{name}-{hashlib.sha256(cluster.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return Path(folder).expanduser() / f"evenkeel-{name}.prom"


def check(folder: str, cluster: str, option: str = _OPTION) -> None:
    """Raises FileError or InputError when the file could not be written later."""
    if folder.endswith(".prom") and not os.path.isdir(folder):
        raise InputError(
            option,
            folder,
            "a folder",
            statement=f" is {folder}, but it names the folder of the files",
            hint="Set it to the folder in --collector.textfile.directory of node_exporter",
        )
    path = Path(folder).expanduser()
    if not path.is_dir():
        what = "it is not a folder" if path.exists() else "there is no such folder"
        raise FileError(
            f"{folder} can't be used: {what}",
            where=option,
            hint="Set it to the folder in --collector.textfile.directory of node_exporter",
        )
    require_writable(str(file_of(folder, cluster)), option)


def read(file: Path, option: str = _OPTION) -> str | None:
    """What the file holds; None where there is none."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{file} can't be read: {error}", where=option) from None


def write(folder: str, cluster: str, text: str) -> Path:
    """Replaces the file of the cluster whole; everybody may read it, since node_exporter is somebody else."""
    check(folder, cluster)
    file = file_of(folder, cluster)
    write_text(str(file), text, _OPTION, mode=0o644)
    return file


def remove(file: Path, option: str = _OPTION) -> bool:
    """Whether there was a file."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileError(f"{file} can't be removed: {error.strerror}", where=option) from None
    return True
