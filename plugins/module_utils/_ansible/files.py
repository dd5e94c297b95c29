# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files that modules exchange. Private to the collection."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from .._model.errors import EvenKeelError


class FileError(EvenKeelError):
    """A file can't be read or written."""


def read_json(path: str, option: str) -> object:
    """Parsed JSON of the file that an option names. What is no number there is NaN or infinite, so that
    whoever reads on can name the field that it stands in.
    """
    try:
        text = _named(path, option).read_text(encoding="utf-8")
        if not text.strip():
            raise FileError(f"{path} is empty", where=option)
        return json.loads(text)
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}", where=option) from None
    except ValueError as error:
        # Of text that is no UTF-8, of text that is no JSON, and of numbers with thousands of digits.
        raise FileError(f"{path} is not JSON: {error}", where=option) from None
    except RecursionError:
        raise FileError(f"{path} is nested too deep", where=option) from None
    except MemoryError:
        raise FileError(f"{path} is too large for the memory that there is", where=option) from None


def write_json(path: str, value: object, option: str) -> None:
    """Write a file whole or not at all; missing folders are made. Only the owner may read it."""
    write_text(path, json.dumps(value, separators=(",", ":")), option)


def write_text(path: str, text: str, option: str, *, mode: int = 0o600) -> None:
    """As `write_json`, for a text, and for others to read as far as `mode` lets them."""
    # Where a link leads is written, so that the link stays; and nothing but a file is ever replaced.
    target = Path(os.path.realpath(_named(path, option)))
    try:
        if target.exists() and not target.is_file():
            raise FileError(f"{path} can't be written: it is not a regular file", where=option)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(descriptor, mode)
                os.fsync(stream.fileno())
            os.replace(name, target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"{path} can't be written: {error.strerror}", where=option) from None


def _named(path: str, option: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise FileError(f"{path} can't be found: there is no such user", where=option) from None
